// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/quayside/quayside/quay/quaytest"
)

// If this variable is set, the test binary runs the command.
const beCommand = "QUAYTEST_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// A running is a running command.
type running struct {
	url    string
	output *bufio.Reader
	stop   func() (code int, stderr string)
}

// start runs the command up to its first line of output.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, write, &stderr)
		write.Close()
	}()
	r := &running{output: bufio.NewReader(read)}
	stopped := false
	r.stop = func() (int, string) {
		stopped = true
		cancel()
		return <-code, stderr.String()
	}
	t.Cleanup(func() {
		read.Close()
		if !stopped {
			r.stop()
		}
	})
	line, err := r.output.ReadString('\n')
	if err != nil {
		c, text := r.stop()
		t.Fatalf("the first line is %q, %v; exit code %d, standard error %q", line, err, c, text)
	}
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on ")
	if !ok {
		t.Fatalf("the first line is %q", line)
	}
	r.url = url
	return r
}

func get(t *testing.T, client *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	client.CloseIdleConnections()
	return resp, string(body)
}

const list = "/api/v1/repository?public=true&namespace="

func TestRegistryIsNamed(t *testing.T) {
	r := start(t, "--server-hostname", "registry.test:5000", "--push-limit", "1KB")
	resp, _ := get(t, http.DefaultClient, r.url+"/v2/")
	if got := resp.Header.Get("WWW-Authenticate"); got != `Bearer realm="http://registry.test:5000/v2/auth",service="registry.test:5000"` {
		t.Errorf("challenge %q", got)
	}
	for _, args := range [][]string{{"--push-limit", "much"}, {"--server-hostname", "https://registry.test"}} {
		if code := run(t.Context(), args, io.Discard, io.Discard); code != exitUsage {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestServesTheSampleAndPrintsStatistics(t *testing.T) {
	r := start(t)
	if _, body := get(t, http.DefaultClient, r.url+list+"stackfleet"); !strings.Contains(body, `"namespace": "stackfleet"`) {
		t.Errorf("listing %.200q", body)
	}
	var rest []byte
	done := make(chan struct{})
	go func() { rest, _ = io.ReadAll(r.output); close(done) }()
	if code, stderr := r.stop(); code != exitDone || stderr != "" {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	<-done
	var stats quaytest.Stats
	if err := json.Unmarshal(rest, &stats); err != nil || stats.Requests != 1 || stats.Connections.HTTP1 != 1 {
		t.Errorf("statistics %s, %v", rest, err)
	}
}

func TestServesADatasetOverTLS(t *testing.T) {
	dir := t.TempDir()
	ca, stats, data := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "stats.json"), filepath.Join(dir, "dataset.json")
	const text = `{"organizations": [{"name": "harbour", "enabled": true}],
		"repositories": [{"namespace": "harbour", "name": "plain", "public": true, "tags": []}]}`
	if err := os.WriteFile(data, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, "--dataset", data, "--clock", "1795446151", "--tls", "--ca-out", ca, "--stats", stats,
		"--limits", "h2=0.001/0", "--limit-key", "address", "--latency", "50ms", "--rate-bytes", "1KB",
		"--quirk", "retry-after=3", "--quirk", "empty-429")
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	connect := func() *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	}
	begin := time.Now()
	resp, body := get(t, connect(), r.url+list+"harbour")
	// The pipe catches up a few milliseconds of idle time.
	if d, least := time.Since(begin), 40*time.Millisecond+time.Duration(len(body))*time.Millisecond; d < least {
		t.Errorf("%d bytes took %v, want %v of latency and bandwidth", len(body), d, least)
	}
	if resp.Proto != "HTTP/2.0" || resp.Header.Get("Date") != "Mon, 23 Nov 2026 15:02:31 GMT" || !strings.Contains(body, `"plain"`) {
		t.Errorf("%s %v %q", resp.Proto, resp.Header, body)
	}
	resp, body = get(t, connect(), r.url+list+"harbour") // over another connection from this address
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "3" || body != "" {
		t.Errorf("%s %v %q, want an empty refusal", resp.Status, resp.Header, body)
	}
	if code, stderr := r.stop(); code != exitDone || stderr != "" {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	written, err := os.ReadFile(stats)
	if err != nil {
		t.Fatal(err)
	}
	var got quaytest.Stats
	if err := json.Unmarshal(written, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(quaytest.Connections{Accepted: 2, HTTP2: 2}, got.Connections); diff != "" || got.Refused != 1 {
		t.Errorf("%d refused, connections (-want +got):\n%s", got.Refused, diff)
	}
}

func TestObjectStorageRedirects(t *testing.T) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for want, args := range map[int][]string{http.StatusOK: nil, http.StatusFound: {"--object-storage"}} {
		r := start(t, args...)
		req, err := http.NewRequest(http.MethodGet, r.url+"/v2/stackfleet/keystone/manifests/2025.1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
		manifest, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer manifest.Body.Close()
		var image struct{ Config struct{ Digest string } }
		if err := json.NewDecoder(manifest.Body).Decode(&image); err != nil || image.Config.Digest == "" {
			t.Fatalf("manifest: %s, %v", manifest.Status, err)
		}
		if resp, _ := get(t, client, r.url+"/v2/stackfleet/keystone/blobs/"+image.Config.Digest); resp.StatusCode != want {
			t.Errorf("with %q a blob is answered %s, want %d", args, resp.Status, want)
		}
	}
}

func TestFleet(t *testing.T) {
	r := start(t, "--fleet", "250,every=10,no-live-tag=50")
	_, body := get(t, http.DefaultClient, r.url+list+"fleet&last_modified=true")
	if n, dead := strings.Count(body, `"name": "image-`), strings.Count(body, `"last_modified": null`); n != 100 || dead != 20 {
		t.Errorf("page one has %d repositories, %d without a live tag; want 100, 20", n, dead)
	}
}

func TestFleetWithAToken(t *testing.T) {
	r := start(t, "--fleet", "25,namespace=armada,tag=9,private=5,token=abc")
	private := "/api/v1/repository?namespace=armada"
	if _, body := get(t, http.DefaultClient, r.url+private); strings.Contains(body, "image-") {
		t.Errorf("private ones are listed to anyone: %.200q", body)
	}
	req, err := http.NewRequest(http.MethodGet, r.url+private, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer abc")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	owned, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(owned), `"is_public": false`) {
		t.Errorf("the owner's token does not show private ones: %.200q, %v", owned, err)
	}
}

func TestRelease(t *testing.T) {
	r := start(t, "--release", "3,namespace=yard,tag=v2,base=20KB,group=10KB,groups=2,own=5KiB,signed=2,private=1,token=abc")
	req, err := http.NewRequest(http.MethodGet, r.url+"/v2/yard/image-000002/manifests/v2", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var image struct{ Layers []struct{ Size int64 } }
	if err := json.NewDecoder(resp.Body).Decode(&image); err != nil || len(image.Layers) != 3 {
		t.Fatalf("manifest: %s, %v", resp.Status, err)
	}
	if got := []int64{image.Layers[0].Size, image.Layers[1].Size, image.Layers[2].Size}; !cmp.Equal(got, []int64{19968, 9728, 5120}) {
		t.Errorf("layers of %v bytes", got)
	}
	for name, want := range map[string]int{"image-000002": 2, "image-000001": 1} {
		if _, body := get(t, http.DefaultClient, r.url+"/api/v1/repository/yard/"+name+"/tag/"); strings.Count(body, `"name"`) != want {
			t.Errorf("%s has the tags %s, want %d", name, body, want)
		}
	}
	if _, body := get(t, http.DefaultClient, r.url+list+"yard"); strings.Count(body, `"name": "image-`) != 2 {
		t.Errorf("anyone sees %s", body)
	}
}

func TestSignalEndsIt(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), beCommand+"=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "listening on http://127.0.0.1:") {
			t.Errorf("first line %q, %v", line, err)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		var stats quaytest.Stats
		if err := json.NewDecoder(lines).Decode(&stats); err != nil {
			t.Errorf("statistics after %v: %v", signal, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v", signal, err)
		}
	}
}

func runNow(args ...string) (code int, stdout, stderr string) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestUsageErrorsNameTheText(t *testing.T) {
	for offending, args := range map[string][]string{
		`"now"`:           {"--clock", "now"},
		`"quick"`:         {"--latency", "quick"},
		`"10 apples"`:     {"--rate-bytes", "10 apples"},
		`"5MM"`:           {"--rate-bytes", "5MM"},
		`"0"`:             {"--rate-bytes", "0"},
		`"h3=1/1"`:        {"--limits", "h3=1/1"},
		`"port"`:          {"--limit-key", "port"},
		`"html-999"`:      {"--quirk", "html-999"},
		`"often"`:         {"--quirk", "cut=often"},
		`-1s`:             {"--latency", "-1s"},
		`-colour`:         {"--colour"},
		`"extra"`:         {"extra"},
		`--ca-out`:        {"--ca-out", "ca.pem"},
		`"many"`:          {"--fleet", "many"},
		`"0,tag=1"`:       {"--fleet", "0,tag=1"},
		`"sails=3"`:       {"--fleet", "5,sails=3"},
		`"every=x"`:       {"--fleet", "5,every=x"},
		`--dataset`:       {"--fleet", "5", "--dataset", "d.json"},
		`given once`:      {"--fleet", "5", "--release", "5"},
		`"few"`:           {"--release", "few"},
		`"own=big"`:       {"--release", "5,own=big"},
		`"signed=-1"`:     {"--release", "5,signed=-1"},
		`"private=6"`:     {"--release", "5,private=6"},
		`"tag="`:          {"--release", "5,tag="},
		`"size=1MB"`:      {"--release", "5,size=1MB"},
		`quirk "cut"`:     {"--quirk", "cut=2", "--quirk", "cut=3"},
		`"1.2.3.4"`:       {"--listen", "1.2.3.4"},
		`argument: -stat`: {"--stats"},
	} {
		code, stdout, stderr := runNow(args...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, offending) || !strings.Contains(stderr, "quaytest --help") {
			t.Errorf("%q: exit code %d, standard output %q, standard error %q; want %s in it", args, code, stdout, stderr, offending)
		}
	}
}

func TestFailures(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"users": 5}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		named string
		args  []string
	}{
		{"none.json", []string{"--dataset", "none.json"}},
		{broken, []string{"--dataset", broken}},
		{"no/such/stats", []string{"--stats", "no/such/stats"}},
		{"no/such/ca", []string{"--tls", "--ca-out", "no/such/ca"}},
		{"192.0.2.1:9", []string{"--listen", "192.0.2.1:9"}},
	} {
		if code, stdout, stderr := runNow(c.args...); code != exitFailed || stdout != "" || !strings.Contains(stderr, c.named) {
			t.Errorf("%q: exit code %d, standard output %q, standard error %q", c.args, code, stdout, stderr)
		}
	}
}

func TestHelpTellsEveryFlag(t *testing.T) {
	code, stdout, stderr := runNow("--help")
	if code != exitDone || stderr != "" {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	s := &settings{}
	flags(s).VisitAll(func(f *flag.Flag) {
		if !strings.Contains(stdout, "\n  --"+f.Name+" ") && !strings.Contains(stdout, "\n  --"+f.Name+"\n") {
			t.Errorf("the help does not explain --%s", f.Name)
		}
	})
}

func TestListQuirks(t *testing.T) {
	code, stdout, _ := runNow("--list-quirks")
	if code != exitDone {
		t.Errorf("exit code %d", code)
	}
	for _, q := range quaytest.QuirkList() {
		if !strings.Contains(stdout, q.Name) || !strings.Contains(stdout, q.Help) || !strings.Contains(stdout, q.Fact) || !strings.Contains(stdout, q.Invented) {
			t.Errorf("%s is not described in %s", q.Name, stdout)
		}
	}
}

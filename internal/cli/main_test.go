// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/quayside/quayside/internal/cli"
	"github.com/quayside/quayside/quay/quaytest"
)

// Most of the command's behaviour is tested by the scripts of
// cmd/quayside/testdata. Here is what needs a look inside: goroutines,
// writers that fail, every help text.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, options ...quaytest.Option) *quaytest.Server {
	t.Helper()
	s, err := quaytest.NewServer(quaytest.SampleDataset(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func environment(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

// command runs the command without the user's own config file.
func command(ctx context.Context, stdout, stderr io.Writer, variables map[string]string, args ...string) int {
	if !slices.Contains(args, "--config") {
		args = append(args, "--config", os.DevNull)
	}
	return cli.Main(ctx, args, strings.NewReader(""), stdout, stderr, environment(variables))
}

// canceller cancels when the written text matches a pattern.
type canceller struct {
	bytes.Buffer
	pattern *regexp.Regexp
	cancel  context.CancelFunc
}

func (c *canceller) Write(p []byte) (int, error) {
	n, err := c.Buffer.Write(p)
	if c.pattern.Match(c.Bytes()) {
		c.cancel()
	}
	return n, err
}

// A server that stalls on some repositories delays a run for a minute. An interrupted run
// ends at once, prints what it knows, and leaves no goroutines (TestMain checks that).
func TestInterruptedRunEndsAtOnce(t *testing.T) {
	s := serve(t, quaytest.WithQuirk("stall", "/api/v1/repository/stackfleet/s*/tag/"))
	for _, format := range []string{"ndjson", "json", "table"} {
		t.Run(format, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			// In every format, the log reports when a repository has been checked.
			stderr := &canceller{pattern: regexp.MustCompile(`stackfleet/rabbitmq tag=2025.1 present=true`), cancel: cancel}
			var stdout bytes.Buffer
			code := command(ctx, &stdout, stderr, nil, "find", "--server", s.URL(), "stackfleet/{rabbitmq,sahara,senlin}*:2025.1", "-o", format, "-v")
			if code != 130 {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
			if !strings.Contains(stderr.String(), "quayside: interrupted\n") {
				t.Errorf("stderr does not say so:\n%s", stderr)
			}
			switch format {
			case "json":
				var doc struct {
					Complete *bool
					Error    string
				}
				if err := json.Unmarshal(stdout.Bytes(), &doc); err != nil || doc.Complete == nil || *doc.Complete || doc.Error != "interrupted" {
					t.Errorf("%v: %s", err, &stdout)
				}
			case "ndjson":
				lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
				if last := lines[len(lines)-1]; !strings.HasPrefix(last, `{"kind":"summary","complete":false,"error":"interrupted"`) {
					t.Errorf("last line: %s", last)
				}
			}
		})
	}
}

// A command that is interrupted before it begins sends no request.
func TestInterruptedBeforeItBegan(t *testing.T) {
	s := serve(t)
	folder := filepath.Join(t.TempDir(), "layout")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"find", "stackfleet/*:2025.1"}, {"repos", "stackfleet"}, {"tags", "stackfleet/nova-api"}, {"has", "stackfleet/nova-api:2025.1"},
		{"info", "stackfleet/nova-api:2025.1"}, {"copy", "stackfleet/nova-api:2025.1", "oci:" + folder},
	} {
		if code := command(ctx, io.Discard, io.Discard, nil, append(args, "--server", s.URL())...); code != 130 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if n := s.Stats().Requests; n != 0 {
		t.Errorf("%d requests", n)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("a layout was made")
	}
}

// Nobody may ever type the end of standard input.
func TestInterruptedWhileReadingAToken(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close() // ends the read
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code := cli.Main(ctx, []string{"repos", "stackfleet", "--token-file", "-", "--config", os.DevNull}, in, io.Discard, io.Discard, environment(nil))
	if code != 130 {
		t.Errorf("exit code %d", code)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestStandardOutputThatFails(t *testing.T) {
	s := serve(t)
	full := errors.New("disk full")
	folder := filepath.Join(t.TempDir(), "layout")
	for _, args := range [][]string{
		{"find", "stackfleet/nova-*:2025.1"},
		{"find", "stackfleet/nova-*:2025.1", "-o", "ndjson"},
		{"find", "stackfleet/nova-*:2025.1", "-o", "json"},
		{"repos", "stackfleet"},
		{"tags", "stackfleet/nova-api", "-o", "ndjson"},
		{"has", "stackfleet/nova-api:2025.1"},
		{"has", "--help"},
		{"version"},
		{"completion", "bash"},
		{"info", "stackfleet/nova-api:2025.1"},
		{"info", "stackfleet/nova-api:2025.1", "-o", "json"},
		{"copy", "stackfleet/nova-api:2025.1", "oci:" + folder},
		{"copy", "stackfleet/nova-api:2025.1", "oci:" + folder, "-o", "json"},
		{"copy", "stackfleet/nova-api:2025.1", "oci:" + folder, "--dry-run"},
		{"verify", folder},
		{"layout", "gc", folder},
		{"demo"},
	} {
		var stderr bytes.Buffer
		code := command(t.Context(), failing{full}, &stderr, map[string]string{"QUAYSIDE_SERVER": s.URL()}, args...)
		if code != 5 || !strings.Contains(stderr.String(), "cannot write to standard output: disk full") {
			t.Errorf("%v: exit code %d, stderr %q", args, code, &stderr)
		}
		stderr.Reset()
		code = command(t.Context(), failing{io.ErrClosedPipe}, &stderr, map[string]string{"QUAYSIDE_SERVER": s.URL()}, append(args, "-q")...)
		if code != 0 || stderr.Len() > 0 {
			t.Errorf("%v into a broken pipe: exit code %d, stderr %q", args, code, &stderr)
		}
	}
}

// If the reader of the output leaves, the run stops and sends no more requests.
func TestReaderThatLeavesStopsTheRun(t *testing.T) {
	s, err := quaytest.NewServer(quaytest.Fleet(3000, quaytest.FleetOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	var stderr bytes.Buffer
	code := command(t.Context(), failing{io.ErrClosedPipe}, &stderr, nil, "find", "--server", s.URL(), "fleet/*:2025.1", "-o", "ndjson")
	if code != 0 || stderr.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, &stderr)
	}
	if n := s.Stats().Requests; n > 1000 {
		t.Errorf("%d requests for one line", n)
	}
}

// If the reader of the output leaves, a failure does not become a success.
func TestReaderThatLeavesHidesNoFailure(t *testing.T) {
	s := serve(t, quaytest.WithQuirk("html-404", "/api/v1/repository/stackfleet/horizon/tag/"))
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"has", "stackfleet/sahara-api:2025.1"}, 1, ""},
		{[]string{"has", "stackfleet/horizon:2025.1", "-o", "json"}, 5, "404"},
		{[]string{"tags", "stackfleet/horizon", "-o", "json"}, 5, "404"},
		{[]string{"repos", "stackfleat", "-o", "json"}, 5, `no organization or user is named "stackfleat"`},
	} {
		var stderr bytes.Buffer
		code := command(t.Context(), failing{io.ErrClosedPipe}, &stderr, nil, append(test.args, "--server", s.URL(), "-q")...)
		if code != test.code || !strings.Contains(stderr.String(), test.says) || test.says == "" && stderr.Len() > 0 {
			t.Errorf("%v: exit code %d, stderr %q", test.args, code, &stderr)
		}
	}
}

// If images were inspected, a line reports the requests to their registry, as in a copy.
// Without such requests there is no line.
func TestRegistryTrafficIsTold(t *testing.T) {
	s := serve(t, quaytest.WithQuirk("outage", "1:503:/v2/stackfleet/nova-api/manifests/**"))
	label := []string{"--label", "org.opencontainers.image.version=2025.*"}
	line := regexp.MustCompile(`(?m)^quayside: registry 127\.0\.0\.1:\d+: requests: [1-9]\d*, refused with 429: 0, repeated: 1; HTTP/1\.1, connections: [1-9]\d*$`)
	plain := regexp.MustCompile(`(?m)^quayside: registry `)
	for _, test := range []struct {
		args []string
		want *regexp.Regexp
		n    int
	}{
		{[]string{"find", "stackfleet/nova-api:2025.1"}, plain, 0},
		{append(label, "find", "stackfleet/nova-api:2025.1", "-v"), line, 1},
		{[]string{"info", "stackfleet/nova-api:2025.1", "-v"}, plain, 1}, // the server has failed it already
		{[]string{"info", "stackfleet/nova-api:2025.1"}, plain, 0},
		{append(label, "info", "stackfleet/nova-api:2025.1", "-q"), plain, 0},
	} {
		var stdout, stderr bytes.Buffer
		code := command(t.Context(), &stdout, &stderr, nil, append(test.args, "--server", s.URL())...)
		if n := len(test.want.FindAllString(stderr.String(), -1)); code != 0 || n != test.n {
			t.Errorf("%v: exit code %d, %d lines, want %d\n%s", test.args, code, n, test.n, &stderr)
		}
	}
}

// Images without the label were inspected too: if another image could not be inspected, the
// answer is partial, in info as in find.
func TestImagesWithoutTheLabelAreAnAnswer(t *testing.T) {
	s := serve(t, quaytest.WithQuirk("outage", "1000:403:/v2/stackfleet/nova-api/manifests/**"))
	for _, name := range []string{"info", "find"} {
		var stderr bytes.Buffer
		code := command(t.Context(), io.Discard, &stderr, nil, name, "stackfleet/nova-*:2025.1", "--label", "nobody=*", "--server", s.URL())
		if code != 3 || !strings.Contains(stderr.String(), "stackfleet/nova-api:2025.1: ") {
			t.Errorf("%s: exit code %d\n%s", name, code, &stderr)
		}
	}
}

// With -vv every request is logged, also those to a registry and to hosts that it redirects
// to, but no credential.
func TestRegistryRequestsAreLogged(t *testing.T) {
	s := serve(t, quaytest.WithObjectStorage())
	for _, verbose := range []string{"-v", "-vv"} {
		var stderr bytes.Buffer
		code := command(t.Context(), io.Discard, &stderr, map[string]string{"QUAYSIDE_TOKEN": quaytest.SampleToken},
			"info", "stackfleet/keystone-ldap:2025.1", "--server", s.URL(), verbose)
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, &stderr)
		}
		for _, logged := range []string{`/v2/auth status=200 `, `/v2/stackfleet/keystone-ldap/manifests/\S+ status=200 `, `/blobs/q/sha256/\S+ status=200 `} {
			found := regexp.MustCompile(`msg="http exchange" method=GET url=http://\S+` + logged).MatchString(stderr.String())
			if found != (verbose == "-vv") {
				t.Errorf("%s: %q is logged: %v\n%s", verbose, logged, found, &stderr)
			}
		}
		for _, secret := range []string{quaytest.SampleToken, "Signature", "eyJ"} {
			if strings.Contains(stderr.String(), secret) {
				t.Errorf("%s shows %q:\n%s", verbose, secret, &stderr)
			}
		}
	}
}

// A server that accepts connections and never answers does not delay other servers: their
// results are printed, even if the pattern for the silent server comes first.
func TestSilentHostDelaysNoOther(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	s := serve(t)
	dead, live := strings.TrimPrefix(silent.URL, "http://"), strings.TrimPrefix(s.URL(), "http://")
	for name, args := range map[string][]string{
		"find": {"find", dead + "/org/*:1", dead + "/other/*:1", live + "/stackfleet/nova-*:2025.1", live + "/stackfleet/heat-api:2025.1"},
		"has":  {"has", dead + "/org/a:1", dead + "/org/b:1", live + "/stackfleet/nova-api:2025.1"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			want := map[string]string{"find": "heat-api", "has": "nova-api"}[name]
			stdout := &canceller{pattern: regexp.MustCompile(`"present".*` + want), cancel: cancel}
			var stderr bytes.Buffer
			code := command(ctx, stdout, &stderr, nil, append(args, "-o", "ndjson", "--plain-http", "--timeout", "20s")...)
			if code != 130 || !strings.Contains(stdout.String(), want) {
				t.Errorf("exit code %d\n%s%s", code, stdout, &stderr)
			}
		})
	}
}

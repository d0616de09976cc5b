// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/quayside/quayside/internal/registry"
)

// asks returns the credential that a server receives for a repository when it asks for
// a password.
func asks(t *testing.T, stored registry.Credentials, host, repository string) (user, secret string, err error) {
	t.Helper()
	c, err := stored.Credential(t.Context(), host, repository)
	if err != nil || c.IsZero() {
		return "", "", err
	}
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if u, s, ok := r.BasicAuth(); ok {
			user, secret = u, s
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	local := strings.TrimPrefix(at, "http://")
	r, err := registry.New(local, registry.Options{PlainHTTP: true, Credentials: registry.ForHost(local, c)})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := r.Repository("a/b")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = repo.Resolve(t.Context(), "v1")
	return user, secret, nil
}

// home returns the credentials of a home directory with files.
func home(t *testing.T, files map[string]string, variables ...string) registry.Credentials {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A runtime directory, so that the machine's own is not read.
	env := map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": filepath.Join(dir, "run")}
	for i := 0; i < len(variables); i += 2 {
		env[variables[i]] = filepath.Join(dir, filepath.FromSlash(variables[i+1]))
	}
	return registry.StoredCredentials(func(name string) (string, bool) { value, ok := env[name]; return value, ok })
}

// entries returns a file with pairs of key and user. The secret is secret-of-USER.
func entries(pairs ...string) string {
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		auth := base64.StdEncoding.EncodeToString([]byte(pairs[i+1] + ":secret-of-" + pairs[i+1]))
		all = append(all, fmt.Sprintf("%q:{%q:%q}", pairs[i], "auth", auth))
	}
	return `{"auths":{` + strings.Join(all, ",") + `}}`
}

func TestLongestNamespaceFirst(t *testing.T) {
	stored := home(t, map[string]string{".docker/config.json": entries(
		"quay.io/org/repo", "one", "quay.io/org", "two", "quay.io", "three", "example.com:5000/org", "four",
		"https://old.example.com/v1/", "five", "https://index.docker.io/v1/", "six", "quay.io/org/nested/deep", "seven")})
	for _, test := range [][3]string{
		{"quay.io", "org/repo", "one"}, {"quay.io", "org/repo2", "two"}, {"quay.io", "org/repo/sub", "one"},
		{"quay.io", "organization/repo", "three"}, {"quay.io", "org/nested/deep", "seven"}, {"quay.io", "org/nested", "two"},
		{"example.com:5000", "org/x", "four"},
		{"example.com:5000", "other/x", ""}, // an entry for a namespace is not for the host
		{"example.com", "org/x", ""}, {"old.example.com", "a/b", "five"},
		{"docker.io", "library/x", "six"}, {"registry-1.docker.io", "library/x", "six"}, {"unknown.example.com", "a/b", ""},
	} {
		user, secret, err := asks(t, stored, test[0], test[1])
		if err != nil || user != test[2] || user != "" && secret != "secret-of-"+user {
			t.Errorf("%s/%s: %s %s %v, want %s", test[0], test[1], user, secret, err, test[2])
		}
	}
}

func TestWhichFile(t *testing.T) {
	podman, docker := entries("quay.io", "podman"), entries("quay.io", "docker", "example.com", "docker")
	for name, test := range map[string]struct {
		files     map[string]string
		variables []string
		quay      string
		example   string
	}{
		"none":        {nil, nil, "", ""},
		"docker":      {map[string]string{".docker/config.json": docker}, nil, "docker", "docker"},
		"docker's":    {map[string]string{"d/config.json": docker, ".docker/config.json": podman}, []string{"DOCKER_CONFIG", "d"}, "docker", "docker"},
		"both":        {map[string]string{".docker/config.json": docker, "run/containers/auth.json": podman}, nil, "podman", "docker"},
		"config":      {map[string]string{".docker/config.json": docker, ".config/containers/auth.json": podman}, nil, "podman", "docker"},
		"elsewhere":   {map[string]string{"c/containers/auth.json": podman}, []string{"XDG_CONFIG_HOME", "c"}, "podman", ""},
		"named":       {map[string]string{"x.json": podman, ".docker/config.json": docker}, []string{"REGISTRY_AUTH_FILE", "x.json"}, "podman", ""},
		"empty":       {map[string]string{"run/containers/auth.json": " \n", ".docker/config.json": docker}, nil, "docker", "docker"},
		"empty entry": {map[string]string{"run/containers/auth.json": `{"auths":{"quay.io":{}}}`, ".docker/config.json": docker}, nil, "docker", "docker"},
	} {
		stored := home(t, test.files, test.variables...)
		for host, want := range map[string]string{"quay.io": test.quay, "example.com": test.example} {
			if user, _, err := asks(t, stored, host, "org/repo"); err != nil || user != want {
				t.Errorf("%s: %s: %q %v, want %q", name, host, user, err, want)
			}
		}
	}
}

func TestBrokenFile(t *testing.T) {
	for name, test := range map[string][2]string{
		"no JSON":     {`{"auths":{"quay.io":{"auth":"hu5h"`, "config.json: not JSON"},
		"not base64":  {`{"auths":{"quay.io":{"auth":"hu5h&"}}}`, `config.json: entry for "quay.io"`},
		"no colon":    {`{"auths":{"quay.io":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("hu5h")) + `"}}}`, `config.json: entry for "quay.io"`},
		"other form":  {`{"auths":{"quay.io":{"auth":123456}}}`, `config.json: entry for "quay.io" is not in the form`},
		"a list":      {`{"auths":[123456]}`, "config.json: not in the form"},
		"odd helper":  {`{"credHelpers":{"quay.io":{"name":"hu5h"}}}`, "config.json: credHelpers, \"quay.io\""},
		"odd store":   {`{"credsStore":123456}`, "config.json: credsStore"},
		"evil helper": {`{"credHelpers":{"quay.io":"../../hu5h"}}`, "credential helper"},
		"no helper":   {`{"credsStore":"none-of-that-name"}`, "docker-credential-none-of-that-name, which is not installed"},
	} {
		_, _, err := asks(t, home(t, map[string]string{".docker/config.json": test[0]}), "quay.io", "org/repo")
		if err == nil || !strings.Contains(err.Error(), test[1]) || strings.Contains(err.Error(), "hu5h") && name != "evil helper" || strings.Contains(err.Error(), "123456") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := asks(t, home(t, nil, "REGISTRY_AUTH_FILE", "gone.json"), "quay.io", "org/repo")
	if err == nil || !strings.Contains(err.Error(), "$REGISTRY_AUTH_FILE") || !strings.Contains(err.Error(), "gone.json") {
		t.Errorf("named and gone: %v", err)
	}
}

// A broken entry affects no other: another matching key is used, and so are the entries
// of other hosts and namespaces.
func TestBrokenEntryBesideOthers(t *testing.T) {
	right := strings.Trim(strings.TrimPrefix(entries("quay.io/org/app", "right", "https://quay.io/v1/", "old", "example.com", "other"), `{"auths":`), "{}")
	for name, broken := range map[string]string{
		"a number":      `"quay.io":1`,
		"a text":        `"quay.io":"hu5h"`,
		"a list":        `"quay.io":["hu5h"]`,
		"a typed entry": `"quay.io":{"auth":{"user":"hu5h"}}`,
		"not base64":    `"quay.io":{"auth":"hu5h&"}`,
		"no colon":      `"quay.io":{"auth":"aHU1aA=="}`,
		"another host":  `"broken.example.com":7`,
		"a namespace":   `"quay.io/broken":7`,
	} {
		stored := home(t, map[string]string{".docker/config.json": `{"auths":{` + broken + "," + right + `}},"credHelpers":{"odd.example.com":["hu5h"]}}`})
		for _, test := range [][3]string{{"quay.io", "org/app", "right"}, {"quay.io", "org/other", "old"}, {"example.com", "a/b", "other"}} {
			user, _, err := asks(t, stored, test[0], test[1])
			if err != nil || user != test[2] {
				t.Errorf("%s: %s/%s: %q %v, want %q", name, test[0], test[1], user, err, test[2])
			}
		}
	}
	stored := home(t, map[string]string{".docker/config.json": `{"auths":{"quay.io/org":7,"quay.io":{"auth":7},` + right + `}},"credsStore":["hu5h"]}`})
	for _, repository := range []string{"org/x", "org"} {
		if _, _, err := asks(t, stored, "quay.io", repository); err == nil || !strings.Contains(err.Error(), `"quay.io/org"`) || strings.Contains(err.Error(), "hu5h") {
			t.Errorf("%s: %v", repository, err)
		}
	}
	if user, _, err := asks(t, stored, "quay.io", "org/app"); user != "right" || err != nil {
		t.Errorf("%q, %v", user, err)
	}
}

// Editors of Windows write a byte order mark, or UTF-16.
func TestAuthFileOfAnEditor(t *testing.T) {
	text := entries("quay.io", "kept")
	little, big := []byte{0xff, 0xfe}, []byte{0xfe, 0xff}
	for _, unit := range utf16.Encode([]rune(text)) {
		little = binary.LittleEndian.AppendUint16(little, unit)
		big = binary.BigEndian.AppendUint16(big, unit)
	}
	for name, content := range map[string]string{"UTF-8": "\ufeff" + text, "spaces": "\ufeff\r\n" + text + "\r\n", "UTF-16": string(little), "UTF-16BE": string(big)} {
		if user, _, err := asks(t, home(t, map[string]string{".docker/config.json": content}), "quay.io", "a/b"); user != "kept" || err != nil {
			t.Errorf("%s: %q, %v", name, user, err)
		}
	}
	if user, _, err := asks(t, home(t, map[string]string{"run/containers/auth.json": "\ufeff", ".docker/config.json": text}), "quay.io", "a/b"); user != "kept" || err != nil {
		t.Errorf("empty: %q, %v", user, err)
	}
}

// A credential helper is run once for a host with many repositories. An entry for a
// namespace comes before the helper.
func TestHelper(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a shell script")
	}
	dir := t.TempDir()
	script := `#!/bin/sh
read host
echo "$1 $host" >> '` + dir + `/asked'
case "$host" in
quay.io) echo '{"ServerURL":"quay.io","Username":"kept","Secret":"secret-of-kept"}' ;;
broken.example.com) echo "hu5h: it is broken"; exit 1 ;;
*) echo "credentials not found in native keychain"; exit 1 ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-quaysidetest"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, setting := range []string{
		`"credsStore":"quaysidetest"`,
		`"credHelpers":{"quay.io":"quaysidetest","broken.example.com":"quaysidetest","other.example.com":"quaysidetest"}`,
	} {
		asked := filepath.Join(dir, "asked")
		_ = os.Remove(asked)
		stored := home(t, map[string]string{".docker/config.json": strings.TrimSuffix(entries("quay.io/org", "two", "other.example.com", "three"), "}") + "," + setting + "}"})
		for _, test := range [][3]string{{"quay.io", "org/repo", "two"}, {"quay.io", "a/b", "kept"}, {"quay.io", "a/c", "kept"}, {"other.example.com", "a/b", "three"}} {
			user, secret, err := asks(t, stored, test[0], test[1])
			if err != nil || user != test[2] || secret != "secret-of-"+user {
				t.Errorf("%s/%s: %s %s %v, want %s", test[0], test[1], user, secret, err, test[2])
			}
		}
		_, _, err := asks(t, stored, "broken.example.com", "a/b")
		if err == nil || strings.Contains(err.Error(), "hu5h") || !strings.Contains(err.Error(), "docker-credential-quaysidetest") {
			t.Errorf("broken: %v", err)
		}
		if text, _ := os.ReadFile(asked); string(text) != "get quay.io\nget other.example.com\nget broken.example.com\n" {
			t.Errorf("asked %q", text)
		}
	}
}

// An identity token is exchanged for tokens by POST at the OAuth endpoint.
func TestIdentityToken(t *testing.T) {
	file := `{"auths":{"quay.io":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("<token>:")) + `","identitytoken":"identity-hu5h"}}}`
	c, err := home(t, map[string]string{".docker/config.json": file}).Credential(t.Context(), "quay.io", "a/b")
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			if r.Method != http.MethodPost || r.FormValue("refresh_token") != "identity-hu5h" || r.FormValue("scope") != "repository:a/b:pull" {
				t.Errorf("%s %s", r.Method, r.Form)
			}
			_, _ = w.Write([]byte(`{"access_token":"opaque-token"}`))
		case r.Header.Get("Authorization") != "Bearer opaque-token":
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	host := strings.TrimPrefix(url, "http://")
	r, err := registry.New(host, registry.Options{PlainHTTP: true, Credentials: registry.Chain{registry.ForHost("other", registry.NewCredential("a", "bcde")), registry.ForHost(host, c)}})
	if err != nil {
		t.Fatal(err)
	}
	repository, err := r.Repository("a/b")
	if err != nil {
		t.Fatal(err)
	}
	if has, err := repository.HasBlob(t.Context(), describe(nil, "")); !has || err != nil {
		t.Errorf("%v, %v", has, err)
	}
}

// FuzzAuthFile: no file causes a panic, and no error shows a secret.
func FuzzAuthFile(f *testing.F) {
	f.Add(entries("quay.io", "hu5huser"))
	f.Add(`{"auths":{"quay.io":{"auth":"aHU1aA=="}}}`)
	f.Add(`{"auths":{"quay.io":{"identitytoken":"hu5h"}},"credHelpers":{"x":"/"}}`)
	f.Add(`{"auths":{"hu5h":1e99}}`)
	f.Fuzz(func(t *testing.T, content string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		stored := registry.StoredCredentials(func(name string) (string, bool) {
			return filepath.Join(dir, "f"), name == "REGISTRY_AUTH_FILE"
		})
		if strings.Contains(strings.ToLower(content), "cred") {
			return // names programs that the test would run
		}
		_, err := stored.Credential(t.Context(), "quay.io", "org/repo")
		if err != nil && strings.Contains(err.Error(), "hu5h") {
			t.Errorf("shows %v", err)
		}
	})
}

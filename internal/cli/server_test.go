// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quayside/quayside/quay/quaytest"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever the patterns and servers, a token reaches only the server that it was given for.
func TestTokenGoesToItsServerOnly(t *testing.T) {
	const home, other, both = "home", "other", "both"
	tests := []struct {
		name    string
		env     map[string]string
		config  string // with %[1]s and %[2]s for the URLs of home and other
		args    []string
		reaches string // who gets a token; "" is nobody
	}{
		{"environment", map[string]string{"QUAYSIDE_TOKEN": quaytest.SampleToken}, "",
			[]string{"find", "--server", "HOME_URL", "HOME/stackfleet/*:2025.1", "OTHER/stackfleet/*:2025.1"}, home},
		{"environment, only the other host asked", map[string]string{"QUAYSIDE_TOKEN": quaytest.SampleToken}, "",
			[]string{"find", "--server", "HOME_URL", "OTHER/stackfleet/*:2025.1"}, ""},
		{"environment, default server of the config", map[string]string{"QUAYSIDE_TOKEN": quaytest.SampleToken},
			"defaults: {server: \"%[1]s\"}",
			[]string{"find", "stackfleet/*:2025.1", "OTHER/stackfleet/*:2025.1"}, home},
		{"environment and entry of the other host", map[string]string{"QUAYSIDE_TOKEN": quaytest.SampleToken, "T": quaytest.SampleToken},
			"servers: {x: {url: \"%[2]s\", token_env: T}}",
			[]string{"find", "--server", "HOME_URL", "stackfleet/*:2025.1", "OTHER/stackfleet/*:2025.1"}, both},
		{"entry of the other host", map[string]string{"T": quaytest.SampleToken},
			"servers: {x: {url: \"%[2]s\", token_env: T}}",
			[]string{"find", "--server", "HOME_URL", "stackfleet/*:2025.1", "OTHER/stackfleet/*:2025.1"}, other},
		{"entry of an alias that is not asked", map[string]string{"T": quaytest.SampleToken},
			"servers: {x: {url: \"%[2]s\", token_env: T}}",
			[]string{"find", "--server", "HOME_URL", "stackfleet/*:2025.1"}, ""},
		{"entry for HTTPS, asked over HTTP", map[string]string{"T": quaytest.SampleToken},
			"servers: {HOME: {token_env: T}}",
			[]string{"find", "--server", "HOME_URL", "stackfleet/*:2025.1"}, ""},
		{"repos of the other host", map[string]string{"QUAYSIDE_TOKEN": quaytest.SampleToken}, "",
			[]string{"repos", "--server", "HOME_URL", "OTHER/stackfleet"}, ""},
		{"tags of the other host", map[string]string{"QUAYSIDE_TOKEN": quaytest.SampleToken}, "",
			[]string{"tags", "--server", "HOME_URL", "OTHER/stackfleet/keystone-ldap"}, ""},
		{"has on the other host", map[string]string{"QUAYSIDE_TOKEN": quaytest.SampleToken}, "",
			[]string{"has", "--server", "HOME_URL", "OTHER/stackfleet/keystone-ldap:2025.1"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := serve(t), serve(t)
			hosts := strings.NewReplacer("HOME_URL", a.URL(), "HOME", host(a), "OTHER", host(b))
			var args []string
			for _, arg := range test.args {
				args = append(args, hosts.Replace(arg))
			}
			config := hosts.Replace(test.config)
			if strings.Contains(config, "%") {
				config = fmt.Sprintf(config+"%.0[1]s%.0[2]s", a.URL(), b.URL())
			}
			var stderr bytes.Buffer
			code := command(t.Context(), &bytes.Buffer{}, &stderr, test.env, append(args, "--plain-http", "-vv", "--config", writeFile(t, "config.yaml", config))...)
			if code != 0 && code != 4 {
				t.Errorf("exit code %d\n%s", code, &stderr)
			}
			if strings.Contains(stderr.String(), quaytest.SampleToken) {
				t.Errorf("the token shows:\n%s", &stderr)
			}
			for name, s := range map[string]*quaytest.Server{home: a, other: b} {
				want := test.reaches == name || test.reaches == both
				if got := s.Stats().WithToken > 0; got != want {
					t.Errorf("token reaches %s: %v, want %v\n%s", name, got, want, &stderr)
				}
			}
		})
	}
}

func host(s *quaytest.Server) string { return strings.TrimPrefix(s.URL(), "http://") }

// Errors about a command line do not contain the secrets in it.
func TestUsageErrorsShowNoSecret(t *testing.T) {
	config := writeFile(t, "config.yaml", "servers: {quay.example: {token_env: NOT_SET}}")
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"repos", "quay.io/stackfleet/nova-*?token=hush"}, "$QUAYSIDE_TOKEN"},
		{[]string{"repos", "quay.io/stackfleet?token=hush"}, "--token-file"},
		{[]string{"repos", "stackfleet?token=hush"}, "config file"},
		{[]string{"tags", "quay.io/stackfleet/nova-api?token=hush"}, "$QUAYSIDE_TOKEN"},
		{[]string{"has", "quay.io/stackfleet/nova-api:1?token=hush"}, "$QUAYSIDE_TOKEN"},
		{[]string{"find", "quay.io/stackfleet/UPPER:1?token=hush"}, "$QUAYSIDE_TOKEN"},
		{[]string{"find", "quay.io/stackfleet/*:1", "quay.io/stackfleet/*:1?since=1d&TOKEN=hush"}, "$QUAYSIDE_TOKEN"},
		{[]string{"info", "quay.io/stackfleet/UPPER:1?token=hush"}, "$QUAYSIDE_TOKEN"},
		{[]string{"copy", "quay.io/stackfleet/*:1?token=hush", "oci:mirror"}, "$QUAYSIDE_TOKEN"},
		{[]string{"copy", "quay.io/stackfleet/*:1", "docker://registry.example/org?token=hush"}, "repository name"},
		{[]string{"repos", "stackfleet", "--server", "https://quay.example.org?token=hush", "--plain-http"}, "--plain-http contradicts"},
		{[]string{"repos", "stackfleet", "-thush"}, "unknown shorthand flag"},
		{[]string{"repos", "stackfleet", "--token-file", "hush"}, "--token-file needs the name of a file"},
	} {
		var stdout, stderr bytes.Buffer
		code := command(t.Context(), &stdout, &stderr, nil, append(test.args, "--config", config, "-vv")...)
		if code != 2 || !strings.Contains(stderr.String(), test.says) || stdout.Len() > 0 {
			t.Errorf("%q: exit code %d\n%s%s", test.args, code, &stdout, &stderr)
		}
		if strings.Contains(stderr.String(), "hush") {
			t.Errorf("%q shows the secret:\n%s", test.args, &stderr)
		}
	}
}

// A token that the server no longer knows on a later page of the listing hides
// private repositories: the answer is not complete.
func TestTokenThatLapsesWhileListing(t *testing.T) {
	d := quaytest.Fleet(150, quaytest.FleetOptions{Private: 30})
	d.Users = []quaytest.User{{Name: "admiral", Enabled: true}}
	d.Organizations[0].Owners = []string{"admiral"}
	d.Tokens = []quaytest.Token{{Name: "token-of-admiral", User: "admiral", Scope: "repo:read"}}
	h, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("next_page") {
			r.Header.Del("Authorization") // an expired token counts as none: doc/quay-api.md section 3
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	for _, args := range [][]string{{"repos", "fleet"}, {"find", "fleet/*:2025.1"}} {
		var stdout, stderr bytes.Buffer
		code := command(t.Context(), &stdout, &stderr, map[string]string{"QUAYSIDE_TOKEN": "token-of-admiral"},
			append(args, "--server", s.URL, "-o", "json")...)
		if code != 3 && code != 4 || !strings.Contains(stdout.String(), `"complete":false`) || !strings.Contains(stderr.String(), "the server") {
			t.Errorf("%q: exit code %d\n%.300s\n%s", args, code, &stdout, &stderr)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// helpers adds credential helpers, which are shell scripts, to PATH.
func helpers(t *testing.T, scripts map[string]string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("helpers are shell scripts")
	}
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// An empty name in credHelpers disables the store for a host, as in docker. The helper
// of another host is not run.
func TestWhichHelper(t *testing.T) {
	helpers(t, map[string]string{
		"good": `cat >/dev/null; echo '{"Username":"good","Secret":"secret-of-good"}'`,
		"bad":  "echo boom; exit 1",
		"none": `echo "credentials not found in native keychain"; exit 1`,
	})
	file := strings.TrimSuffix(entries("quay.io", "file"), "}")
	for config, want := range map[string]string{
		file + `,"credHelpers":{"quay.io":""},"credsStore":"bad"}`:                            "file",
		file + `,"credHelpers":{"quay.io":""}}`:                                               "file",
		file + `,"credHelpers":{"quay.io":"good"},"credsStore":"bad"}`:                        "good",
		file + `,"credHelpers":{"other.example":"not-installed"}}`:                            "file",
		file + `,"credHelpers":{"other.example":"not-installed"},"credsStore":""}`:            "file",
		file + `,"credsStore":"none"}`:                                                        "file",
		`{"credHelpers":{"quay.io":""},"credsStore":"good"}`:                                  "",
		`{"auths":{"quay.io":{}},"credsStore":"good"}`:                                        "good",
		`{"auths":{"quay.io":{}},"credsStore":"none"}`:                                        "",
		`{"auths":{"https://quay.io/v1/":{"username":"plain","password":"secret-of-plain"}}}`: "plain",
	} {
		user, secret, err := asks(t, home(t, map[string]string{".docker/config.json": config}), "quay.io", "a/b")
		if err != nil || user != want || user != "" && secret != "secret-of-"+user {
			t.Errorf("%s: %s %s %v, want %s", config, user, secret, err, want)
		}
	}
}

// The standard error of a helper is shown if the helper fails, redacted, and not
// otherwise. A helper ends with the context.
func TestHelperThatFails(t *testing.T) {
	helpers(t, map[string]string{
		"noisy":  `echo "warning: all is well" >&2; echo '{"Username":"noisy","Secret":"secret-of-noisy"}'`,
		"locked": `printf 'the keychain is locked\033[2J\n{"Secret":"hu5h-hu5h"}\n' >&2; echo '{"Secret":"hu5h"}'; exit 3`,
		"broken": `echo 'hu5h is no JSON'`,
		"flood":  `i=0; while [ $i -lt 20000 ]; do echo "hu5h-hu5h-hu5h-hu5h-hu5h-hu5h-hu5h" >&2; i=$((i+1)); done; exit 1`,
		"nobody": `echo '{"Username":"","Secret":"secret-of-nobody"}'`,
		"leaves": `sleep 30 & echo '{"Username":"leaves","Secret":"secret-of-leaves"}'`,
		"hangs":  `exec sleep 1000`,
	})
	ask := func(name string) (string, error) {
		user, _, err := asks(t, home(t, map[string]string{".docker/config.json": `{"credsStore":"` + name + `"}`}), "quay.io", "a/b")
		return user, err
	}
	stderr := os.Stderr
	captured, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = captured
	defer func() { os.Stderr = stderr }()
	if user, err := ask("noisy"); user != "noisy" || err != nil {
		t.Errorf("noisy: %s, %v", user, err)
	}
	if user, err := ask("nobody"); user != "" || err != nil {
		t.Errorf("nobody: %s, %v", user, err)
	}
	if user, err := ask("leaves"); user != "leaves" || err != nil {
		t.Errorf("leaves: %s, %v", user, err)
	}
	for name, want := range map[string]string{"locked": "the keychain is locked", "broken": "not JSON", "flood": "failed for quay.io", "not-installed": "not installed"} {
		_, err := ask(name)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "docker-credential-"+name) ||
			strings.Contains(err.Error(), "hu5h") || strings.ContainsRune(err.Error(), 0x1b) || len(err.Error()) > 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, _ := os.ReadFile(captured.Name()); len(text) > 0 {
		t.Errorf("came out: %q", text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = home(t, map[string]string{".docker/config.json": `{"credsStore":"hangs"}`}).Credential(ctx, "quay.io", "a/b")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hangs: %v", err)
	}
}

// Endless output of a helper is not kept. An answer counts even if a child process lives
// on. A failure is cached like an answer.
func TestHelperThatIsOdd(t *testing.T) {
	helpers(t, map[string]string{
		"endless": `head -c 300000000 /dev/zero`,
		"parent":  `sleep 1000 >&1 & echo $! >"$0.child"; echo '{"Username":"parent","Secret":"secret-of-parent"}'`,
		"counted": `echo once >>"$0.runs"; exit 1`,
	})
	file := func(name string) string { return `{"credsStore":"` + name + `"}` }
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := asks(t, home(t, map[string]string{".docker/config.json": file("endless")}), "quay.io", "a/b")
	if runtime.ReadMemStats(&after); err == nil || after.TotalAlloc-before.TotalAlloc > 50<<20 {
		t.Errorf("endless: %v, %d bytes", err, after.TotalAlloc-before.TotalAlloc)
	}
	if user, _, err := asks(t, home(t, map[string]string{".docker/config.json": file("parent")}), "quay.io", "a/b"); user != "parent" || err != nil {
		t.Errorf("parent: %s, %v", user, err)
	}
	dir, _, _ := strings.Cut(os.Getenv("PATH"), string(os.PathListSeparator))
	if child, err := os.ReadFile(filepath.Join(dir, "docker-credential-parent.child")); err != nil {
		t.Error(err)
	} else if pid, err := strconv.Atoi(strings.TrimSpace(string(child))); err != nil {
		t.Error(err)
	} else if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
	counted := home(t, map[string]string{".docker/config.json": file("counted")})
	for range 3 {
		if _, _, err := asks(t, counted, "quay.io", "a/b"); err == nil {
			t.Error("counted: no error")
		}
	}
	if runs, _ := os.ReadFile(filepath.Join(dir, "docker-credential-counted.runs")); string(runs) != "once\n" {
		t.Errorf("counted: %q", runs)
	}
}

// Entries are read as by docker: a password may have colons, and the user is not empty.
func TestEntriesOfAFile(t *testing.T) {
	auth := func(text string) string {
		return `{"auths":{"quay.io":{"auth":"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}}}`
	}
	for text, want := range map[string]string{
		"bob:a:b:c": "bob/a:b:c", "bob:pass:": "bob/pass:", "b+b@x:pä ss": "b+b@x/pä ss", "bob:pass\x00\x00": "bob/pass", "bob:": "/", "$oauthtoken:token": "$oauthtoken/token",
	} {
		user, secret, err := asks(t, home(t, map[string]string{".docker/config.json": auth(text)}), "quay.io", "a/b")
		if got := user + "/" + secret; err != nil || got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, key := range []string{"quay.io", "quay.io/", "quay.io/v1/", "quay.io/v2/", "https://quay.io", "http://quay.io/", "https://quay.io/v2/"} {
		config := strings.Replace(auth("bob:pass"), "quay.io", key, 1)
		if user, _, err := asks(t, home(t, map[string]string{".docker/config.json": config}), "quay.io", "a/b"); user != "bob" || err != nil {
			t.Errorf("%s: %q, %v", key, user, err)
		}
	}
	for _, text := range []string{":hu5h", "hu5h"} {
		_, _, err := asks(t, home(t, map[string]string{".docker/config.json": auth(text)}), "quay.io", "a/b")
		if err == nil || !strings.Contains(err.Error(), `entry for "quay.io"`) || strings.Contains(err.Error(), "hu5h") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/registrytest"
	"github.com/quayside/quayside/quay/quaytest"
)

// carries reports whether a registry has a manifest under the release tag with a digest.
func carries(t *testing.T, s *registrytest.Server, login bool, repository, digest string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, s.URL()+"/v2/"+repository+"/manifests/"+releaseTag, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json")
	if login {
		req.SetBasicAuth(registrytest.User, registrytest.Secret)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && resp.Header.Get("Docker-Content-Digest") == digest
}

// catalog returns the repositories of a registry.
func catalog(t *testing.T, s *registrytest.Server) []string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/v2/_catalog", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Repositories []string }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	return list.Repositories
}

// A copy from registry to registry transfers each byte once, keeps digests, and removes
// its staging folder.
func TestCopyToARegistry(t *testing.T) {
	t.Parallel()
	to := registrytest.Start(t)
	source := startRelease(t, 6, quaytest.ReleaseOptions{Index: 3, Signed: 3})
	staging, file := t.TempDir(), filepath.Join(t.TempDir(), "report.json")
	args := []string{"copy", source.pattern(), "docker://" + to.Host() + "/kolla", "--plain-http", "--staging", staging}

	mustRun(t, 0, append(args, "--dry-run")...)
	if list := catalog(t, to); len(list) > 0 || source.copied() > 100_000 {
		t.Errorf("a dry run wrote %v, and fetched %d bytes", list, source.copied())
	}
	args = append(args, "--report", file)
	mustRun(t, 0, args...)
	for name, digest := range source.digests() {
		repository, _, _ := strings.Cut(filepath.Base(name), ":")
		if !carries(t, to, false, "kolla/"+repository, digest) {
			t.Errorf("%s is not there with its digest", name)
		}
	}
	var report struct {
		Uploaded, Mounted, Fetched int64
		Signatures                 struct{ Copied int }
	}
	read(t, file, &report)
	if report.Uploaded == 0 || report.Uploaded > source.unique || report.Mounted == 0 || report.Signatures.Copied != 2 {
		t.Errorf("%+v, of %d unique bytes", report, source.unique)
	}
	if left, err := os.ReadDir(staging); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	before := source.copied()
	said := mustRun(t, 0, args...)
	if !strings.Contains(said, "0 copied, 6 already there") || source.copied() != before {
		t.Errorf("the second run is not for nothing:\n%s", said)
	}
	mustRun(t, 0, "copy", source.pattern(), "docker://"+to.Host(), "--map", "release/image-*=renamed/*", "--plain-http", "--staging", staging)
	for name, digest := range source.digests() {
		repository, _, _ := strings.Cut(filepath.Base(name), ":")
		if !carries(t, to, false, "renamed/"+strings.TrimPrefix(repository, "image-"), digest) {
			t.Errorf("%s is not there by its new name", name)
		}
	}
}

// read decodes a JSON file.
func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Stored credentials are used, and shown nowhere. Without them nothing is fetched.
func TestCopyToARegistryWithAPassword(t *testing.T) {
	t.Parallel()
	to := registrytest.Start(t, registrytest.WithPassword())
	source := startRelease(t, 2, quaytest.ReleaseOptions{})
	staging, login := t.TempDir(), filepath.Join(t.TempDir(), "auth.json")
	args := []string{"copy", source.pattern(), "docker://" + to.Host() + "/kolla", "--plain-http", "--staging", staging, "-vv"}

	said := mustRun(t, 4, args...)
	if !strings.Contains(said, "login") || !strings.Contains(said, "2 failed") {
		t.Errorf("it does not say what to do:\n%s", said)
	}
	secret := base64.StdEncoding.EncodeToString([]byte(registrytest.User + ":" + registrytest.Secret))
	if err := os.WriteFile(login, []byte(`{"auths":{"`+to.Host()+`":{"auth":"`+secret+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t.Context(), t, append(args, "--events", filepath.Join(staging, "events"), "--report", filepath.Join(staging, "report"))...)
	cmd.Env = append(cmd.Env, "REGISTRY_AUTH_FILE="+login)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for name, digest := range source.digests() {
		repository, _, _ := strings.Cut(filepath.Base(name), ":")
		if !carries(t, to, true, "kolla/"+repository, digest) {
			t.Errorf("%s is not there with its digest", name)
		}
	}
	files, err := os.ReadDir(staging)
	if err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(staging, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, text...)
	}
	if strings.Contains(string(out), registrytest.Secret) || strings.Contains(string(out), secret) {
		t.Error("the password is shown")
	}
}

// The user's cache records which signatures a registry has: quayside looks for missing
// ones until they are copied, and then no more. Another user looks once.
func TestSignaturesOfARegistryAreRecorded(t *testing.T) {
	t.Parallel()
	to := registrytest.Start(t)
	source := startRelease(t, 6, quaytest.ReleaseOptions{Index: 3, Signed: 3}, quaytest.WithQuirk("outage", "10:403:/v2/release/*/referrers/*"))
	home, file := t.TempDir(), filepath.Join(t.TempDir(), "report.json")
	args := []string{"copy", source.pattern(), "docker://" + to.Host() + "/kolla", "--plain-http", "--report", file}
	run := func(home string, code, missing, copied int) (requests int64) {
		t.Helper()
		before := source.Stats().Classes["referrers"].Requests + source.Stats().Classes["manifest"].Requests
		cmd := command(t.Context(), t, args...)
		cmd.Env = append(cmd.Env, "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"))
		said, _ := cmd.CombinedOutput() // the exit code is checked below
		var report struct{ Signatures struct{ Copied, Missing int } }
		read(t, file, &report)
		if got := cmd.ProcessState.ExitCode(); got != code || report.Signatures.Missing != missing || report.Signatures.Copied != copied {
			t.Fatalf("exit code %d, %+v; want %d, %d missing, %d copied:\n%s", got, report, code, missing, copied, said)
		}
		return source.Stats().Classes["referrers"].Requests + source.Stats().Classes["manifest"].Requests - before
	}
	run(home, 3, 10, 0) // 2 indexes of 2, and 4 images
	run(home, 0, 0, 2)
	if n := run(home, 0, 0, 0); n != 0 {
		t.Errorf("%d requests for images that have not changed", n)
	}
	if n := run(t.TempDir(), 0, 0, 2); n == 0 {
		t.Error("nobody has looked for another user")
	}
	var left []string // in the cache folder of the system
	err := filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			left = append(left, path)
		}
		return err
	})
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

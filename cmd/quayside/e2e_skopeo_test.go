// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os/exec"
	"path"
	"path/filepath"
	"testing"

	"github.com/quayside/quayside/internal/registrytest"
	"github.com/quayside/quayside/quay/quaytest"
)

// skopeo runs skopeo and returns its output.
func skopeo(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("skopeo", append([]string{"--insecure-policy"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("skopeo %v: %v\n%s", args, err, &stderr)
	}
	return out
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Another program reads every kind of destination, and finds the digests of the source.
func TestSkopeoReadsWhatCopyWrites(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
	dir := t.TempDir()
	source := startRelease(t, 5, quaytest.ReleaseOptions{Index: 2})
	layout, archive, docker := filepath.Join(dir, "layout"), filepath.Join(dir, "oci.tar"), filepath.Join(dir, "docker.tar")

	t.Run("oci", func(t *testing.T) {
		mustRun(t, 0, "copy", source.pattern(), "oci:"+layout, "--plain-http")
		for name, digest := range source.digests() {
			if got := digestOf(skopeo(t, "inspect", "--raw", "oci:"+layout+":"+name)); got != digest {
				t.Errorf("%s: digest %s, want %s", name, got, digest)
			}
		}
		for name := range source.digests() { // all content, read by another program
			skopeo(t, "copy", "--quiet", "--all", "--preserve-digests", "oci:"+layout+":"+name, "dir:"+t.TempDir())
		}
	})
	t.Run("oci-archive", func(t *testing.T) {
		mustRun(t, 0, "copy", source.pattern(), "oci-archive:"+archive, "--plain-http")
		for name, digest := range source.digests() {
			if got := digestOf(skopeo(t, "inspect", "--raw", "oci-archive:"+archive+":"+name)); got != digest {
				t.Errorf("%s: digest %s, want %s", name, got, digest)
			}
		}
	})
	t.Run("docker-archive", func(t *testing.T) {
		mustRun(t, 0, "copy", source.pattern(), "docker-archive:"+docker, "--plain-http", "--platform", "linux/amd64")
		for name, digest := range source.digests() {
			want := config(t, source, digest)
			if got := digestOf(skopeo(t, "inspect", "--raw", "--config", "docker-archive:"+docker+":"+name)); got != want {
				t.Errorf("%s: configuration %s, want %s", name, got, want)
			}
			skopeo(t, "copy", "--quiet", "docker-archive:"+docker+":"+name, "dir:"+t.TempDir())
		}
	})
	t.Run("docker", func(t *testing.T) {
		destination := registrytest.Start(t)
		mustRun(t, 0, "copy", source.pattern(), "docker://"+destination.Host()+"/mirror", "--plain-http")
		for name, digest := range source.digests() {
			to := "docker://" + destination.Host() + "/mirror/" + path.Base(name)
			if got := digestOf(skopeo(t, "inspect", "--raw", "--tls-verify=false", to)); got != digest {
				t.Errorf("%s: digest %s, want %s", name, got, digest)
			}
			skopeo(t, "copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false", to, "dir:"+t.TempDir())
		}
	})
}

// config returns the digest of the configuration of an image, or of the first image of
// an index, which is for amd64.
func config(t *testing.T, source *release, digest string) string {
	t.Helper()
	var m index
	if err := json.Unmarshal([]byte(source.manifest(t, digest)), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) > 0 {
		return config(t, source, m.Manifests[0].Digest)
	}
	return m.Config.Digest
}

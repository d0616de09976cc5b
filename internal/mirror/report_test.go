// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// report returns a report in which every field has a value.
func report() mirror.Report {
	return mirror.Report{
		Destination: "oci:kolla", Error: "interrupted",
		Images: []mirror.ImageReport{{
			Reference: "quay.io/org/a:1", Destination: "quay.io/org/a:1", Status: mirror.Copied,
			Digest: digest.FromString("a"), As: digest.FromString("b"), Notes: []string{"left behind"},
			Platforms: []string{"linux/amd64"}, Bytes: 10, Fetched: 5, Signatures: mirror.Signatures{Found: 3, Copied: 1, Missing: 2},
		}, {
			Reference: "localhost:5000/org/deep/b:1", Destination: "b", Status: mirror.Failed, Digest: digest.FromString("c"), Reason: mirror.NotFound, Error: "<gone>",
		}, {
			Reference: "host/org/b@" + digest.FromString("d").String(), Status: mirror.Failed,
		}, {
			Reference: "quay.io/org/c:1", Status: mirror.Present,
		}, {
			Reference: "quay.io/org/e:1", Status: mirror.Pending, Digest: digest.FromString("e"), Reason: mirror.Interrupted, Error: "not finished: interrupted",
		}, {
			Reference: "quay.io/org/f:1", Status: mirror.Absent, Error: "no such tag",
		}},
		Unknown: []mirror.UnknownReport{{Reference: "quay.io/org/d:1", Reason: "rate limited", Error: "429"}, {Reference: "quay.io/org/d:1-*", Reason: "failed"}},
		Copied:  1, Present: 1, Failed: 2, Pending: 1, Absent: 1, Blobs: 3, Bytes: 4, Fetched: 5, Saved: 6, Retried: 7, Retries: 8, Uploaded: 9, Mounted: 10,
		SignaturesFound: 3, SignaturesCopied: 1, SignaturesMissing: 2,
		Started: time.Date(2025, 4, 2, 9, 0, 0, 0, time.UTC), Elapsed: 1234 * time.Millisecond, Token: "for another host", TokenHost: "quay.io",
	}
}

// Each image that is not at the destination has a code that says why.
func TestReasons(t *testing.T) {
	y := newTarDataset(t)
	y.tag("good", "v1", y.image("good", "linux/amd64", "good"))
	y.tag("platform", "v1", y.index("platform", y.image("platform", "linux/riscv64", "riscv"), y.image("platform", "linux/ppc64le", "power")))
	y.tag("format", "v1", y.artifact("format", nil, "chart"))
	refused := y.image("denied", "linux/amd64", "denied")
	y.tag("denied", "v1", refused)
	y.tag("malformed", "v1", y.image("malformed", "linux/amd64", "wrong"))
	wrong := y.blob("malformed", ocispec.MediaTypeImageLayerGzip, y.layer("wrong"))
	s := newSite(t, y.data, quaytest.WithQuirk("wrong-bytes", "/v2/yard/malformed/blobs/"+wrong.Digest.String()),
		quaytest.WithQuirk("outage", "1000:403:/v2/yard/denied/manifests/"+refused.Digest.String()))
	images := s.images("v1")
	images = append(images, mirror.Image{Host: s.host, Repository: "yard/good", Digest: digest.FromString("nothing")})
	o := s.options()
	o.Platforms.DefaultPlatform = ocispec.Platform{OS: "linux", Architecture: "amd64"}
	r := archived(t, toDockerArchive, filepath.Join(t.TempDir(), "all.tar"), o, images)
	for _, i := range r.Images {
		_, name, _ := strings.Cut(i.Reference, "/yard/")
		name, _, _ = strings.Cut(name, ":")
		if strings.Contains(name, "@") {
			name = "not_found"
		}
		if want := mirror.Reason(name); i.Status == mirror.Copied && i.Reason != "" || i.Status != mirror.Copied && i.Reason != want {
			t.Errorf("%s: %s: %q: %s", i.Reference, i.Status, i.Reason, i.Error)
		}
	}
}

func TestReportRoundTrip(t *testing.T) {
	want := report()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := mirror.ReadReport(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	// What is empty is an empty array in JSON.
	for i := range got.Images {
		if len(got.Images[i].Notes) == 0 {
			got.Images[i].Notes = nil
		}
		if len(got.Images[i].Platforms) == 0 {
			got.Images[i].Platforms = nil
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every key is always present, and is described in doc/guide/copying.md.
func TestReportKeys(t *testing.T) {
	keys := func(v any) []string { return slices.Sorted(maps.Keys(v.(map[string]any))) }
	for _, r := range []mirror.Report{{Images: []mirror.ImageReport{{}}, Unknown: []mirror.UnknownReport{{}}}, report()} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var have map[string]any
		if err := json.Unmarshal(text, &have); err != nil {
			t.Fatal(err)
		}
		want := strings.Fields(`absent blobs bytes complete copied destination elapsed_seconds error failed fetched images mounted pending present
			retried retries saved signatures started token token_host unknown uploaded`)
		if got := keys(have); !slices.Equal(got, want) {
			t.Errorf("keys %v", got)
		}
		want = strings.Fields("as bytes destination digest error fetched notes platforms reason reference signatures status")
		if got := keys(have["images"].([]any)[0]); !slices.Equal(got, want) {
			t.Errorf("keys of an image %v", got)
		}
		if got := keys(have["unknown"].([]any)[0]); !slices.Equal(got, []string{"error", "reason", "reference"}) {
			t.Errorf("keys of what is unknown %v", got)
		}
		if r.Elapsed != 0 && (have["elapsed_seconds"] != 1.234 || have["started"] != "2025-04-02T09:00:00Z") {
			t.Errorf("times %v %v", have["elapsed_seconds"], have["started"])
		}
	}
}

// FailedImages lists each image once, including images without all their signatures.
func TestFailedImages(t *testing.T) {
	want := []mirror.Image{
		{Host: "quay.io", Repository: "org/a", Tag: "1", Digest: digest.FromString("a")},
		{Host: "localhost:5000", Repository: "org/deep/b", Tag: "1", Digest: digest.FromString("c")},
		{Host: "host", Repository: "org/b", Digest: digest.FromString("d")},
		{Host: "quay.io", Repository: "org/e", Tag: "1", Digest: digest.FromString("e")},
		{Host: "quay.io", Repository: "org/f", Tag: "1"},
		{Host: "quay.io", Repository: "org/d", Tag: "1"},
	}
	if diff := cmp.Diff(want, report().FailedImages()); diff != "" {
		t.Error(diff)
	}
	twice := report()
	twice.Unknown = append(twice.Unknown, mirror.UnknownReport{Reference: "localhost:5000/org/deep/b:1"})
	if diff := cmp.Diff(want, twice.FailedImages()); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{
		"", "quay.io", "quay.io/org", "quay.io/org/a", "/org/a:1", "quay.io/org/../a:1", "quay.io/org/a:1/../../x", "quay.io/ORG/a:1",
		"quay.io/org/a:", "quay.io/org/a@sha256:1", "quay.io/org/a@", "quay.io/org/a:1\x1b[2J", "quay.io\x1b[2J/org/a:1", "quay.io\n/org/a:1",
	} {
		r := mirror.Report{Images: []mirror.ImageReport{{Reference: bad, Status: mirror.Failed}}}
		if got := r.FailedImages(); len(got) > 0 {
			t.Errorf("%q is taken for %+v", bad, got)
		}
	}
}

// An image that the user named and that does not exist makes a report incomplete, and
// counts once.
func TestAbsentImages(t *testing.T) {
	r := mirror.Report{Complete: true, Copied: 1, Images: []mirror.ImageReport{{Reference: "quay.io/org/b:1", Status: mirror.Copied}}}
	for _, name := range []string{"quay.io/org/c:1", "quay.io/org/a:1", "quay.io/org/b:1", "quay.io/org/a:1"} {
		r.AddAbsent(name, "no such tag")
	}
	var got []string
	for _, i := range r.Images {
		got = append(got, i.Reference+" "+string(i.Status))
	}
	want := []string{"quay.io/org/a:1 absent", "quay.io/org/b:1 copied", "quay.io/org/c:1 absent"}
	if !slices.Equal(got, want) || r.Absent != 2 || r.Complete || r.Copied != 1 {
		t.Errorf("%q, %d absent, complete %v", got, r.Absent, r.Complete)
	}
}

func TestWhatIsNoReport(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "{}", "7", `{"results":[],"complete":true}`, `{"schemaVersion":2,"manifests":[]}`,
		`{"destination":"x","complete":true,"images":[{"reference":"a","status":"well"}],"copied":0,"failed":0}`,
		`{"destination":"x","complete":true,"images":[{"status":"failed"}],"copied":0,"failed":0}`,
		`{"destination":"x","complete":true,"images":[],"copied":0,"failed":0}{}`,
		`{"destination":"x","complete":true,"images":[],"copied":0,"fai`,
	} {
		if r, err := mirror.ReadReport(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "report") {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
}

func FuzzReadReport(f *testing.F) {
	text, err := json.Marshal(report())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"destination":"x","complete":true,"images":[],"copied":0,"failed":0}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := mirror.ReadReport(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, i := range r.FailedImages() {
			if strings.Contains(i.Repository, "..") || strings.ContainsAny(i.Reference(), "\x1b \n") {
				t.Errorf("%+v", i)
			}
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mirror.ReadReport(bytes.NewReader(again)); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}

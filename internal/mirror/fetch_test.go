// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

// small returns a release that is copied in no time.
func small() *quaytest.Dataset {
	return quaytest.Release(6, quaytest.ReleaseOptions{Base: 400 << 10, Group: 300 << 10, Groups: 2, Own: 200 << 10})
}

// Temporary faults fail no image.
func TestFaultsThatGoAway(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []quaytest.Option
		plain   bool // faults that the transport does not see, or is not there to see
		stall   time.Duration
		ranges  bool // nothing has to come twice
	}{
		{"cut in mid body, three times", quirks("cut-first", "3", "blob-range", ""), true, 0, true},
		{"cut in mid body, and no ranges", quirks("cut", "3:/v2/**/blobs/*"), true, 0, false},
		{"cut manifests", quirks("cut", "3:/v2/**/manifests/*"), true, 0, true},
		{"stall", quirks("stall-first", "1", "blob-range", ""), true, 200 * time.Millisecond, true},
		{"cut by object storage", append(quirks("cut", "2:/blobs/**"), quaytest.WithObjectStorage()), true, 0, true},
		{"object storage that ignores ranges", append(quirks("cut", "3:/blobs/**", "storage-ignores-range", ""), quaytest.WithObjectStorage()), true, 0, false},
		{"outage", quirks("outage", "20"), false, 0, true},
		{"a page of a dead backend", quirks("html-502", "7"), false, 0, true},
		{"a blob of wrong bytes now and then", quirks("wrong-bytes", "13:/v2/**/blobs/*"), true, 0, false},
		{"an endless blob now and then", quirks("endless", "13:/v2/**/blobs/*"), true, 0, false},
		{"a truncated blob now and then", quirks("truncated", "13:/v2/**/blobs/*"), true, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, small(), test.options...)
			s.plain = test.plain
			l := newLayout(t, t.TempDir())
			o := s.options()
			o.Stall = test.stall
			images := s.images("2025.1")
			r := copyTo(t, l, o, images)
			whole(t, l, r, len(images))
			if test.ranges && (r.Retried != 0 || r.Fetched != r.Bytes) {
				t.Errorf("%d bytes of %d came for nothing", r.Retried, r.Fetched)
			}
			if r.Fetched != r.Bytes+r.Retried {
				t.Errorf("fetched %d, unique are %d, wasted were %d", r.Fetched, r.Bytes, r.Retried)
			}
			if s.server.Stats().Classes["blob"].Requests <= int64(r.Blobs) && test.plain && !strings.Contains(test.name, "manifests") && !strings.Contains(test.name, "storage") {
				t.Error("the fault never showed")
			}
		})
	}
}

// quirks returns options by name and value.
func quirks(pairs ...string) []quaytest.Option {
	var options []quaytest.Option
	for p := range slices.Chunk(pairs, 2) {
		options = append(options, quaytest.WithQuirk(p[0], p[1]))
	}
	return options
}

// Permanent faults fail the images that they affect, and no others. Wrong content never
// gets a blob's name.
func TestFaultsThatStay(t *testing.T) {
	const struck = "/v2/release/image-000001/blobs/*"
	for _, test := range []struct {
		name, quirk, value, says string
		options                  []quaytest.Option
		all                      bool
	}{
		{"wrong bytes", "wrong-bytes", struck, "does not match", nil, false},
		{"truncated", "truncated", struck, "", nil, false},
		{"endless", "endless", struck, "", nil, false},
		{"gone", "html-404", struck, "404", nil, false},
		{"lapsed addresses", "storage-lapsed", "", "403", []quaytest.Option{quaytest.WithObjectStorage()}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, small(), append(test.options, quaytest.WithQuirk(test.quirk, test.value))...)
			s.plain = true
			l := newLayout(t, t.TempDir())
			images := s.images("2025.1")
			r := copyTo(t, l, s.options(), images)
			want := images[1].Reference()
			if test.all {
				var names []string
				for _, i := range images {
					names = append(names, i.Reference())
				}
				want = strings.Join(names, " ")
			}
			if failed(r) != want || r.Complete {
				t.Fatalf("failed %q, want %q", failed(r), want)
			}
			for _, i := range r.Images {
				if i.Status == mirror.Failed && (!strings.Contains(i.Error, "sha256:") || !strings.Contains(i.Error, test.says)) {
					t.Errorf("error %q does not name the blob, or %q", i.Error, test.says)
				}
			}
			again := newSite(t, small())
			for i := range images {
				images[i].Host = again.host
			}
			whole(t, l, copyTo(t, l, again.options(), images), len(images))
		})
	}
}

// A blob that is damaged in one repository is fetched from another one.
func TestAnotherRepositoryHasTheBlob(t *testing.T) {
	for _, quirk := range []string{"wrong-bytes", "html-404", "outage"} {
		t.Run(quirk, func(t *testing.T) {
			t.Parallel()
			y := newDataset(t)
			shared := strings.Repeat("shared ", 20_000)
			y.tag("one", "v1", y.image("one", "linux/amd64", shared))
			y.tag("two", "v1", y.image("two", "linux/amd64", shared))
			layer := digest.FromString(shared).String()
			value := "/v2/yard/one/blobs/" + layer
			if quirk == "outage" {
				value = "1000:403:" + value
			}
			// The answers wait until both images are known.
			s := newSite(t, y.data, quaytest.WithQuirk(quirk, value), quaytest.WithLatency(50*time.Millisecond))
			s.plain = true
			l := newLayout(t, t.TempDir())
			whole(t, l, copyTo(t, l, s.options(), s.images("v1")), 2)
		})
	}
}

// Each answer brings half of what is left. Attempts go on as long as each brings
// something.
func TestProgressIsPatience(t *testing.T) {
	data := quaytest.Release(1, quaytest.ReleaseOptions{Base: 8 << 20, Group: 16 << 10, Own: 16 << 10})
	s := newSite(t, data, quirks("cut-first", "12", "blob-range", "")...)
	s.plain = true
	l := newLayout(t, t.TempDir())
	var resumed atomic.Int64
	o := s.options()
	o.Observe = func(e mirror.Event) {
		if e.Kind == mirror.BlobRetried {
			resumed.Add(1)
		}
	}
	r := copyTo(t, l, o, s.images("2025.1")[:1])
	whole(t, l, r, 1)
	if n := resumed.Load(); n < 6 || r.Retries != int(n) || r.Retried != 0 {
		t.Errorf("%d attempts failed, the report says %d, and %d bytes wasted", n, r.Retries, r.Retried)
	}
}

// Two manifests give one blob two sizes: the wrong one fails, whichever comes first.
func TestSizesThatContradict(t *testing.T) {
	for _, first := range []string{"honest", "liar"} {
		t.Run(first+" first", func(t *testing.T) {
			t.Parallel()
			y := newDataset(t)
			layer := strings.Repeat("layer ", 10_000)
			honest := y.image("honest", "linux/amd64", layer)
			y.tag("honest", "v1", honest)
			for i := range y.data.Manifests {
				m := y.data.Manifests[i]
				if m.Digest != honest.Digest {
					continue
				}
				text := strings.Replace(m.Content, `"size":60000`, `"size":70000`, 1)
				if text == m.Content {
					t.Fatal("the size is not there to be changed")
				}
				d := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.FromString(text)}
				y.data.Manifests = append(y.data.Manifests, quaytest.Manifest{
					Repository: "yard/liar", Digest: d.Digest, MediaType: m.MediaType, Content: text,
				})
				y.tag("liar", "v1", d)
			}
			y.blob("liar", "", layer)
			for _, b := range y.data.Blobs {
				if b.Repository == "yard/honest" {
					b.Repository = "yard/liar"
					if !slices.ContainsFunc(y.data.Blobs, func(o quaytest.Blob) bool { return o.Repository == b.Repository && o.Digest == b.Digest }) {
						y.data.Blobs = append(y.data.Blobs, b)
					}
				}
			}
			s := newSite(t, y.data, quaytest.WithLatency(20*time.Millisecond))
			l := newLayout(t, t.TempDir())
			images := s.images("v1")
			o := s.options()
			if first == "liar" {
				slices.Reverse(images)
			}
			o.Jobs = 1
			r := copyTo(t, l, o, images)
			if failed(r) != s.host+"/yard/liar:v1" || r.Copied != 1 {
				t.Errorf("have\n%s", show(t, r))
			}
		})
	}
}

// The other blobs of an image that failed hold nothing up.
func TestFailedImageHoldsNothingUp(t *testing.T) {
	y := newDataset(t)
	slow, gone := strings.Repeat("slow ", 50_000), "gone"
	y.tag("app", "v1", y.image("app", "linux/amd64", slow, gone))
	at := func(content string) string { return "/v2/yard/app/blobs/" + digest.FromString(content).String() }
	// Both are asked for before either is answered.
	s := newSite(t, y.data, append(quirks("stall", at(slow), "outage", "1000:403:"+at(gone)), quaytest.WithLatency(50*time.Millisecond))...)
	l := newLayout(t, t.TempDir())
	began := time.Now()
	r := copyTo(t, l, s.options(), s.images("v1"))
	if r.Failed != 1 || !strings.Contains(r.Images[0].Error, digest.FromString(gone).String()) || time.Since(began) > 15*time.Second {
		t.Errorf("after %v\n%s", time.Since(began), show(t, r))
	}
}

// The bytes of an earlier run are not counted again.
func TestEarlierBytesAreNotCounted(t *testing.T) {
	layer := strings.Repeat("layer ", 20_000)
	wrong := strings.Repeat("wrong ", 20_000)
	for name, earlier := range map[string]string{"good": layer[:50_000], "bad": wrong, "bad beginning": wrong[:50_000]} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newDataset(t)
			y.tag("app", "v1", y.image("app", "linux/amd64", layer))
			s := newSite(t, y.data, quirks("blob-range", "")...)
			l := newLayout(t, t.TempDir())
			p, err := l.Partial(t.Context(), y.blob("app", ocispec.MediaTypeImageLayerGzip, layer))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Write([]byte(earlier)); err != nil {
				t.Fatal(err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			r := copyTo(t, l, s.options(), s.images("v1"))
			whole(t, l, r, 1)
			want, wasted := r.Bytes, int64(0)
			switch name {
			case "good":
				want -= 50_000
			case "bad beginning": // the rest came before it was known
				wasted = 70_000
			}
			if r.Fetched != want+wasted || r.Retried != wasted || r.Images[0].Fetched != want {
				t.Errorf("fetched %d, wasted %d, for the image %d; want %d, %d, %d", r.Fetched, r.Retried, r.Images[0].Fetched, want+wasted, wasted, want)
			}
		})
	}
}

// A heldTransport delays some requests until something has happened.
type heldTransport struct {
	base  http.RoundTripper
	until func(path string) // returns when the request may go; may take note of it
	after func(path string) // called with the answer
}

func (h heldTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	h.until(r.URL.Path)
	defer h.after(r.URL.Path)
	return h.base.RoundTrip(r)
}

// options returns the site's options with the transport.
func (h heldTransport) options(s *site) mirror.Options {
	o := s.options()
	base := &http.Transport{}
	s.t.Cleanup(base.CloseIdleConnections)
	h.base = base
	o.Registry = func(host string) (*registry.Registry, error) {
		return registry.New(host, registry.Options{PlainHTTP: true, Transport: h})
	}
	return o
}

// The event that an image is planned comes before the event that it failed.
func TestFailedIsTheLastEvent(t *testing.T) {
	y := newDataset(t)
	amd64, arm64 := y.image("app", "linux/amd64", "gone"), y.image("app", "linux/arm64", "layer")
	y.tag("app", "v1", y.index("app", amd64, arm64))
	at := "/v2/yard/app/blobs/" + digest.FromString("gone").String()
	s := newSite(t, y.data, quaytest.WithQuirk("outage", "1000:403:"+at))
	o := s.options()
	var kinds []mirror.EventKind
	o.Observe = func(e mirror.Event) {
		if strings.HasPrefix(string(e.Kind), "image ") {
			kinds = append(kinds, e.Kind)
		}
	}
	copyTo(t, newLayout(t, t.TempDir()), o, s.images("v1"))
	if !slices.Equal(kinds, []mirror.EventKind{mirror.ImagePlanned, mirror.ImageFailed}) {
		t.Errorf("events %q", kinds)
	}
}

// Two images with the same configuration are examined at the same time. One repository
// refuses it, and the other image is copied.
func TestConfigurationOfTwoRepositories(t *testing.T) {
	y := newDataset(t)
	for _, name := range []string{"one", "two"} {
		y.tag(name, "v1", y.artifact(name, nil, name))
	}
	s := newSite(t, y.data, quaytest.WithLatency(50*time.Millisecond),
		quaytest.WithQuirk("outage", "1000:403:/v2/yard/one/blobs/"+digest.FromString("{}").String()))
	asked, ready := make(chan struct{}), make(chan struct{})
	var once sync.Once
	o := heldTransport{
		until: func(path string) {
			switch {
			case strings.HasSuffix(path, "/yard/one/blobs/"+digest.FromString("{}").String()):
				once.Do(func() { close(asked) })
				<-ready // and 50 ms of latency
			case strings.Contains(path, "/yard/two/manifests/"):
				<-asked
			}
		},
		after: func(path string) {
			if strings.Contains(path, "/yard/two/manifests/") {
				close(ready)
			}
		},
	}.options(s)
	o.Platforms = platforms(t, mirror.SparseIndex, "linux/amd64")
	r := copyTo(t, newLayout(t, t.TempDir()), o, s.images("v1"))
	for _, i := range r.Images {
		if refused := strings.Contains(i.Error, "403"); refused != strings.Contains(i.Reference, "/one:") {
			t.Errorf("%s: %s", i.Reference, i.Error)
		}
	}
}

// A refused token is requested once.
func TestRefusedTokenIsAskedForOnce(t *testing.T) {
	y := newDataset(t)
	y.tag("app", "v1", y.image("app", "linux/amd64", "a"))
	s := newSite(t, y.data)
	images := s.images("v1")
	y.data.Repositories[0].Public = false
	s = newSite(t, y.data)
	images[0].Host = s.host
	o := s.options()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	o.Registry = func(host string) (*registry.Registry, error) {
		return registry.New(host, registry.Options{
			PlainHTTP: true, Transport: base, Credentials: registry.ForHost(host, registry.NewCredential("$oauthtoken", "none-of-this-server")),
		})
	}
	r := copyTo(t, newLayout(t, t.TempDir()), o, images)
	if n := s.server.Stats().Classes["auth"].Requests; r.Failed != 1 || n != 1 {
		t.Errorf("%d requests for a token\n%s", n, show(t, r))
	}
}

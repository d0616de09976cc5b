// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
)

// maxZstdWindow bounds the memory that unpacking a zstd layer takes, in bytes.
const maxZstdWindow = 256 << 20

// A dockerImage is an entry of manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// dockerImages makes manifest.json from the entries of an index that docker loads:
// an image that has several names is there once.
func dockerImages(index []ocispec.Descriptor, loads map[string]dockerImage) []dockerImage {
	images := []dockerImage{}
	known := map[digest.Digest]int{}
	for _, d := range index {
		load, ok := loads[entryKey(d)]
		if !ok {
			continue
		}
		at, ok := known[d.Digest]
		if !ok {
			at = len(images)
			known[d.Digest] = at
			images = append(images, load)
		}
		if name := nameOf(d); name != "" && !strings.Contains(name, "@") && !slices.Contains(images[at].RepoTags, name) {
			images[at].RepoTags = append(images[at].RepoTags, name)
		}
	}
	return images
}

// load returns what docker loads of an entry, after a look at its manifest and its
// configuration. Of an index, which another tool has written, that is the one
// image that is there.
func (a *archive) load(ctx context.Context, d ocispec.Descriptor) (dockerImage, error) {
	m, _, err := a.loadable(ctx, d)
	if err != nil {
		return dockerImage{}, err
	}
	image := dockerImage{Config: blobName(m.Config.Digest), Layers: []string{}}
	for _, layer := range m.Layers {
		image.Layers = append(image.Layers, blobName(layer.Digest))
	}
	return image, nil
}

// loadable reads a manifest and its configuration, and refuses what docker does
// not load.
func (a *archive) loadable(ctx context.Context, d ocispec.Descriptor) (m manifest.Manifest, c dockerFacts, err error) {
	if m, err = a.parse(ctx, d); err != nil {
		return m, c, err
	}
	if m.IsIndex() {
		var there []ocispec.Descriptor
		for _, child := range m.Children {
			if ok, err := a.holds(ctx, child); err != nil {
				return m, c, err
			} else if ok && !manifest.IsIndex(child.MediaType) && child.Annotations[attestationOf] == "" &&
				!slices.ContainsFunc(there, func(d ocispec.Descriptor) bool { return d.Digest == child.Digest }) {
				there = append(there, child)
			}
		}
		if len(there) != 1 {
			return m, c, fmt.Errorf("%s is an index of which %d images are there, and docker loads one", d.Digest, len(there))
		}
		if m, err = a.parse(ctx, there[0]); err != nil {
			return m, c, err
		}
	}
	if err := mayLoad(m); err != nil {
		return m, c, err
	}
	if m.Config.Size > maxConfig {
		return m, c, unloadable("its configuration has %d bytes, and %d is the limit", m.Config.Size, maxConfig)
	}
	text, err := a.read(ctx, *m.Config)
	if err != nil {
		return m, c, err
	}
	c, err = readDockerFacts(text, len(m.Layers))
	return m, c, err
}

// check reads all of an image as docker load does: its configuration, and each
// layer, which is unpacked and compared with its diff_id. The image has to be for
// an operating system, unless that is "".
func (a *archive) check(ctx context.Context, d ocispec.Descriptor, system string) error {
	m, c, err := a.loadable(ctx, d)
	if err != nil {
		return err
	}
	if system != "" && c.system != "" && c.system != system {
		return unloadable("it is for %s, and docker on %s stops at it: to have it in an archive, choose its platform with --platform", c.system, system)
	}
	for i, layer := range m.Layers {
		got, err := a.diffID(ctx, layer)
		if err != nil {
			return err
		}
		if got != c.diffs[i] {
			return unloadable("layer %s unpacks to %s, and the configuration's diff_id is %s", layer.Digest, got, c.diffs[i])
		}
	}
	return nil
}

// unloadable is the error of an image that docker load refuses.
func unloadable(format string, args ...any) error {
	return fmt.Errorf("docker cannot load this image: %w; copy it to an oci-archive", fmt.Errorf(format, args...))
}

// mayLoad refuses a manifest by what it says: what is no image, and layers that
// docker does not read or that registries do not give out.
func mayLoad(m manifest.Manifest) error {
	what := m.ArtifactType
	if what == "" && m.Config != nil && !isImageConfig(m.Config.MediaType) {
		what = m.Config.MediaType
	}
	if what != "" {
		return fmt.Errorf("a docker archive holds images, and this is %q: copy it to an oci-archive", what)
	}
	for _, d := range m.Layers {
		if !manifest.Distributable(d.MediaType) {
			return errors.New("a docker archive needs all layers, and one of this image is not given out by registries: copy it to an oci-archive")
		}
		if !slices.Contains(layerTypes, d.MediaType) {
			return unloadable("layer %s is of media type %q, which is no layer of an image", d.Digest, d.MediaType)
		}
	}
	return nil
}

// layerTypes are the media types of layers that docker unpacks.
var layerTypes = []string{
	ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd,
	"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
}

// A dockerText is a list of texts, or one of them, which docker reads as a list.
type dockerText []string

// UnmarshalJSON reads either.
func (t *dockerText) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*t = dockerText{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

// A dockerFacts is what of a configuration docker compares with the rest.
type dockerFacts struct {
	system string // may be ""
	diffs  []digest.Digest
}

// readDockerFacts reads a configuration for so many layers. It is as strict as
// docker, in the fields that docker reads.
func readDockerFacts(text []byte, layers int) (dockerFacts, error) {
	var c *struct {
		Created                                   *time.Time `json:"created"`
		Author, Architecture, Variant, OS, Parent string
		OSVersion                                 string   `json:"os.version"`
		OSFeatures                                []string `json:"os.features"`
		Config                                    *struct {
			User, WorkingDir, StopSignal string
			Env, OnBuild                 []string
			Cmd, Entrypoint, Shell       dockerText
			Labels                       map[string]string
			Volumes, ExposedPorts        map[string]struct{}
		}
		RootFS *struct {
			Type    string
			DiffIDs []digest.Digest `json:"diff_ids"`
		}
		History []struct {
			Created    *time.Time
			CreatedBy  string `json:"created_by"`
			Author     string
			Comment    string
			EmptyLayer bool `json:"empty_layer"`
		}
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return dockerFacts{}, unloadable("its configuration is no JSON of its kind: %w", manifest.Fault(err))
	}
	if c == nil || c.RootFS == nil {
		return dockerFacts{}, unloadable("its configuration has no rootfs, as that of an image has")
	}
	diffs := c.RootFS.DiffIDs
	if len(diffs) != layers {
		return dockerFacts{}, unloadable("its configuration has %d diff_ids, for %d layers", len(diffs), layers)
	}
	for _, d := range diffs {
		if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
			return dockerFacts{}, unloadable("its configuration has the diff_id %.100q, which is no SHA-256 digest", d.String())
		}
	}
	full := 0
	for _, h := range c.History {
		if !h.EmptyLayer {
			full++
		}
	}
	if full > layers {
		return dockerFacts{}, unloadable("its configuration has a history of %d layers, and there are %d", full, layers)
	}
	if c.OS != "" && c.OS != "linux" && c.OS != "windows" {
		return dockerFacts{}, unloadable("it is for the operating system %.100q", c.OS)
	}
	return dockerFacts{c.OS, diffs}, nil
}

// diffID unpacks a layer and returns the digest of what is in it, which has to be
// a tar. Each layer is read once, however many images have it.
func (a *archive) diffID(ctx context.Context, d ocispec.Descriptor) (digest.Digest, error) {
	a.mu.Lock()
	read := a.diffs[d.Digest]
	if read == nil {
		read = sync.OnceValues(func() (digest.Digest, error) { return a.unpacked(ctx, d) })
		a.diffs[d.Digest] = read
	}
	a.mu.Unlock()
	return read()
}

func (a *archive) unpacked(ctx context.Context, d ocispec.Descriptor) (digest.Digest, error) {
	var from io.Reader
	blob, _, err := a.staging.Blob(d.Digest)
	switch {
	case err == nil:
		defer blob.Close()
		from = blob
	case errors.Is(err, layout.ErrMissing) && a.old.has(d):
		from = a.old.open(d.Digest)
	default:
		return "", stagingError(err)
	}
	file := &watched{r: &interruptible{ctx, from}}
	diff, err := unpack(file)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case file.err != nil:
		return "", fmt.Errorf("layer %s: %w: %w", d.Digest, layout.ErrUnreadable, file.err)
	case err != nil:
		return "", unloadable("layer %s cannot be unpacked: %w", d.Digest, err)
	}
	return diff, nil
}

// unpack reads a layer to its end, and returns the digest of the tar in it.
func unpack(layer io.Reader) (digest.Digest, error) {
	content, done, err := decompressed(bufio.NewReaderSize(layer, 64<<10))
	if err != nil {
		return "", err
	}
	defer done()
	h := digest.SHA256.Hash()
	content = io.TeeReader(content, h)
	for tr := tar.NewReader(content); ; {
		if _, err := tr.Next(); err == io.EOF {
			break
		} else if err != nil {
			return "", fmt.Errorf("it is no tar: %w", err)
		}
	}
	if _, err := io.Copy(io.Discard, content); err != nil { // what stands behind the tar's end
		return "", err
	}
	return digest.NewDigest(digest.SHA256, h), nil
}

// decompressed is the content of a layer. As in docker, its first bytes say how it
// is compressed, and not its media type.
func decompressed(r *bufio.Reader) (content io.Reader, done func(), err error) {
	done = func() {}
	begin, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, done, err
	}
	has := func(magic string) bool { return bytes.HasPrefix(begin, []byte(magic)) }
	switch {
	case has("\x1f\x8b\x08"):
		content, err = gzip.NewReader(r)
		return content, done, err
	case has("BZh"):
		return bzip2.NewReader(r), done, nil
	case has("\x28\xb5\x2f\xfd"), len(begin) > 3 && begin[0]&0xf0 == 0x50 && string(begin[1:4]) == "\x2a\x4d\x18":
		return zstdContent(r)
	case has("\xfd7zXZ\x00"):
		return nil, done, errors.New("it is compressed with xz, which is not read here")
	}
	return r, done, nil
}

// zstdContent decompresses on the goroutine that reads.
func zstdContent(r io.Reader) (content io.Reader, done func(), err error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxZstdWindow))
	if err != nil {
		return nil, func() {}, err
	}
	return d, d.Close, nil
}

// watched is a reader that keeps its error, which a reader on top may change.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

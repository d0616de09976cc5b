// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/registry"
)

// Registry returns a destination that pushes to repositories of a registry, beneath a
// prefix. Blobs are staged in a layout, which belongs to the caller, and stay there until
// the caller removes them: a registry that mounts no blobs gets a shared layer once for
// each repository. Close closes neither.
//
// An image is called HOST/PREFIX/NAME:TAG. NAME is what rename returns for its
// repository. Without a rule, or with a nil rename, NAME is the repository without its
// namespace: PREFIX stands in its place. With an empty prefix, an image without a rule
// has no name, and fails before anything of it is sent.
//
// Every blob is uploaded once, as soon as it is staged, to the repository of the image
// that needed it first, and mounted from there into the others. HEAD requests find out
// what a repository has. Manifests are pushed when all blobs are there, children before
// their index, then the referrers, and the tag last: at any time a tag stands for a whole
// image.
//
// If writing is denied, the error meets registry.ErrDenied and says what to do. Prepare
// finds out before a blob is fetched.
//
// recordFile records which images have all their referrers, because a registry has no
// place for that: these images are not examined again while they do not change. The file
// is made, with its folder, when there is something to record, and is written by Close.
// With "", and for an image that is not in the file, each run asks the source for
// referrers.
func Registry(r *registry.Registry, prefix string, staging *layout.Layout, rename Rename, recordFile string) (Destination, error) {
	prefix = strings.Trim(prefix, "/")
	if prefix != "" {
		if err := checkRepository(prefix); err != nil {
			return nil, fmt.Errorf("docker://%s/%s: %w", r.Host(), prefix, err)
		}
	}
	if rename == nil {
		rename = func(string) string { return "" }
	}
	p := &registryDestination{
		registry: r, prefix: prefix, staging: staging, rename: rename, records: openRecords(recordFile),
		targets: map[string]*target{}, tags: map[string]ocispec.Descriptor{}, blobs: map[digest.Digest]*blobLocations{}, namespaces: map[string]*namespace{},
	}
	return p, nil
}

// A registryDestination is a Destination that is a registry. Safe for concurrent use.
type registryDestination struct {
	Base
	registry *registry.Registry
	prefix   string
	staging  *layout.Layout
	rename   Rename
	records  *records

	uploaded, mounted atomic.Int64 // bytes

	mu         sync.Mutex
	targets    map[string]*target
	tags       map[string]ocispec.Descriptor // what names stood for at the beginning; zero: nothing
	blobs      map[digest.Digest]*blobLocations
	namespaces map[string]*namespace // by namespace
	noMounts   bool                  // mounting is not tried any more
	busy       int                   // number of mounts in a row that were refused with 429
}

// A namespace of a registry. Its first repository is asked alone: what that finds out
// about credentials and redirects holds for the others.
type namespace struct {
	first  sync.Once
	denied *registry.Error // no repository of the namespace can be pushed to
	of     string          // the repository that found out
}

// A target is a repository that is pushed to.
type target struct {
	*registry.Repository
	try    sync.Once // checks push access or, for a dry run, the credentials
	denied error     // why it cannot be pushed to
}

// String returns docker://HOST/PREFIX.
func (p *registryDestination) String() string {
	return "docker://" + path.Join(p.registry.Host(), p.prefix)
}

// Staging returns the caller's layout.
func (p *registryDestination) Staging() *layout.Layout { return p.staging }

// Sent counts the bytes of blobs, not of manifests.
func (p *registryDestination) Sent() (uploaded, mounted int64) {
	return p.uploaded.Load(), p.mounted.Load()
}

// repository returns the repository that an image goes to, or "" if neither a rule nor a
// prefix names it.
func (p *registryDestination) repository(i Image) string {
	name := p.rename(i.Repository)
	if p.prefix == "" {
		return name
	}
	_, own, _ := strings.Cut(i.Repository, "/")
	return p.prefix + "/" + cmp.Or(name, own)
}

// Name returns HOST/PREFIX/NAME:TAG, or @DIGEST for an image without a tag.
func (p *registryDestination) Name(i Image) string {
	repository := p.repository(i)
	if repository == "" {
		return ""
	}
	name := p.registry.Host() + "/" + repository
	if i.Tag != "" {
		return name + ":" + i.Tag
	}
	return name + "@" + i.Digest.String()
}

// target returns the repository of an image.
func (p *registryDestination) target(i Image) (*target, error) {
	name := p.repository(i)
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.targets[name]; ok {
		return t, nil
	}
	if name == "" {
		return nil, fmt.Errorf("no --map rule matches the image, and %s has no prefix: add a rule that matches, or a prefix", p)
	}
	if err := checkRepository(name); err != nil {
		return nil, fmt.Errorf("destination: %w; choose another name with --map", err)
	}
	r, err := p.registry.Repository(name)
	if err != nil {
		return nil, err
	}
	t := &target{Repository: r}
	p.targets[name] = t
	return t, nil
}

// Has asks the registry what the tag stands for: one request. With the manifests, it
// asks for each of them too: a registry that takes a sparse index does not distinguish
// it from a whole one. A refusal to answer is not an error: some registries refuse for
// a repository that a push would create (doc/quay-api.md section 3), and Prepare finds
// out.
func (p *registryDestination) Has(ctx context.Context, s Staged) (f Found, err error) {
	t, err := p.target(s.Image)
	if err != nil {
		return f, err
	}
	d, there, err := p.resolve(ctx, t, s)
	if err != nil || !there {
		return f, err
	}
	for _, d := range s.Manifests {
		if there, err := t.HasManifest(ctx, d.Digest); err != nil || !there {
			return f, ignoreRefusal(err)
		}
	}
	f.Present, f.Record = true, p.records.get(p.Name(s.Image), s)
	f.MaybePartial = len(s.Manifests) == 0 && (d.MediaType == "" || manifest.IsIndex(d.MediaType))
	return f, nil
}

// resolve reports whether an image's name stands for its root. The registry is asked
// once what a tag stands for.
func (p *registryDestination) resolve(ctx context.Context, t *target, s Staged) (d ocispec.Descriptor, there bool, err error) {
	if s.Tag == "" {
		there, err = t.HasManifest(ctx, s.Root.Digest)
		return d, there, ignoreRefusal(err)
	}
	name := p.Name(s.Image)
	p.mu.Lock()
	d, known := p.tags[name]
	p.mu.Unlock()
	if !known {
		d, err = t.Resolve(ctx, s.Tag)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return d, false, ignoreRefusal(err)
		}
		p.mu.Lock()
		p.tags[name] = d
		p.mu.Unlock()
	}
	return d, d.Digest == s.Root.Digest, nil
}

// ignoreRefusal drops the error of a question that the registry refuses to answer. The
// push finds out whether it is accepted.
func ignoreRefusal(err error) error {
	if errors.Is(err, registry.ErrDenied) || isRefusal(err) && !errors.Is(err, registry.ErrRedirect) && !errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	return err
}

// Prepare finds out whether the image's repository can be written to, once for each, by
// an upload that is started and cancelled. A Quay creates the repository at that
// moment, so only the repositories of images that are going to be pushed are asked. A
// dry run asks only whether the registry accepts the credentials.
//
// The first repository of a namespace is asked alone. If the credentials are refused, or
// uploads are redirected to another name, no other repository is asked.
func (p *registryDestination) Prepare(ctx context.Context, i Image, dryRun bool) error {
	return p.try(i, func(t *target) error {
		if dryRun {
			return t.CheckCredentials(ctx)
		}
		return t.CheckPush(ctx)
	})
}

// try finds out once whether an image's repository refuses what ask does. Any other
// error may be gone by the time of the Commit, which reports it.
func (p *registryDestination) try(i Image, ask func(*target) error) error {
	t, err := p.target(i)
	if err != nil {
		return err
	}
	t.try.Do(func() {
		n := p.namespace(t)
		var err error
		first := false
		n.first.Do(func() {
			first, err = true, ask(t)
			if errors.Is(err, registry.ErrLogin) || errors.Is(err, registry.ErrRedirect) {
				n.denied, _ = errors.AsType[*registry.Error](err)
				n.of = t.String()
			}
		})
		switch {
		case first:
		case n.denied == nil:
			err = ask(t)
		case n.denied.Subject == n.of:
			err = n.denied.On(t.String())
		default:
			err = n.denied
		}
		if isRefusal(err) {
			t.denied = p.failed(t, err)
		}
	})
	return t.denied
}

// namespace returns the namespace of a repository.
func (p *registryDestination) namespace(t *target) *namespace {
	name, _, _ := strings.Cut(t.Name(), "/")
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.namespaces[name]
	if s == nil {
		s = &namespace{}
		p.namespaces[name] = s
	}
	return s
}

// isRefusal reports whether the next attempt to push will get the same answer.
func isRefusal(err error) bool {
	if errors.Is(err, registry.ErrDenied) || errors.Is(err, registry.ErrRedirect) {
		return true
	}
	answer, ok := errors.AsType[*registry.Error](err)
	if !ok {
		return false
	}
	switch code := answer.Status; code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	case http.StatusNotFound: // an HTML page is not the answer of a registry
		return errors.Is(err, registry.ErrNotFound)
	default:
		return code >= 400 && code < 500 || code == http.StatusNotImplemented
	}
}

// failed adds the repository to the error of a push.
func (p *registryDestination) failed(t *target, err error) error { return &pushError{t.String(), err} }

// A pushError is the error of a push to a repository. Some errors of package registry
// name the repository already: then it is not repeated.
type pushError struct {
	to  string
	err error
}

func (e *pushError) Error() string {
	what := "push to " + e.to + ": "
	return what + strings.TrimPrefix(e.err.Error(), "registry: begin to "+what)
}

func (e *pushError) Unwrap() error { return e.err }

// Close writes the records. If it cannot, the copy does not fail: the next run asks the
// source again.
func (p *registryDestination) Close() error {
	_ = p.records.save()
	return nil
}

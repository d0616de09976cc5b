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

// Registry returns a destination that pushes to repositories of a registry, below a
// prefix. Blobs are staged in a layout. They stay there until the caller removes them,
// because a registry that mounts no blobs gets a shared layer once for each repository.
// Close closes neither the registry nor the layout.
//
// The name of an image is HOST/PREFIX/NAME:TAG. NAME is what rename returns for its
// repository. Without a rule, or with a nil rename, NAME is the repository without its
// namespace: PREFIX replaces the namespace. With an empty prefix, an image without a rule
// has no name, and fails before anything of it is sent.
//
// Every blob is uploaded once, as soon as it is staged, to the repository of the image
// that needed it first, and mounted from there into the others. HEAD requests check which
// blobs a repository has. Manifests are pushed after all blobs, children before their
// index, then the referrers, and the tag last, so that a tag always refers to a complete
// image.
//
// If push access is denied, the error matches registry.ErrDenied and includes what to do.
// Prepare checks the access before a blob is fetched.
//
// recordFile records which images have all their referrers, because a registry cannot
// store that. Such images are not examined again until they change. Close writes the file,
// and creates it and its folder if needed. With "", and for an image that is not in the
// file, each run asks the source for referrers.
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
	tags       map[string]ocispec.Descriptor // by name, before this run; zero: the name did not exist
	blobs      map[digest.Digest]*blobLocations
	namespaces map[string]*namespace // by namespace
	noMounts   bool                  // mounting is not tried any more
	busy       int                   // number of mounts in a row that were refused with 429
}

// A namespace of a registry. Its first repository is checked alone, because its result
// for credentials and redirects holds for the other repositories.
type namespace struct {
	first  sync.Once
	denied *registry.Error // no repository of the namespace can be pushed to
	of     string          // the repository that was denied first
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

// Has resolves the tag with one request. If the manifests are known, it also checks each
// manifest: a registry that accepts a sparse index does not distinguish it from a complete
// one. A refusal is not an error: some registries refuse requests for a repository that a
// push would create (doc/quay-api.md section 3), and Prepare checks the access.
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

// resolve reports whether an image's name refers to its root. Each tag is resolved once.
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

// ignoreRefusal drops the error of a read request that the registry refuses. The push
// shows whether the registry accepts it.
func ignoreRefusal(err error) error {
	if errors.Is(err, registry.ErrDenied) || isRefusal(err) && !errors.Is(err, registry.ErrRedirect) && !errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	return err
}

// Prepare checks once for each repository whether it can be pushed to: it starts an upload
// and cancels it. On a Quay this creates the repository. Therefore Prepare checks only the
// repositories of images that will be pushed. A dry run only checks whether the registry
// accepts the credentials.
//
// The first repository of a namespace is checked alone. If the credentials are refused, or
// uploads are redirected to another name, no other repository is checked.
func (p *registryDestination) Prepare(ctx context.Context, i Image, dryRun bool) error {
	return p.try(i, func(t *target) error {
		if dryRun {
			return t.CheckCredentials(ctx)
		}
		return t.CheckPush(ctx)
	})
}

// try calls ask once for each repository, and returns an error if the repository refuses.
// It ignores other errors: they may be gone by the time of the Commit, which reports them.
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

// A pushError is the error of a push to a repository. If the error of package registry
// names the repository already, the text does not repeat the name.
type pushError struct {
	to  string
	err error
}

func (e *pushError) Error() string {
	what := "push to " + e.to + ": "
	return what + strings.TrimPrefix(e.err.Error(), "registry: begin to "+what)
}

func (e *pushError) Unwrap() error { return e.err }

// Close writes the records. A failure does not fail the copy: the next run asks the source
// again.
func (p *registryDestination) Close() error {
	_ = p.records.save()
	return nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	oras "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/quayside/quayside/internal/manifest"
)

// What can stand in a path. Names of repositories are as a Quay has them
// (doc/quay-api.md section 2, "URL form"), which is more than oras' own check
// lets through: name- and a..b are good names there. No part of one begins with
// a dot, so a name never leads out of its place.
var (
	nameForm = lazily(`^[a-z0-9][._a-z0-9-]*(?:/[a-z0-9][._a-z0-9-]*)*$`)
	tagForm  = lazily(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

const maxName = 255 // characters of a repository's name, on a Quay and elsewhere

func validRepository(name string) bool { return len(name) <= maxName && nameForm().MatchString(name) }

// A Repository is a repository of a registry. It is safe for concurrent use.
//
// Errors of its methods are of type *[Error], or the context's.
type Repository struct {
	registry *Registry
	name     string
	oras     *remote.Repository
	lists    lister
}

func newRepository(r *Registry, name string) *Repository {
	host := strings.SplitN(r.base, "//", 2)
	return &Repository{registry: r, name: name, oras: &remote.Repository{
		Client:             orasClient{r, name},
		Reference:          oras.Reference{Registry: host[1], Repository: name},
		PlainHTTP:          host[0] == "http:",
		ManifestMediaTypes: manifest.Accept(),
		// Nothing is deleted: an index of referrers that was replaced is the
		// registry's to clean up, and most refuse to delete.
		SkipReferrersGC:      true,
		ReferrerListMaxPages: maxReferrerPages,
		MaxMetadataBytes:     manifest.MaxSize,
	}}
}

// Name returns namespace/name.
func (r *Repository) Name() string { return r.name }

// String returns host/namespace/name.
func (r *Repository) String() string { return r.registry.host + "/" + r.name }

// url makes a URL of the repository. The parts have been checked.
func (r *Repository) url(parts ...string) string {
	return r.registry.base + "/v2/" + r.name + "/" + strings.Join(parts, "/")
}

// ask sends a request without a body that needs the right to pull.
func (r *Repository) ask(ctx context.Context, method, url string, header http.Header) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	for key, values := range header {
		req.Header[key] = values
	}
	// Contents are to come as they are: they are counted and hashed.
	req.Header.Set("Accept-Encoding", "identity")
	return r.registry.do(req, scope{repository: r.name})
}

// manifestHeader asks for a manifest in its own form, whatever that is.
func manifestHeader() http.Header {
	return http.Header{"Accept": {strings.Join(manifest.Accept(), ", ")}}
}

// Resolve asks what a tag stands for, without the content: one HEAD, which a
// Quay counts as a pull (doc/quay-api.md section 5), so it is for callers who
// do not know the digest. If the registry refuses the HEAD, or its answer lacks
// the digest, the size or the media type, the content is asked for. The error
// meets [ErrNotFound] when there is no such tag.
func (r *Repository) Resolve(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	const op = "resolve"
	subject := r.String() + ":" + tag
	if !tagForm().MatchString(tag) {
		return ocispec.Descriptor{}, &Error{Op: op, Subject: fmt.Sprintf("%s:%.140q", r, tag), Err: errors.New("no name of a tag")}
	}
	answer, err := r.head(ctx, op, subject, tag)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if answer != nil {
		said, mediaType := namedDigest(answer.Response), servedType(answer.Response)
		if said != "" && answer.ContentLength >= 0 && manifest.IsManifest(mediaType) {
			return ocispec.Descriptor{MediaType: mediaType, Digest: said, Size: answer.ContentLength}, nil
		}
	}
	d, _, err := r.fetch(ctx, op, subject, tag)
	if answer == nil && err == nil {
		r.registry.noHead.Store(true)
	}
	return d, err
}

// withQuery adds parameters to a URL that may have some.
func withQuery(u *url.URL, pairs ...string) *url.URL {
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	c := *u
	c.RawQuery = q.Encode()
	return &c
}

// lazily returns a function that compiles a regular expression when it is first
// called. A program that links the package and does not use it starts sooner.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

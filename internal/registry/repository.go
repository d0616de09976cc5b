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
	"github.com/quayside/quayside/internal/transport"
)

// The forms of names in a path. A Quay accepts more names of repositories than oras,
// such as name- and a..b (doc/quay-api.md section 2, "URL form"). No part of a name
// begins with a dot, so that a name cannot lead out of its folder.
var (
	nameForm = lazily(`^[a-z0-9][._a-z0-9-]*(?:/[a-z0-9][._a-z0-9-]*)*$`)
	tagForm  = lazily(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

const maxName = 255 // characters of a repository's name, on a Quay and elsewhere

func validRepository(name string) bool { return len(name) <= maxName && nameForm().MatchString(name) }

// A Repository is a repository of a registry. It is safe for concurrent use.
//
// Its methods return errors of type *[Error], or the context's error.
type Repository struct {
	registry *Registry
	name     string
	oras     *remote.Repository
	probe    referrersProbe
}

func newRepository(r *Registry, name string) *Repository {
	host := strings.SplitN(r.base, "//", 2)
	return &Repository{registry: r, name: name, oras: &remote.Repository{
		Client:             orasClient{r, name},
		Reference:          oras.Reference{Registry: host[1], Repository: name},
		PlainHTTP:          host[0] == "http:",
		ManifestMediaTypes: manifest.Accept(),
		// Replaced indexes of referrers are not deleted, because most registries refuse
		// deletion.
		SkipReferrersGC:      true,
		ReferrerListMaxPages: maxReferrerPages,
		MaxMetadataBytes:     manifest.MaxSize,
	}}
}

// Name returns namespace/name.
func (r *Repository) Name() string { return r.name }

// String returns host/namespace/name.
func (r *Repository) String() string { return r.registry.host + "/" + r.name }

// url returns a URL of the repository. The caller has validated the parts.
func (r *Repository) url(parts ...string) string {
	return r.registry.base + "/v2/" + r.name + "/" + strings.Join(parts, "/")
}

// ask sends a request without a body that needs access to pull.
func (r *Repository) ask(ctx context.Context, method, url string, header http.Header) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	for key, values := range header {
		req.Header[key] = values
	}
	// The content is counted and hashed as it is stored.
	req.Header.Set("Accept-Encoding", "identity")
	return r.registry.do(req, scope{repository: r.name})
}

// manifestHeader accepts a manifest of every type.
func manifestHeader() http.Header {
	return http.Header{"Accept": {strings.Join(manifest.Accept(), ", ")}}
}

// Resolve returns the descriptor of the manifest behind a tag, by a HEAD request. A Quay
// counts that as a pull (doc/quay-api.md section 5): callers who know the digest should
// not call Resolve. If the registry refuses HEAD, or the answer lacks the digest, the
// size or the media type, the content is fetched. The error is [ErrNotFound] if the
// tag does not exist.
func (r *Repository) Resolve(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	const op = "resolve"
	subject := r.String() + ":" + tag
	if !tagForm().MatchString(tag) {
		return ocispec.Descriptor{}, &Error{Op: op, Subject: fmt.Sprintf("%s:%.140q", r, tag), Err: errors.New("not a valid tag")}
	}
	answer, err := r.head(ctx, op, subject, tag)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if answer != nil {
		said, mediaType := namedDigest(answer.Response), transport.MediaType(answer.Header)
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

// withQuery returns a URL with further query parameters.
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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	_ "crypto/sha256" // for go-digest
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/transport"
)

// Manifest fetches a manifest or an index by its digest, of up to [manifest.MaxSize]
// bytes, and verifies the digest. The descriptor has the media type and size. The
// request accepts all types of manifest.Accept: a Quay converts manifests of other
// types (doc/quay-api.md, "Recorded").
func (r *Repository) Manifest(ctx context.Context, d digest.Digest) (ocispec.Descriptor, []byte, error) {
	const op = "fetch manifest"
	subject := r.at(d)
	if err := d.Validate(); err != nil {
		return ocispec.Descriptor{}, nil, &Error{Op: op, Subject: fmt.Sprintf("%s@%.100q", r, d), Err: err}
	}
	got, content, err := r.fetch(ctx, op, subject, d.String())
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	if sum := d.Algorithm().FromBytes(content); sum != d {
		return ocispec.Descriptor{}, nil, r.registry.malformed(op, subject, fmt.Errorf("content of %d bytes has the digest %s", len(content), sum))
	}
	got.Digest = d
	return got, content, nil
}

// fetch fetches a manifest by digest or tag. It computes the descriptor's digest from the
// content, with the algorithm that the registry names, or with SHA-256.
func (r *Repository) fetch(ctx context.Context, op, subject, reference string) (ocispec.Descriptor, []byte, error) {
	none := ocispec.Descriptor{}
	answer, err := r.ask(ctx, http.MethodGet, r.url("manifests", reference), manifestHeader())
	if err != nil {
		return none, nil, r.registry.failed(op, subject, err)
	}
	defer closeBody(answer.Response)
	if !isSuccess(answer.Response) {
		return none, nil, r.registry.refused(op, subject, answer)
	}
	if answer.ContentLength > manifest.MaxSize {
		return none, nil, r.registry.malformed(op, subject, fmt.Errorf("%d bytes; the limit is %d", answer.ContentLength, manifest.MaxSize))
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, manifest.MaxSize+1))
	switch {
	case err != nil:
		return none, nil, r.registry.failed(op, subject, err)
	case len(content) > manifest.MaxSize:
		return none, nil, r.registry.malformed(op, subject, fmt.Errorf("more than %d bytes", manifest.MaxSize))
	}
	d := ocispec.Descriptor{MediaType: transport.MediaType(answer.Header), Digest: digest.FromBytes(content), Size: int64(len(content))}
	if !manifest.IsManifest(d.MediaType) {
		// A plain web server sends no type or a general type. Then the content's own
		// type counts.
		if d.MediaType = manifest.MediaType(content); d.MediaType == "" {
			err := fmt.Errorf("%w: Content-Type %q", manifest.ErrUnsupported, r.registry.hide.Line(answer.Header.Get("Content-Type")))
			return none, nil, r.registry.malformed(op, subject, err)
		}
	}
	if said := namedDigest(answer.Response); said != "" && said != d.Digest {
		if said.Algorithm().FromBytes(content) != said {
			return none, nil, r.registry.malformed(op, subject, fmt.Errorf("content of %d bytes does not have the digest %s of the answer", len(content), said))
		}
		d.Digest = said
	}
	return d, content, nil
}

// head requests a manifest by HEAD. It returns an answer with a success status, an
// error, or nil if the registry does not support HEAD: then the caller sends GET.
func (r *Repository) head(ctx context.Context, op, subject, reference string) (*reply, error) {
	if r.registry.noHead.Load() {
		return nil, nil
	}
	answer, err := r.ask(ctx, http.MethodHead, r.url("manifests", reference), manifestHeader())
	if err != nil {
		return nil, r.registry.failed(op, subject, err)
	}
	defer closeBody(answer.Response)
	switch {
	case isSuccess(answer.Response):
		return answer, nil
	case mayGet(answer.Response):
		return nil, nil
	}
	return nil, r.registry.refused(op, subject, answer)
}

// mayGet reports whether GET may succeed although HEAD was refused. Some registries and
// proxies refuse every HEAD: with 405, 400, 403 or 500, or with a 404 that is not from a
// registry (which would be JSON, by the distribution specification).
func mayGet(resp *http.Response) bool {
	switch code := resp.StatusCode; code {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	case http.StatusNotFound:
		said := transport.MediaType(resp.Header)
		return said != "application/json" && said != "text/html" && resp.Header.Get("Docker-Distribution-Api-Version") == ""
	case http.StatusNotImplemented, http.StatusInternalServerError:
		return true
	default:
		return code >= 400 && code < 500
	}
}

// HasManifest reports whether the repository has a manifest, by a HEAD request, and by
// GET if HEAD is refused. It returns false for a repository that does not exist.
func (r *Repository) HasManifest(ctx context.Context, d digest.Digest) (bool, error) {
	const op = "look for manifest"
	if err := d.Validate(); err != nil {
		return false, &Error{Op: op, Subject: fmt.Sprintf("%s@%.100q", r, d), Err: err}
	}
	answer, err := r.head(ctx, op, r.at(d), d.String())
	if answer != nil && contradiction(d, answer.Response) != "" {
		answer = nil // GET decides
	}
	if answer == nil && err == nil {
		if _, _, err = r.Manifest(ctx, d); err == nil {
			r.registry.noHead.Store(true)
		}
	}
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// PushManifest stores a manifest under its digest, or under a tag if tag is not "". All
// blobs and manifests that it lists must exist before, but not its subject. If the manifest has
// a subject and the registry has no referrers API, the index under the fallback tag is
// updated. The request is repeated like an [Repository.Upload].
//
// If content does not match d, nothing is sent. The error is
// [ErrMalformed] if the registry answers with another digest.
func (r *Repository) PushManifest(ctx context.Context, d ocispec.Descriptor, content []byte, tag string) error {
	const op = "push manifest"
	subject := r.at(d.Digest)
	reference := d.Digest.String()
	if tag != "" {
		subject, reference = fmt.Sprintf("%s:%.140s", r, tag), tag
	}
	var wrong error
	switch err := manifest.Check(d); {
	case err != nil:
		wrong = err
	case tag != "" && !tagForm().MatchString(tag):
		wrong = errors.New("not a valid tag")
	case !manifest.IsManifest(d.MediaType):
		wrong = fmt.Errorf("%w: media type %.100q", manifest.ErrUnsupported, d.MediaType)
	case int64(len(content)) != d.Size || len(content) > manifest.MaxSize:
		wrong = fmt.Errorf("content of %d bytes; the descriptor says %d, and the limit is %d", len(content), d.Size, manifest.MaxSize)
	case d.Digest.Algorithm().FromBytes(content) != d.Digest:
		wrong = fmt.Errorf("content does not have the digest %s", d.Digest)
	}
	if wrong != nil {
		return &Error{Op: op, Subject: subject, Err: wrong}
	}
	if err := r.probeReferrers(ctx, content); err != nil {
		return r.registry.failed(op, subject, err)
	}
	plain := ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	if err := r.oras.PushReference(ctx, plain, bytes.NewReader(content), reference); err != nil {
		return r.registry.failedInOras(op, subject, err)
	}
	return nil
}

// at returns the name of a manifest or a blob of the repository.
func (r *Repository) at(d digest.Digest) string { return r.String() + "@" + d.String() }

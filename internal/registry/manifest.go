// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	_ "crypto/sha256" // digests may be of either
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// Manifest fetches a manifest or an index by its digest, checked against it, up
// to [manifest.MaxSize] bytes. The descriptor has its media type and size. All
// of manifest.Accept is asked for: a Quay converts what is not
// (doc/quay-api.md, "Recorded").
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

// fetch gets a manifest by digest or tag. The descriptor's digest is that of
// the content, in SHA-256.
func (r *Repository) fetch(ctx context.Context, op, subject, reference string) (ocispec.Descriptor, []byte, error) {
	resp, _, err := r.ask(ctx, http.MethodGet, r.url("manifests", reference), manifestHeader())
	if err != nil {
		return ocispec.Descriptor{}, nil, r.registry.failed(op, subject, err)
	}
	defer closeBody(resp)
	if resp.StatusCode != http.StatusOK {
		return ocispec.Descriptor{}, nil, r.registry.refused(op, subject, resp)
	}
	mediaType, err := r.manifestType(resp)
	if err == nil && resp.ContentLength > manifest.MaxSize {
		err = fmt.Errorf("%d bytes, and %d is the limit", resp.ContentLength, manifest.MaxSize)
	}
	if err != nil {
		return ocispec.Descriptor{}, nil, r.registry.malformed(op, subject, err)
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, manifest.MaxSize+1))
	switch {
	case err != nil:
		return ocispec.Descriptor{}, nil, r.registry.failed(op, subject, err)
	case len(content) > manifest.MaxSize:
		return ocispec.Descriptor{}, nil, r.registry.malformed(op, subject, fmt.Errorf("more than %d bytes", manifest.MaxSize))
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}, content, nil
}

// manifestType reads the Content-Type of an answer that should be a manifest.
func (r *Repository) manifestType(resp *http.Response) (string, error) {
	said := resp.Header.Get("Content-Type")
	mediaType, _, err := mime.ParseMediaType(said)
	if err != nil || !manifest.IsManifest(mediaType) {
		return "", fmt.Errorf("%w: Content-Type %q", manifest.ErrUnsupported, r.registry.secrets.tidy(said))
	}
	return mediaType, nil
}

// HasManifest asks whether the repository has a manifest, by a HEAD. A
// repository that is not there has none.
func (r *Repository) HasManifest(ctx context.Context, d digest.Digest) (bool, error) {
	const op = "look for manifest"
	if err := d.Validate(); err != nil {
		return false, &Error{Op: op, Subject: fmt.Sprintf("%s@%.100q", r, d), Err: err}
	}
	resp, _, err := r.ask(ctx, http.MethodHead, r.url("manifests", d.String()), manifestHeader())
	if err != nil {
		return false, r.registry.failed(op, r.at(d), err)
	}
	defer closeBody(resp)
	return r.has(op, d, resp)
}

// has reads the answer to a HEAD.
func (r *Repository) has(op string, d digest.Digest, resp *http.Response) (bool, error) {
	switch said := resp.Header.Get("Docker-Content-Digest"); {
	case resp.StatusCode == http.StatusNotFound && !isPage(resp):
		return false, nil
	case resp.StatusCode != http.StatusOK:
		return false, r.registry.refused(op, r.at(d), resp)
	case said != "" && said != d.String():
		return false, r.registry.malformed(op, r.at(d), fmt.Errorf("digest %q", r.registry.secrets.tidy(said)))
	}
	return true, nil
}

// PushManifest stores a manifest under its digest, or under a tag when tag is
// not "". What it names has to be there before. When it is a referrer, and the
// registry has no list of these, the index under the fallback tag is brought
// up to date (by oras). It is sent again as [Repository.Upload] is.
//
// d and content have to agree: that is checked before anything is sent. A
// registry that answers with another digest is an error that meets
// [ErrMalformed].
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
	case tag != "" && !tagForm.MatchString(tag):
		wrong = errors.New("no name of a tag")
	case !manifest.IsManifest(d.MediaType):
		wrong = fmt.Errorf("%w: media type %.100q", manifest.ErrUnsupported, d.MediaType)
	case int64(len(content)) != d.Size || len(content) > manifest.MaxSize:
		wrong = fmt.Errorf("content of %d bytes, where %d were announced and %d are the limit", len(content), d.Size, manifest.MaxSize)
	case d.Digest.Algorithm().FromBytes(content) != d.Digest:
		wrong = fmt.Errorf("content is not that of %s", d.Digest)
	}
	if wrong != nil {
		return &Error{Op: op, Subject: subject, Err: wrong}
	}
	plain := ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	if err := r.oras.PushReference(ctx, plain, bytes.NewReader(content), reference); err != nil {
		return r.registry.failedInOras(op, subject, err)
	}
	return nil
}

// at names a manifest or a blob of the repository.
func (r *Repository) at(d digest.Digest) string { return r.String() + "@" + d.String() }

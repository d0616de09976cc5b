// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/quayside/quayside/internal/manifest"
)

const (
	maxReferrerPages = 20
	maxAttached      = 1000 // attachments of one image
	cosignPage       = 16   // tags requested; an image has at most three tags of cosign
	maxTagList       = 1 << 20
)

// cosignKinds are the suffixes of cosign's tags: signature, attestation and SBOM.
var cosignKinds = []string{".sig", ".att", ".sbom"}

// IsAttachmentTag reports whether a tag is derived from an image's digest: cosign's tag
// for a signature, an attestation or an SBOM, or the fallback tag of a registry without
// the referrers API.
func IsAttachmentTag(tag string) bool {
	algorithm, encoded, ok := strings.Cut(tag, "-")
	for _, kind := range cosignKinds {
		if rest, found := strings.CutSuffix(encoded, kind); found {
			encoded = rest
			break
		}
	}
	return ok && digest.NewDigestFromEncoded(digest.Algorithm(algorithm), encoded).Validate() == nil
}

// An Attachment is a signature, an attestation or an SBOM of an image.
type Attachment struct {
	Tag        string // cosign's tag (sha256-....sig); "" for a referrer
	Descriptor ocispec.Descriptor
}

// opAttached is the operation in errors.
const opAttached = "list attachments of"

// Attachments lists the attachments of a manifest: its referrers, by the API or by the
// fallback tag, and the manifests with a tag of cosign, in the order .sig, .att, .sbom.
// It does not list attachments of attachments. The error is [ErrMalformed] if there are
// more than a thousand.
//
// Attachments sends one request for the referrers and one for the tags, at the same
// time, and one for each tag of cosign.
func (r *Repository) Attachments(ctx context.Context, d digest.Digest) ([]Attachment, error) {
	if err := d.Validate(); err != nil {
		return nil, &Error{Op: opAttached, Subject: fmt.Sprintf("%s@%.100q", r, d), Err: err}
	}
	var referrers, tagged []Attachment
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		referrers, err = r.referrers(ctx, d)
		return err
	})
	g.Go(func() (err error) {
		tagged, err = r.cosigned(ctx, d)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return append(referrers, tagged...), nil
}

// referrers lists the manifests whose subject has this digest.
func (r *Repository) referrers(ctx context.Context, d digest.Digest) (found []Attachment, err error) {
	add := func(referrers []ocispec.Descriptor) error {
		for _, one := range referrers {
			if err := manifest.Check(one); err != nil {
				return r.registry.malformed(opAttached, r.at(d), err)
			}
			same := func(a Attachment) bool { return a.Descriptor.Digest == one.Digest }
			if one.Digest != d && !slices.ContainsFunc(found, same) {
				found = append(found, Attachment{Descriptor: one})
			}
			if len(found) > maxAttached {
				return r.registry.malformed(opAttached, r.at(d), fmt.Errorf("more than %d", maxAttached))
			}
		}
		return nil
	}
	err = r.oras.Referrers(ctx, ocispec.Descriptor{Digest: d}, "", add)
	if own, ok := errors.AsType[*Error](err); ok && own.Op == opAttached {
		return nil, own
	}
	if err != nil && !holdsNone(err) {
		return nil, r.registry.failedInOras(opAttached, r.at(d), err)
	}
	return found, nil
}

// cosigned lists the manifests that cosign's tags for a digest point to.
func (r *Repository) cosigned(ctx context.Context, d digest.Digest) (found []Attachment, err error) {
	tags, err := r.cosignTags(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		one, err := r.Resolve(ctx, tag)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, Attachment{Tag: tag, Descriptor: one})
	}
	return found, nil
}

// holdsNone reports whether a listing of referrers failed because the repository, or the
// manifest in it, does not exist. For a missing manifest a Quay answers 400
// MANIFEST_INVALID (recording registry-referrers).
func holdsNone(err error) bool {
	if said := new(errcode.ErrorResponse); errors.As(err, &said) {
		return said.StatusCode == http.StatusNotFound
	}
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusBadRequest && e.Code == "MANIFEST_INVALID"
}

// cosignTags returns cosign's tags for a manifest, from the registry's list of tags. If
// that list is not reliable, it returns all three possible tags.
func (r *Repository) cosignTags(ctx context.Context, d digest.Digest) ([]string, error) {
	name := d.Algorithm().String() + "-" + d.Encoded()
	var tags []string
	for _, kind := range cosignKinds {
		tags = append(tags, name+kind)
	}
	// Tags are listed by name, after "last". The name without its last digit sorts just
	// before cosign's tags (doc/quay-api.md section 5).
	last := name[:len(name)-1]
	query := url.Values{"n": {strconv.Itoa(cosignPage)}, "last": {last}}
	resp, err := r.ask(ctx, http.MethodGet, r.url("tags", "list")+"?"+query.Encode(), nil)
	if err != nil {
		return nil, r.registry.failed(opAttached, r.at(d), err)
	}
	defer closeBody(resp.Response)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTagList))
	if err != nil {
		return nil, r.registry.failed(opAttached, r.at(d), err)
	}
	var list struct{ Tags []string }
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &list) != nil {
		return tags, nil
	}
	whole := resp.Header.Get("Link") == "" && len(list.Tags) < cosignPage
	if !whole && !follows(list.Tags, last) {
		return tags, nil
	}
	return slices.DeleteFunc(tags, func(tag string) bool { return !slices.Contains(list.Tags, tag) }), nil
}

// follows reports whether a page of tags is sorted and begins after a name. A server
// that ignores the parameter begins elsewhere.
func follows(tags []string, last string) bool {
	return slices.IsSorted(tags) && (len(tags) == 0 || tags[0] > last)
}

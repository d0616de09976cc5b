// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxReferrersAnswer bounds what is read of the answer of learnReferrers, in bytes.
const maxReferrersAnswer = 4 << 20

// A lister remembers whether a repository was asked if it lists referrers.
type lister struct {
	mu    sync.Mutex
	asked bool
}

// learnReferrers finds out whether the registry lists referrers, once for each
// repository, and before a manifest that has a subject is pushed there. A registry
// should say so in its answer to that push, in OCI-Subject; a Quay does not
// (doc/quay-api.md, "Corrections"), and oras would write an index under a fallback
// tag, which then shows among the tags of the image.
//
// A registry without a usable answer counts as one without a list, unless it sends
// OCI-Subject later. A registry in trouble (429, 5xx) is an error: a fallback tag
// would stay.
func (r *Repository) learnReferrers(ctx context.Context, content []byte) error {
	var m struct{ Subject *ocispec.Descriptor }
	if json.Unmarshal(content, &m) != nil || m.Subject == nil || m.Subject.Digest.Validate() != nil {
		return nil
	}
	r.lists.mu.Lock()
	defer r.lists.mu.Unlock()
	if r.lists.asked {
		return nil
	}
	lists, err := r.listsReferrers(ctx, m.Subject.Digest)
	if err != nil {
		return err
	}
	r.lists.asked = true
	if lists {
		_ = r.oras.SetReferrersCapability(true) // unless it knows better by now
	}
	return nil
}

// listsReferrers asks for the referrers of a manifest that may not be there yet: a
// Quay answers 400 MANIFEST_INVALID then (recording registry-referrers), which a
// registry without such a list does not.
func (r *Repository) listsReferrers(ctx context.Context, subject digest.Digest) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url("referrers", subject.String()), nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", ocispec.MediaTypeImageIndex)
	resp, err := r.oras.Client.Do(req)
	if err != nil {
		return false, err
	}
	defer closeBody(resp)
	if code := resp.StatusCode; code == http.StatusTooManyRequests || code >= 500 && code != http.StatusNotImplemented {
		return false, r.registry.refused("", "", &reply{Response: resp}) // a server in trouble says nothing about its API
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReferrersAnswer))
	if err != nil {
		return false, err
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch resp.StatusCode {
	case http.StatusOK:
		return mediaType == ocispec.MediaTypeImageIndex, nil
	case http.StatusBadRequest:
		var wire struct{ Errors []struct{ Code string } }
		return json.Unmarshal(body, &wire) == nil && len(wire.Errors) > 0 && wire.Errors[0].Code == "MANIFEST_INVALID", nil
	}
	return false, nil
}

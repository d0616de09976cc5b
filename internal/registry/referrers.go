// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/transport"
)

// maxReferrersAnswer is how many bytes of a list of referrers are read at most.
const maxReferrersAnswer = 4 << 20

// A referrersProbe records whether the referrers API of a repository was tried.
type referrersProbe struct {
	mu    sync.Mutex
	asked bool
}

// probeReferrers tries the referrers API once for each repository, before the first
// manifest with a subject is pushed. A registry with that API should send OCI-Subject
// in its answer to the push. A Quay does not (doc/quay-api.md, "Corrections"), and oras
// would write an index under a fallback tag, which users see among the tags.
//
// Without a usable answer, the registry counts as one without the API, unless it sends
// OCI-Subject later. A temporary failure (429, 5xx) is an error: a fallback tag written
// because of it would stay.
func (r *Repository) probeReferrers(ctx context.Context, content []byte) error {
	var m struct{ Subject *ocispec.Descriptor }
	if json.Unmarshal(content, &m) != nil || m.Subject == nil || m.Subject.Digest.Validate() != nil {
		return nil
	}
	r.probe.mu.Lock()
	defer r.probe.mu.Unlock()
	if r.probe.asked {
		return nil
	}
	lists, err := r.listsReferrers(ctx, m.Subject.Digest)
	if err != nil {
		return err
	}
	r.probe.asked = true
	if lists {
		_ = r.oras.SetReferrersCapability(true) // an error means that oras has learned it from an answer
	}
	return nil
}

// listsReferrers requests the referrers of a manifest that may not exist yet. A Quay
// then answers 400 MANIFEST_INVALID (recording registry-referrers). A registry without
// the API does not.
func (r *Repository) listsReferrers(ctx context.Context, subject digest.Digest) (bool, error) {
	answer, err := r.ask(ctx, http.MethodGet, r.url("referrers", subject.String()), http.Header{"Accept": {ocispec.MediaTypeImageIndex}})
	if err != nil {
		return false, err
	}
	defer closeBody(answer.Response)
	if code := answer.StatusCode; code == http.StatusTooManyRequests || code >= 500 && code != http.StatusNotImplemented {
		return false, r.registry.refused("", "", answer) // a temporary failure says nothing about the API
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxReferrersAnswer))
	if err != nil {
		return false, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return transport.MediaType(answer.Header) == ocispec.MediaTypeImageIndex, nil
	case http.StatusBadRequest:
		var wire struct{ Errors []struct{ Code string } }
		return json.Unmarshal(body, &wire) == nil && len(wire.Errors) > 0 && wire.Errors[0].Code == "MANIFEST_INVALID", nil
	}
	return false, nil
}

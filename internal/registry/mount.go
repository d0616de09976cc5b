// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// Mount makes a blob of another repository of the registry one of this, without
// its content being sent. false: the registry does not do that, or not with
// this blob, and nothing is left behind; the blob is to be uploaded. Sent again
// as [Repository.Upload] is.
func (r *Repository) Mount(ctx context.Context, d ocispec.Descriptor, from string) (bool, error) {
	const op = "mount blob"
	if err := manifest.Check(d); err != nil {
		return false, &Error{Op: op, Subject: r.String(), Err: err}
	}
	subject := r.at(d.Digest)
	if !validRepository(from) {
		return false, &Error{Op: op, Subject: subject, Err: fmt.Errorf("from %.100q, which is no name of a repository", from)}
	}
	resp, err := r.session(ctx, need{repository: r.name, push: true, from: from}, "mount", d.Digest.String(), "from", from)
	if err != nil {
		return false, r.registry.failed(op, subject, err)
	}
	switch {
	case resp.StatusCode == http.StatusCreated:
		defer closeBody(resp)
		return true, r.sameDigest(op, subject, d.Digest, resp)
	case resp.StatusCode == http.StatusAccepted:
		return false, r.cancel(ctx, op, subject, resp)
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		// It cannot, or we may not read there. Whether we may write here the
		// upload will tell.
		closeBody(resp)
		return false, nil
	}
	defer closeBody(resp)
	return false, r.registry.refused(op, subject, resp)
}

// cancel ends the session that a registry has opened instead of mounting. That
// it does not is no failure: it forgets the session by itself some day.
func (r *Repository) cancel(ctx context.Context, op, subject string, resp *http.Response) error {
	to, err := r.location(op, subject, resp)
	if err != nil {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, to.String(), nil)
	if err != nil {
		return nil
	}
	resp, _, err = r.registry.do(req, need{repository: r.name, push: true})
	if err != nil {
		if ctx.Err() != nil {
			return r.registry.failed(op, subject, err)
		}
		return nil
	}
	closeBody(resp)
	return nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/transport"
)

// mountQuery is the query parameter of a mount.
const mountQuery = "mount"

// Mount adds a blob of another repository of the registry to this one without sending
// its content. It returns false if the registry does not mount the blob: then the caller
// uploads it, and no session is left open. A refusal is not an error, because the upload
// shows whether push access is granted. The exception is 429: the caller uploads the
// blob, but later mounts may succeed.
func (r *Repository) Mount(ctx context.Context, d ocispec.Descriptor, from string) (bool, error) {
	const op = "mount blob"
	if err := manifest.Check(d); err != nil {
		return false, &Error{Op: op, Subject: r.String(), Err: err}
	}
	subject := r.at(d.Digest)
	if !validRepository(from) {
		return false, &Error{Op: op, Subject: subject, Err: fmt.Errorf("%.100q is not the name of a repository", from)}
	}
	answer, err := r.session(ctx, scope{repository: r.name, push: true, from: from}, mountQuery, d.Digest.String(), "from", from)
	switch {
	case err != nil && ctx.Err() != nil:
		return false, r.registry.failed(op, subject, err)
	case err != nil:
		return false, nil
	case answer.StatusCode == http.StatusAccepted:
		if err := r.cancel(ctx, op, subject, answer); err != nil && ctx.Err() != nil {
			return false, err
		}
		return false, nil
	}
	defer closeBody(answer.Response)
	switch {
	case answer.StatusCode == http.StatusTooManyRequests:
		return false, r.registry.refused(op, subject, answer)
	case !isSuccess(answer.Response):
		return false, nil
	}
	return true, r.sameDigest(op, subject, d.Digest, answer.Response)
}

// cancel cancels an upload session that a registry has opened. A refusal is not an error,
// because sessions expire. An error means that an upload would fail.
func (r *Repository) cancel(ctx context.Context, op, subject string, opened *reply) error {
	to, err := r.location(op, subject, opened)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, to.String(), nil)
	if err != nil {
		return nil
	}
	answer, err := r.registry.do(req, scope{repository: r.name, push: true})
	switch elsewhere := transport.Origin(to) != transport.Origin(opened.Request.URL); {
	case err != nil && ctx.Err() != nil:
		return r.registry.failed(op, subject, err)
	case err != nil && elsewhere:
		return r.otherName(op, subject, to, r.registry.cause(err))
	case err != nil:
		return nil
	}
	defer closeBody(answer.Response)
	if r.isOtherName(to, answer) {
		return r.otherName(op, subject, to, nil)
	}
	return nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// maxSessions is how many upload sessions are begun for a blob, at most.
const maxSessions = 3

// Upload sends a blob. open is called for each attempt, possibly several times,
// and gives the content from its beginning; what it gives is closed.
//
// An upload that is refused (429), meets a server in trouble (5xx), or loses
// its connection is sent again, from open, a few times, with growing waits or
// the server's own (Retry-After). A session that the registry does not know
// any more, or that a broken upload has left half full, is replaced by
// a new one. An error of open or of what it gives, and content of another
// length, end it at once.
func (r *Repository) Upload(ctx context.Context, d ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	const op = "upload blob"
	if err := manifest.Check(d); err != nil {
		return &Error{Op: op, Subject: r.String(), Err: err}
	}
	subject := r.at(d.Digest)
	for session := 1; ; session++ {
		resp, err := r.session(ctx, need{repository: r.name, push: true})
		if err != nil {
			return r.registry.failed(op, subject, err)
		}
		to, err := r.location(op, subject, resp)
		if err != nil {
			return err
		}
		resp, err = r.put(ctx, to, d, open)
		if err != nil {
			return r.registry.failed(op, subject, err)
		}
		if session < maxSessions && isLost(resp) {
			wait := delay(resp, session)
			closeBody(resp)
			r.registry.log.InfoContext(ctx, "upload session is gone, beginning another", "status", resp.StatusCode, "wait", wait)
			if err := sleep(ctx, wait); err != nil {
				return r.registry.failed(op, subject, err)
			}
			continue
		}
		defer closeBody(resp)
		if resp.StatusCode != http.StatusCreated {
			return r.registry.refused(op, subject, resp)
		}
		return r.sameDigest(op, subject, d.Digest, resp)
	}
}

// session asks for an upload session, with parameters if there are any.
func (r *Repository) session(ctx context.Context, n need, parameters ...string) (*http.Response, error) {
	to, err := url.Parse(r.url("blobs", "uploads", ""))
	if err != nil {
		return nil, err
	}
	if len(parameters) > 0 {
		to = withQuery(to, parameters...)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, _, err := r.registry.do(req, n)
	return resp, err
}

// location reads where a session is, from the answer that opened it, which it
// closes. It may be on another host, which gets no credential; it may not be
// where a redirect could not lead.
func (r *Repository) location(op, subject string, resp *http.Response) (*url.URL, error) {
	defer closeBody(resp)
	if resp.StatusCode != http.StatusAccepted {
		return nil, r.registry.refused(op, subject, resp)
	}
	to, err := r.registry.next(resp.Request.URL, resp)
	if err != nil {
		return nil, &Error{Op: op, Subject: subject, Err: err, kind: ErrRedirect}
	}
	return to, nil
}

// put sends all of a blob to its session.
func (r *Repository) put(ctx context.Context, to *url.URL, d ocispec.Descriptor, open func() (io.ReadCloser, error)) (*http.Response, error) {
	body := func() (io.ReadCloser, error) {
		if d.Size == 0 {
			return http.NoBody, nil
		}
		from, err := open()
		if err != nil {
			return nil, &sourceError{err}
		}
		return &source{from: from, left: d.Size}, nil
	}
	first, err := body()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, withQuery(to, "digest", d.Digest.String()).String(), first)
	if err != nil {
		_ = first.Close()
		return nil, err
	}
	req.ContentLength = d.Size
	req.GetBody = body
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, _, err := r.registry.do(req, need{repository: r.name, push: true})
	return resp, err
}

// isLost tells whether an upload failed because of its session: it is unknown,
// or has other bytes in it already.
func isLost(resp *http.Response) bool {
	return resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable
}

// sameDigest compares what a registry says it has stored with what was sent.
func (r *Repository) sameDigest(op, subject string, d digest.Digest, resp *http.Response) error {
	if said := resp.Header.Get("Docker-Content-Digest"); said != "" && said != d.String() {
		return r.registry.malformed(op, subject, fmt.Errorf("stored as %q", r.registry.secrets.tidy(said)))
	}
	return nil
}

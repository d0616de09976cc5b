// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/transport"
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
// a new one. Any 2xx is a success. An error of open or of what it gives, and content of another
// length, end it at once. A refused upload ends its session, on the registry's own host.
func (r *Repository) Upload(ctx context.Context, d ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	const op = "upload blob"
	if err := manifest.Check(d); err != nil {
		return &Error{Op: op, Subject: r.String(), Err: err}
	}
	subject := r.at(d.Digest)
	for session := 1; ; session++ {
		opened, err := r.session(ctx, scope{repository: r.name, push: true})
		if err != nil {
			return r.registry.failed(op, subject, err)
		}
		to, err := r.location(op, subject, opened)
		if err != nil {
			return err
		}
		answer, err := r.put(ctx, to, d, open)
		if err != nil {
			if errors.Is(err, ErrRedirect) {
				r.abandon(ctx, to)
			}
			return r.registry.failed(op, subject, err)
		}
		if session < maxSessions && isLost(answer.Response) {
			wait := delay(answer.Response, session)
			closeBody(answer.Response)
			r.registry.log.InfoContext(ctx, "upload session is gone, beginning another", "status", answer.StatusCode, "wait", wait)
			if err := transport.Sleep(ctx, wait); err != nil {
				return r.registry.failed(op, subject, err)
			}
			continue
		}
		defer closeBody(answer.Response)
		switch {
		case r.isOtherName(to, answer):
			return r.otherName(op, subject, to, nil)
		case !isSuccess(answer.Response):
			err := r.registry.refused(op, subject, answer)
			if answer.StatusCode < 500 && answer.StatusCode != http.StatusTooManyRequests && !isLost(answer.Response) {
				r.abandon(ctx, to)
			}
			return err
		}
		return r.sameDigest(op, subject, d.Digest, answer.Response)
	}
}

// abandonTime is how long the end of a session that nobody needs may take.
const abandonTime = 5 * time.Second

// abandon ends the session of an upload that was refused, so that what was sent does
// not stay with the registry. It does so on the registry's own host only, and what
// comes of it does not matter.
func (r *Repository) abandon(ctx context.Context, to *url.URL) {
	if transport.Origin(to) != r.registry.origin {
		return
	}
	ctx, stop := context.WithTimeout(ctx, abandonTime)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, to.String(), nil)
	if err != nil {
		return
	}
	if answer, err := r.registry.authorized(req, scope{repository: r.name, push: true}); err == nil {
		closeBody(answer.Response)
	}
}

// session asks for an upload session, with parameters if there are any.
func (r *Repository) session(ctx context.Context, want scope, parameters ...string) (*reply, error) {
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
	return r.registry.do(req, want)
}

// location reads where a session is, from the answer that opened it, which it
// closes. The address is relative to where the request was answered. It may be on
// another host, which gets no credential; it may not be where a redirect could
// not lead.
func (r *Repository) location(op, subject string, opened *reply) (*url.URL, error) {
	defer closeBody(opened.Response)
	if !isSuccess(opened.Response) {
		return nil, r.registry.refused(op, subject, opened)
	}
	to, err := r.registry.next(opened.Request.URL, opened.Response)
	switch {
	case err == nil:
		return to, nil
	case opened.Header.Get("Location") == "":
		return nil, r.registry.malformed(op, subject, fmt.Errorf("%d without the address of an upload", opened.StatusCode))
	}
	return nil, &Error{Op: op, Subject: subject, Err: fmt.Errorf("address of the upload: %w", err), kind: ErrRedirect,
		Hint: "a proxy before the registry that does not say by which name and scheme it is asked (Host, X-Forwarded-Proto) has it give such addresses"}
}

// isOtherName tells whether an upload was sent on to another host, and that is a
// registry which wants credentials: another name of this one. A Quay gives the
// name in its configuration, whatever it is asked by (doc/quay-api.md,
// "Uploads").
func (r *Repository) isOtherName(to *url.URL, answer *reply) bool {
	if transport.Origin(to) == r.registry.origin {
		return false
	}
	return answer.StatusCode == http.StatusUnauthorized ||
		answer.StatusCode == http.StatusForbidden && strings.HasPrefix(to.Path, "/v2/")
}

// otherName makes the error for uploads that go to another name of the registry.
func (r *Repository) otherName(op, subject string, to *url.URL, cause error) error {
	name := r.registry.hide.Line(to.Host)
	e := &Error{Op: op, Subject: subject, Err: cause, kind: ErrRedirect}
	e.Message = fmt.Sprintf("uploads are to go to %q, where the credentials for %s are not sent", name, r.registry.host)
	e.Hint = fmt.Sprintf("if that is another name of this registry, use %s in place of %s", name, r.registry.host)
	return e
}

// put sends all of a blob to its session.
func (r *Repository) put(ctx context.Context, to *url.URL, d ocispec.Descriptor, open func() (io.ReadCloser, error)) (*reply, error) {
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
	return r.registry.do(req, scope{repository: r.name, push: true})
}

// isLost tells whether an upload failed because of its session: it is unknown,
// or has other bytes in it already.
func isLost(resp *http.Response) bool {
	return resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable
}

// sameDigest compares the digest that a registry gives, if any, with the one that
// was sent or asked for.
func (r *Repository) sameDigest(op, subject string, d digest.Digest, resp *http.Response) error {
	if said := contradiction(d, resp); said != "" {
		return r.registry.malformed(op, subject, fmt.Errorf("the registry gives the digest %q for it", said))
	}
	return nil
}

// contradiction returns the digest that an answer names, if the answer cannot be
// about d then. What is no digest contradicts nothing, and neither does a digest
// by another algorithm.
func contradiction(d digest.Digest, resp *http.Response) digest.Digest {
	said := namedDigest(resp)
	if said == "" || said == d || said.Algorithm() != d.Algorithm() {
		return ""
	}
	return said
}

// namedDigest returns the digest that an answer names, or "".
func namedDigest(resp *http.Response) digest.Digest {
	said := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if said.Validate() != nil {
		return ""
	}
	return said
}

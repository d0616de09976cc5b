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

// maxSessions is how many upload sessions are opened for a blob at most.
const maxSessions = 3

// Upload sends a blob. open returns the content from its beginning; Upload calls it for
// each attempt and closes the content.
//
// Upload repeats an upload a few times after 429, a server error (5xx) or a lost
// connection, with growing waits or the server's Retry-After. It opens a new session if
// the registry has lost the session, or if a broken upload has left bytes in it. Any 2xx
// is a success. An error of open or of reading, and content of another length, end the
// upload at once. After a refusal, Upload cancels the session if it is on the registry's
// own host.
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
			r.registry.log.InfoContext(ctx, "upload session is lost; opening another", "status", answer.StatusCode, "wait", wait)
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

// abandonTime is how long canceling a session may take after a refusal.
const abandonTime = 5 * time.Second

// abandon cancels the session of a refused upload, so that the registry does not keep
// the content. It does nothing for a session on another host, and ignores errors.
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

// session opens an upload session, with query parameters.
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

// location returns the address of a session from the answer that opened it, and closes
// the answer. A relative address refers to the URL of the answer. An address on another
// host is valid, and gets no credential. The rules for redirects apply.
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
		return nil, r.registry.malformed(op, subject, fmt.Errorf("%d without the address of an upload session", opened.StatusCode))
	}
	return nil, &Error{Op: op, Subject: subject, Err: fmt.Errorf("address of the upload: %w", err), kind: ErrRedirect,
		Hint: "the registry sends such addresses if a proxy before it does not pass on the name and scheme (Host, X-Forwarded-Proto)"}
}

// isOtherName reports whether an upload went to another host that requires credentials.
// That host is probably another name of this registry: a Quay sends addresses with the
// name of its configuration (doc/quay-api.md, "Uploads").
func (r *Repository) isOtherName(to *url.URL, answer *reply) bool {
	if transport.Origin(to) == r.registry.origin {
		return false
	}
	return answer.StatusCode == http.StatusUnauthorized ||
		answer.StatusCode == http.StatusForbidden && strings.HasPrefix(to.Path, "/v2/")
}

// otherName returns the error for uploads that lead to another name of the registry.
func (r *Repository) otherName(op, subject string, to *url.URL, cause error) error {
	name := r.registry.hide.Line(to.Host)
	e := &Error{Op: op, Subject: subject, Err: cause, kind: ErrRedirect}
	e.Message = fmt.Sprintf("uploads lead to %q, where the credentials for %s are not sent", name, r.registry.host)
	e.Hint = fmt.Sprintf("if that is another name of this registry, use %s instead of %s", name, r.registry.host)
	return e
}

// put sends a whole blob to its session.
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

// isLost reports whether an upload failed because the session is unknown, or already
// holds other bytes.
func isLost(resp *http.Response) bool {
	return resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable
}

// sameDigest returns an error if the registry's answer names another digest.
func (r *Repository) sameDigest(op, subject string, d digest.Digest, resp *http.Response) error {
	if said := contradiction(d, resp); said != "" {
		return r.registry.malformed(op, subject, fmt.Errorf("the registry names the digest %q", said))
	}
	return nil
}

// contradiction returns the digest that an answer names if it is not d, or "". An
// invalid digest, or one by another algorithm, is no contradiction.
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

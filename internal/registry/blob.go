// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// Blob opens a blob at an offset, in bytes. The content begins at start, which is
// offset, or 0 if the server does not support ranges: then the caller skips the bytes
// that it has. A Quay supports no ranges with local storage, and redirects to object storage,
// which does (doc/quay-api.md, "Recorded").
//
// The content is not verified. It ends with io.EOF after exactly d.Size-start bytes. The
// read error is io.ErrUnexpectedEOF if the content ends earlier, and [ErrMalformed] if it
// is longer. Blob returns an error if the announced length contradicts d.Size. If offset
// is d.Size, no request is sent. The caller closes the content, and keeps ctx alive while
// reading.
func (r *Repository) Blob(ctx context.Context, d ocispec.Descriptor, offset int64) (content io.ReadCloser, start int64, err error) {
	const op = "fetch blob"
	subject := r.at(d.Digest)
	if err := manifest.Check(d); err != nil {
		return nil, 0, &Error{Op: op, Subject: r.String(), Err: err}
	}
	if offset < 0 || offset > d.Size {
		return nil, 0, &Error{Op: op, Subject: subject, Err: fmt.Errorf("offset %d is not within %d bytes", offset, d.Size)}
	}
	if offset == d.Size {
		return http.NoBody, offset, nil
	}
	header := http.Header{}
	if offset > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
	}
	for asked := 1; ; asked++ {
		answer, err := r.ask(ctx, http.MethodGet, r.url("blobs", d.Digest.String()), header)
		if err != nil {
			return nil, 0, r.registry.failed(op, subject, err)
		}
		resp, crossOrigin := answer.Response, answer.crossOrigin
		switch {
		case crossOrigin && resp.StatusCode == http.StatusForbidden && asked == 1:
			// The signed address has expired: the registry sends another.
			closeBody(resp)
			continue
		case crossOrigin && resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusRequestedRangeNotSatisfiable:
			e := r.registry.refused(op, subject, answer)
			e.Hint = "refused by the storage that the registry redirects to"
			_ = resp.Body.Close()
			return nil, 0, e
		case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusPartialContent:
			start, err := r.checkPart(resp, d.Size, offset)
			if err != nil {
				_ = resp.Body.Close()
				return nil, 0, r.registry.malformed(op, subject, err)
			}
			longer := r.registry.malformed(op, subject, errors.New("content is longer than announced"))
			return &part{body: resp.Body, left: d.Size - start, longer: longer}, start, nil
		case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
			closeBody(resp)
			e := r.registry.malformed(op, subject, fmt.Errorf("the server has nothing at byte %d of %d", offset, d.Size))
			e.Status = resp.StatusCode
			return nil, 0, e
		}
		defer closeBody(resp)
		return nil, 0, r.registry.refused(op, subject, answer)
	}
}

// checkPart returns the offset in the blob, of size bytes, where the content of an
// answer begins.
func (r *Repository) checkPart(resp *http.Response, size, offset int64) (start int64, err error) {
	// Content-Encoding is ignored, because registries set it for compressed layers. The
	// number of bytes and the digest decide.
	last := size - 1
	if resp.StatusCode == http.StatusPartialContent {
		said := resp.Header.Get("Content-Range")
		var total int64
		var valid bool
		if start, last, total, valid = parseRange(said); !valid || start != offset || last >= size || total >= 0 && total != size {
			return 0, fmt.Errorf("content range %q, but the request was for byte %d of %d", r.registry.hide.Line(said), offset, size)
		}
	}
	if resp.ContentLength >= 0 && resp.ContentLength != last-start+1 {
		return 0, fmt.Errorf("content of %d bytes%s, but the descriptor says %d", resp.ContentLength, r.coding(resp), last-start+1)
	}
	return start, nil
}

// coding describes the Content-Encoding of an answer, or returns "".
func (r *Repository) coding(resp *http.Response) string {
	if coding := r.registry.hide.Line(resp.Header.Get("Content-Encoding")); coding != "" {
		return fmt.Sprintf(" in the coding %q", coding)
	}
	return ""
}

// parseRange parses a Content-Range header, bytes FIRST-LAST/TOTAL. An unknown total is
// -1.
func parseRange(s string) (first, last, total int64, ok bool) {
	match := rangeForm().FindStringSubmatch(s)
	if match == nil {
		return 0, 0, 0, false
	}
	var errs [3]error
	first, errs[0] = strconv.ParseInt(match[1], 10, 64)
	last, errs[1] = strconv.ParseInt(match[2], 10, 64)
	total = -1
	if match[3] != "*" {
		total, errs[2] = strconv.ParseInt(match[3], 10, 64)
	}
	return first, last, total, errors.Join(errs[:]...) == nil && last >= first
}

var rangeForm = lazily(`^\s*bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)\s*$`)

// A part is the content of a blob from an offset to its end.
type part struct {
	body   io.ReadCloser
	left   int64
	longer error // returned if the content is longer
}

// Read reads the rest of the content, and fails if the body is longer.
func (p *part) Read(b []byte) (int, error) {
	if p.left == 0 {
		var one [1]byte
		n, err := p.body.Read(one[:])
		if n > 0 {
			return 0, p.longer
		}
		return 0, err
	}
	if int64(len(b)) > p.left {
		b = b[:p.left]
	}
	n, err := p.body.Read(b)
	p.left -= int64(n)
	if errors.Is(err, io.EOF) && p.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close closes the body.
func (p *part) Close() error { return p.body.Close() }

// HasBlob reports whether the repository has a blob, by a HEAD request. It returns
// false if the repository does not exist, if HEAD is refused, and if the answer names
// another length or digest: uploading the blob again does no harm.
func (r *Repository) HasBlob(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	const op = "look for blob"
	if err := manifest.Check(d); err != nil {
		return false, &Error{Op: op, Subject: r.String(), Err: err}
	}
	answer, err := r.ask(ctx, http.MethodHead, r.url("blobs", d.Digest.String()), nil)
	if err != nil {
		return false, r.registry.failed(op, r.at(d.Digest), err)
	}
	defer closeBody(answer.Response)
	switch code := answer.StatusCode; {
	case answer.crossOrigin && code == http.StatusForbidden:
		return true, nil // a signed address is valid for GET only, and shows that the blob exists
	case code == http.StatusNotFound && !isPage(answer.Response), mayGet(answer.Response):
		return false, nil
	case !isSuccess(answer.Response):
		return false, r.registry.refused(op, r.at(d.Digest), answer)
	case answer.ContentLength >= 0 && answer.ContentLength != d.Size, contradiction(d.Digest, answer.Response) != "":
		return false, nil
	}
	return true, nil
}

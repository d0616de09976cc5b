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
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// Blob opens a blob at an offset, in bytes. start is where the content begins:
// at offset, or at 0 when the server does not know ranges, and the caller skips
// what it has. A Quay with local storage does not, and one with object storage
// redirects to it, which does (doc/quay-api.md, "Recorded").
//
// Content is what the server sends, not hashed. It ends with io.EOF after
// exactly d.Size-start bytes; an end before that is io.ErrUnexpectedEOF, and one
// byte more an error that meets [ErrMalformed]. A length that contradicts d.Size is
// found before the first byte. With offset == d.Size there is nothing to
// ask for, and nothing is sent. The caller closes content; ctx has to live as
// long as it is read.
func (r *Repository) Blob(ctx context.Context, d ocispec.Descriptor, offset int64) (content io.ReadCloser, start int64, err error) {
	const op = "fetch blob"
	subject := r.at(d.Digest)
	if err := manifest.Check(d); err != nil {
		return nil, 0, &Error{Op: op, Subject: r.String(), Err: err}
	}
	if offset < 0 || offset > d.Size {
		return nil, 0, &Error{Op: op, Subject: subject, Err: fmt.Errorf("offset %d is not within its %d bytes", offset, d.Size)}
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
			// The address that the registry gave has lapsed: it gives another.
			closeBody(resp)
			continue
		case crossOrigin && resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusRequestedRangeNotSatisfiable:
			e := r.registry.refused(op, subject, answer)
			e.Hint = "the storage that the registry points to refuses it, not the registry"
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

// checkPart tells where the content of an answer begins, when it is that of a
// blob of so many bytes.
func (r *Repository) checkPart(resp *http.Response, size, offset int64) (start int64, err error) {
	// A Content-Encoding is no reason to refuse: registries label layers with the
	// coding that they have by themselves. The bytes are taken as they come, and
	// their number and digest decide.
	last := size - 1
	if resp.StatusCode == http.StatusPartialContent {
		said := resp.Header.Get("Content-Range")
		var total int64
		if start, last, total, err = parseRange(said); err != nil || start != offset || last >= size || total >= 0 && total != size {
			return 0, fmt.Errorf("content range %q, where byte %d of %d was asked for", r.registry.hide.Line(said), offset, size)
		}
	}
	if resp.ContentLength >= 0 && resp.ContentLength != last-start+1 {
		return 0, fmt.Errorf("content of %d bytes%s, where %d were announced", resp.ContentLength, r.coding(resp), last-start+1)
	}
	return start, nil
}

// coding names the coding of an answer, if it says one.
func (r *Repository) coding(resp *http.Response) string {
	if coding := r.registry.hide.Line(resp.Header.Get("Content-Encoding")); coding != "" {
		return fmt.Sprintf(" in the coding %q", coding)
	}
	return ""
}

// parseRange reads a Content-Range header: bytes FIRST-LAST/TOTAL. A total that
// is not known is -1.
func parseRange(s string) (first, last, total int64, err error) {
	s, ok := strings.CutPrefix(strings.TrimSpace(s), "bytes ")
	span, whole, okTotal := strings.Cut(s, "/")
	from, to, okSpan := strings.Cut(span, "-")
	if !ok || !okTotal || !okSpan {
		return 0, 0, 0, errors.New("no content range")
	}
	var errs [3]error
	first, errs[0] = number(from)
	last, errs[1] = number(to)
	total = -1
	if whole != "*" {
		total, errs[2] = number(whole)
	}
	if err := errors.Join(errs[:]...); err != nil || last < first {
		return 0, 0, 0, errors.New("no content range")
	}
	return first, last, total, nil
}

// number reads digits, without a sign.
func number(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err
}

// A part is the content of a blob from somewhere to its end.
type part struct {
	body   io.ReadCloser
	left   int64
	longer error // what it means when there is more
}

// Read reads no more than there should be, and says so when there is more.
func (p *part) Read(b []byte) (int, error) {
	if p.left == 0 { // one byte more would be too many
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

// Close lets go of the connection.
func (p *part) Close() error { return p.body.Close() }

// HasBlob asks whether the repository has a blob, by a HEAD. A repository that
// is not there has none. A HEAD that is refused, and a blob of another length or
// digest, is a no: to send the blob again does no harm.
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
		return true, nil // a signed address is for GET; that there is one says enough
	case code == http.StatusNotFound && !isPage(answer.Response), saysNothing(answer.Response):
		return false, nil
	case !isSuccess(answer.Response):
		return false, r.registry.refused(op, r.at(d.Digest), answer)
	case answer.ContentLength >= 0 && answer.ContentLength != d.Size, contradiction(d.Digest, answer.Response) != "":
		return false, nil
	}
	return true, nil
}

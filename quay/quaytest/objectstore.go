// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The object storage is a second host that has the blobs, and gives them to
// whoever has a URL that the registry signed, for ten minutes (doc/quay-api.md,
// "Recorded"; recording registry-blob-redirect). It is the same listener under
// another name: localhost when the registry was called by a loopback address,
// 127.0.0.1 when it was called localhost, and storage.test, which the client
// must know how to reach, when it was called anything else. So a client that
// keeps its credentials for one host has to tell the two apart.
const (
	storagePath  = "/blobs/" // the bucket, which no other path begins with
	signedFor    = 10 * time.Minute
	signedFormat = "20060102T150405Z"
	signedScheme = "AWS4-HMAC-SHA256"
)

// storageHost gives the storage's host and port for the registry's.
func storageHost(registry string) string {
	name, port, err := net.SplitHostPort(registry)
	if err != nil {
		name, port = strings.Trim(registry, "[]"), ""
	} else {
		port = ":" + port
	}
	switch ip := net.ParseIP(name); {
	case ip != nil && ip.IsLoopback():
		return "localhost" + port
	case name == "localhost":
		return "127.0.0.1" + port
	}
	return "storage.test" + port
}

// signedURL makes the address that a blob is redirected to. Its form is that of
// the recording; its signature is the embedded server's own, and no client can
// tell, since it has no key to check one with.
func (h *Handler) signedURL(r *http.Request, digest string) string {
	algorithm, sum, _ := strings.Cut(digest, ":")
	path := storagePath + "q/" + algorithm + "/" + sum[:min(2, len(sum))] + "/" + sum
	now := h.now().UTC()
	query := "X-Amz-Algorithm=" + signedScheme +
		"&X-Amz-Credential=" + url.QueryEscape("quaytest/"+now.Format("20060102")+"/us-east-1/s3/aws4_request") +
		"&X-Amz-Date=" + now.Format(signedFormat) +
		"&X-Amz-Expires=" + strconv.Itoa(int(signedFor.Seconds())) +
		"&X-Amz-SignedHeaders=host"
	scheme, _, _ := strings.Cut(origin(r), ":")
	host := storageHost(r.Host)
	return scheme + "://" + host + path + "?" + query + "&X-Amz-Signature=" + h.signature(host, path, query)
}

// signature binds a URL to its host and to reading. The query is all before
// the signature itself.
func (h *Handler) signature(host, path, query string) string {
	m := hmac.New(sha256.New, h.registry.secret[:])
	fmt.Fprintf(m, "GET\n%s\n%s\n%s", host, path, query)
	return hex.EncodeToString(m.Sum(nil))
}

// serveStorage answers for the object storage. It honours Range, and refuses
// an Authorization header, which must not follow the redirect: the signature
// is credentials enough. It knows nothing of repositories or of their rights.
func (h *Handler) serveStorage(w http.ResponseWriter, r *http.Request) {
	if e := h.refusedURL(r); e != nil {
		e.send(w, r)
		return
	}
	parts := strings.Split(r.URL.Path, "/") // as signedURL made them
	sum := parts[len(parts)-1]
	s := h.stored(parts[len(parts)-3] + ":" + sum)
	header := w.Header()
	header.Set("Content-Type", "binary/octet-stream")
	header.Set("ETag", `"`+sum+`"`)
	if _, ignored := h.cfg.shape.quirk("storage-ignores-range"); ignored {
		header.Set("Accept-Ranges", "bytes")
		s.send(w, r, http.StatusOK, 0, s.size())
		return
	}
	s.sendPart(w, r)
}

// sendPart sends what Range asks for.
func (s *stored) sendPart(w http.ResponseWriter, r *http.Request) {
	size := s.size()
	offset, n, status := byteRange(r.Header.Get("Range"), size)
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		(&storageError{Status: status, Code: "InvalidRange", Message: "The requested range is not satisfiable",
			Range: r.Header.Get("Range"), Size: size}).send(w, r)
		return
	case http.StatusPartialContent:
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+n-1, size))
	}
	w.Header().Set("Accept-Ranges", "bytes")
	s.send(w, r, status, offset, n)
}

// refusedURL tells why a request may not read what it asks for, or gives nil.
// That a lapsed URL is 403 with XML is inferred (doc/quay-api.md, "Recorded").
// The others are S3's documented errors of these codes; none was recorded.
func (h *Handler) refusedURL(r *http.Request) *storageError {
	query, signature, _ := strings.Cut(r.URL.RawQuery, "&X-Amz-Signature=")
	_, lapsed := h.cfg.shape.quirk("storage-lapsed")
	signed, err := time.Parse(signedFormat, r.URL.Query().Get("X-Amz-Date"))
	switch {
	case signature == "":
		return &storageError{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
	case r.Header.Get("Authorization") != "":
		return twoCredentials
	case r.Method != http.MethodGet || err != nil || !hmac.Equal([]byte(signature), []byte(h.signature(r.Host, r.URL.Path, query))):
		return &storageError{Status: http.StatusForbidden, Code: "SignatureDoesNotMatch",
			Message: "The request signature we calculated does not match the signature you provided."}
	case lapsed || !h.now().Before(signed.Add(signedFor)):
		return &storageError{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Request has expired"}
	}
	return nil
}

var rangeForm = lazily(`^bytes=([0-9]*)-([0-9]*)$`)

// byteRange reads a Range header: what part of size bytes it asks for, and
// with which status that is answered. More than one range, and what is no
// range, is the whole.
func byteRange(header string, size int64) (offset, n int64, status int) {
	m := rangeForm().FindStringSubmatch(header)
	if m == nil || m[1]+m[2] == "" {
		return 0, size, http.StatusOK
	}
	first, _ := strconv.ParseUint(m[1], 10, 63) // 0 for none, and the most there is for too much
	last, _ := strconv.ParseUint(m[2], 10, 63)
	begin, end := int64(first), int64(last)
	switch {
	case m[1] == "": // the last so many
		begin, end = max(size-end, 0), size-1
	case m[2] == "":
		end = size - 1
	case end < begin:
		return 0, size, http.StatusOK
	}
	if begin >= size { // also an empty blob's every range
		return 0, 0, http.StatusRequestedRangeNotSatisfiable
	}
	end = min(end, size-1)
	return begin, end - begin + 1, http.StatusPartialContent
}

// A storageError is S3's form of an error. Range and Size go with
// InvalidRange only.
type storageError struct {
	XMLName xml.Name `xml:"Error"`
	Status  int      `xml:"-"`
	Code    string
	Message string
	Range   string `xml:"RangeRequested,omitempty"`
	Size    int64  `xml:"ActualObjectSize,omitempty"`
}

// twoCredentials answers a request with a signature and an Authorization header.
var twoCredentials = &storageError{Status: http.StatusBadRequest, Code: "InvalidArgument", Message: "Only one auth mechanism allowed"}

func (e *storageError) send(w http.ResponseWriter, r *http.Request) {
	body, err := xml.Marshal(e)
	if err != nil {
		panic(err) // texts and a number
	}
	sendBytes(w, r, e.Status, "application/xml", append([]byte(xml.Header), body...))
}

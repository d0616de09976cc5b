// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package objectstore is the second host of a Quay that keeps its blobs in object
// storage: it serves a blob to whoever has a URL that the registry signed, for ten
// minutes (doc/quay-api.md, "Recorded"; recording registry-blob-redirect).
//
// The second host is the same listener under another name: localhost if the
// registry was called by a loopback address, 127.0.0.1 if it was called localhost,
// and otherwise storage.test, which the client must know how to reach. So a client
// that keeps its credentials for one host has to tell the two apart.
package objectstore

import (
	"crypto/hmac"
	"crypto/rand"
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

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// Path is the prefix of all paths of the object storage.
const Path = "/blobs/"

// The form of signed URLs.
const (
	lifetime   = 10 * time.Minute
	dateFormat = "20060102T150405Z"
	algorithm  = "AWS4-HMAC-SHA256"
)

// A Storage serves the blobs of a store.
type Storage struct {
	Store       *store.Store
	Now         func() time.Time
	IgnoreRange bool // answer a Range with the whole blob
	Lapsed      bool // treat every signed URL as expired

	secret [32]byte
}

// New returns a storage with a random key.
func New(s *store.Store, now func() time.Time) *Storage {
	o := &Storage{Store: s, Now: now}
	rand.Read(o.secret[:]) // never fails
	return o
}

// Host returns the storage's host and port for the registry's.
func Host(registry string) string {
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

// SignedURL returns the URL that a request for a blob is redirected to. It has the
// form of the recording. The signature is not S3's; no client can tell, since
// clients have no key to check it with.
func (o *Storage) SignedURL(r *http.Request, d digest.Digest) string {
	hash, sum, _ := strings.Cut(d.String(), ":")
	path := Path + "q/" + hash + "/" + sum[:min(2, len(sum))] + "/" + sum
	now := o.Now().UTC()
	query := "X-Amz-Algorithm=" + algorithm +
		"&X-Amz-Credential=" + url.QueryEscape("quaytest/"+now.Format("20060102")+"/us-east-1/s3/aws4_request") +
		"&X-Amz-Date=" + now.Format(dateFormat) +
		"&X-Amz-Expires=" + strconv.Itoa(int(lifetime.Seconds())) +
		"&X-Amz-SignedHeaders=host"
	scheme, _, _ := strings.Cut(wire.Origin(r), ":")
	host := Host(r.Host)
	return scheme + "://" + host + path + "?" + query + "&X-Amz-Signature=" + o.signature(host, path, query)
}

// signature signs a GET of a URL. The query is the part before the signature.
func (o *Storage) signature(host, path, query string) string {
	m := hmac.New(sha256.New, o.secret[:])
	fmt.Fprintf(m, "GET\n%s\n%s\n%s", host, path, query)
	return hex.EncodeToString(m.Sum(nil))
}

// ServeHTTP answers a signed URL, whoever asks. It honours Range, and refuses an
// Authorization header, which must not follow the redirect.
func (o *Storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e := o.check(r); e != nil {
		e.send(w, r)
		return
	}
	parts := strings.Split(r.URL.Path, "/") // as SignedURL wrote them
	sum := parts[len(parts)-1]
	b := o.Store.Content(digest.Digest(parts[len(parts)-3] + ":" + sum))
	header := w.Header()
	header.Set("Content-Type", "binary/octet-stream")
	header.Set("ETag", `"`+sum+`"`)
	if o.IgnoreRange {
		header.Set("Accept-Ranges", "bytes")
		wire.SendContent(w, r, http.StatusOK, b.Section(0, b.Size), b.Size)
		return
	}
	SendRange(w, r, b)
}

// SendRange sends the part of a blob that the Range header asks for.
func SendRange(w http.ResponseWriter, r *http.Request, b *store.Blob) {
	size := b.Size
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
	wire.SendContent(w, r, status, b.Section(offset, n), n)
}

// check returns the error of a request that may not read the blob, or nil. That an
// expired URL is 403 with XML is inferred (doc/quay-api.md, "Recorded"). The other
// errors are those that S3 documents; none was recorded.
func (o *Storage) check(r *http.Request) *storageError {
	query, signature, _ := strings.Cut(r.URL.RawQuery, "&X-Amz-Signature=")
	signed, err := time.Parse(dateFormat, r.URL.Query().Get("X-Amz-Date"))
	switch {
	case signature == "":
		return &storageError{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
	case r.Header.Get("Authorization") != "":
		return twoCredentials
	case r.Method != http.MethodGet || err != nil || !hmac.Equal([]byte(signature), []byte(o.signature(r.Host, r.URL.Path, query))):
		return &storageError{Status: http.StatusForbidden, Code: "SignatureDoesNotMatch",
			Message: "The request signature we calculated does not match the signature you provided."}
	case o.Lapsed || !o.Now().Before(signed.Add(lifetime)):
		return &storageError{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Request has expired"}
	}
	return nil
}

var rangeForm = wire.Pattern(`^bytes=([0-9]*)-([0-9]*)$`)

// byteRange parses a Range header. It returns the part of size bytes and the
// status of the answer. Several ranges, or an unreadable header, mean the whole.
func byteRange(header string, size int64) (offset, n int64, status int) {
	m := rangeForm().FindStringSubmatch(header)
	if m == nil || m[1]+m[2] == "" {
		return 0, size, http.StatusOK
	}
	first, _ := strconv.ParseUint(m[1], 10, 63) // 0 if absent, the largest int64 if too large
	last, _ := strconv.ParseUint(m[2], 10, 63)
	begin, end := int64(first), int64(last)
	switch {
	case m[1] == "": // the last bytes
		begin, end = max(size-end, 0), size-1
	case m[2] == "":
		end = size - 1
	case end < begin:
		return 0, size, http.StatusOK
	}
	if begin >= size { // so is every range of an empty blob
		return 0, 0, http.StatusRequestedRangeNotSatisfiable
	}
	end = min(end, size-1)
	return begin, end - begin + 1, http.StatusPartialContent
}

// A storageError is an error in S3's form. Only InvalidRange has Range and Size.
type storageError struct {
	XMLName xml.Name `xml:"Error"`
	Status  int      `xml:"-"`
	Code    string
	Message string
	Range   string `xml:"RangeRequested,omitempty"`
	Size    int64  `xml:"ActualObjectSize,omitempty"`
}

// RefuseCredentials answers a request that has a signature or is redirected here
// and has an Authorization header.
func RefuseCredentials(w http.ResponseWriter, r *http.Request) { twoCredentials.send(w, r) }

var twoCredentials = &storageError{Status: http.StatusBadRequest, Code: "InvalidArgument", Message: "Only one auth mechanism allowed"}

func (e *storageError) send(w http.ResponseWriter, r *http.Request) {
	body, err := xml.Marshal(e)
	if err != nil {
		panic(err) // strings and a number
	}
	wire.Send(w, r, e.Status, "application/xml", append([]byte(xml.Header), body...))
}

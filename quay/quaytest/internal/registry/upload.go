// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// maxUploads is the number of uploads in progress. One more makes the server drop the
// oldest upload that no request is adding to.
const maxUploads = 1000

// An upload is a blob that a client is sending. A request holds its lock while it
// adds to it.
type upload struct {
	id         string
	repository string // "namespace/name"
	mu         sync.Mutex
	gone       bool
	data       []byte
	size       int64 // of everything received, even if data keeps none of it
	sum        hash.Hash
}

// uploads holds the uploads in progress, oldest first.
type uploads struct {
	mu    sync.Mutex
	byID  map[string]*upload
	order []*upload
}

// begin adds an upload.
func (u *uploads) begin(s *store.Store, repository string) *upload {
	up := &upload{id: newUUID(), repository: repository, sum: sha256.New()}
	u.mu.Lock()
	if u.byID == nil {
		u.byID = map[string]*upload{}
	}
	var idle *upload // the oldest that no request is adding to
	for i := 0; i < len(u.order) && idle == nil && len(u.order) >= maxUploads; i++ {
		if u.order[i].mu.TryLock() {
			idle = u.order[i]
		}
	}
	u.byID[up.id] = up
	u.order = append(u.order, up)
	u.mu.Unlock()
	if idle != nil {
		u.drop(s, idle)
		idle.mu.Unlock()
	}
	return up
}

// find returns an upload of a repository with its lock held, or nil.
func (u *uploads) find(repository, id string) *upload {
	u.mu.Lock()
	up := u.byID[id]
	u.mu.Unlock()
	if up == nil || up.repository != repository {
		return nil
	}
	up.mu.Lock()
	if up.gone {
		up.mu.Unlock()
		return nil
	}
	return up
}

// drop drops an upload, whose lock the caller holds, and its bytes.
func (u *uploads) drop(s *store.Store, up *upload) {
	if up.gone {
		return
	}
	s.Release(int64(len(up.data)))
	up.gone, up.data = true, nil
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.byID, up.id)
	for i, other := range u.order {
		if other == up {
			u.order = append(u.order[:i], u.order[i+1:]...)
			break
		}
	}
}

// newUUID returns a random UUID of version 4.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// serveUploads answers POST .../blobs/uploads/: it mounts a blob of another repository,
// stores a whole blob, or begins an upload (recording registry-push).
func (a *API) serveUploads(w http.ResponseWriter, r *http.Request, name, _ string) {
	token := a.writable(w, r, name)
	if token == nil {
		return
	}
	query := wire.Query(r.URL.RawQuery)
	if mount, given := query.String("mount"); given {
		if from, given := query.String("from"); given && a.mountable(token, from, digest.Digest(mount)) {
			a.Store.PushBlob(name, digest.Digest(mount))
			a.sendCreated(w, r, name, digest.Digest(mount))
			return
		}
	}
	up := a.uploads.begin(a.Store, name)
	want, given := query.String("digest")
	if !given {
		w.Header().Set("Docker-Upload-UUID", up.id)
		w.Header().Set("Range", "bytes=0--1")
		w.Header().Set("Location", a.origin(r)+"/v2/"+name+"/blobs/uploads/"+up.id)
		wire.Send(w, r, http.StatusAccepted, wire.HTML, nil)
		return
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	a.finishUpload(w, r, up, digest.Digest(want))
}

// mountable reports whether a caller may mount a blob from a repository that has it.
func (a *API) mountable(token *claims, from string, d digest.Digest) bool {
	repository := a.repository(from)
	return repository != nil && (repository.Public || token.pulls(from)) && a.Store.HasBlob(from, d)
}

// serveUpload answers a request for an upload in progress.
func (a *API) serveUpload(w http.ResponseWriter, r *http.Request, name, id string) {
	if a.writable(w, r, name) == nil {
		return
	}
	want, given := wire.Query(r.URL.RawQuery).String("digest")
	if r.Method == http.MethodPut && !given {
		sendError(w, r, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "blob upload invalid",
			map[string]string{"reason": "Missing digest arg on monolithic upload"})
		return
	}
	up := a.uploads.find(name, id)
	if up == nil {
		sendError(w, r, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", struct{}{})
		return
	}
	defer up.mu.Unlock()
	header := w.Header()
	switch r.Method {
	case http.MethodPatch:
		if !a.receive(w, r, up, "") {
			return
		}
		header.Set("Location", a.origin(r)+r.URL.EscapedPath())
		header.Set("Docker-Upload-UUID", up.id)
		header.Set("Range", fmt.Sprintf("0-%d", up.size-1))
		wire.Send(w, r, http.StatusAccepted, wire.HTML, nil)
	case http.MethodPut:
		a.finishUpload(w, r, up, digest.Digest(want))
	case http.MethodDelete:
		a.uploads.drop(a.Store, up)
		header.Set("Content-Type", wire.HTML)
		w.WriteHeader(http.StatusNoContent)
	default:
		// Quay's range is one byte too long here (recording registry-push).
		header.Set("Docker-Upload-UUID", up.id)
		header.Set("Range", fmt.Sprintf("bytes=0-%d", up.size))
		header.Set("Content-Type", wire.HTML)
		w.WriteHeader(http.StatusNoContent)
	}
}

// finishUpload receives the rest of a blob and stores the blob if its digest is the one
// that the client sent. The upload ends in either case.
func (a *API) finishUpload(w http.ResponseWriter, r *http.Request, up *upload, want digest.Digest) {
	defer a.uploads.drop(a.Store, up)
	if !a.receive(w, r, up, want) {
		return
	}
	if want != digest.NewDigest(digest.SHA256, up.sum) {
		sendError(w, r, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "blob upload invalid", struct{}{})
		return
	}
	if a.Store.KeepContent(want, up.data) {
		up.data = nil // the store counts its bytes now
	}
	a.Store.PushBlob(up.repository, want)
	a.sendCreated(w, r, up.repository, want)
}

// sendCreated answers that a repository has a blob now.
func (a *API) sendCreated(w http.ResponseWriter, r *http.Request, name string, d digest.Digest) {
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Location", a.origin(r)+"/v2/"+name+"/blobs/"+d.String())
	wire.Send(w, r, http.StatusCreated, wire.HTML, nil)
}

// contentRange matches the Content-Range that Quay reads, which is not HTTP's.
var contentRange = wire.Pattern(`^([0-9]+)-([0-9]+)$`)

// receive adds a request's body to an upload. If it cannot, it answers and reports
// false. A part that begins within the received bytes adds only the new ones; one that
// begins after them is 416 (data/registry_model/blobuploader.py; recording
// registry-push). If the body is a whole blob that the server has already, receive
// computes its digest and keeps no bytes.
func (a *API) receive(w http.ResponseWriter, r *http.Request, up *upload, want digest.Digest) bool {
	var skip int64
	body := io.Reader(r.Body)
	if header := r.Header.Get("Content-Range"); header != "" {
		m := contentRange().FindStringSubmatch(header)
		var start, end int64
		if m != nil {
			start, _ = strconv.ParseInt(m[1], 10, 64) // the largest int64 if too large
			end, _ = strconv.ParseInt(m[2], 10, 64)
		}
		switch {
		case m == nil || end-start+1 < 0:
			sendError(w, r, http.StatusBadRequest, "INVALID_REQUEST", "Invalid range header", struct{}{})
			return false
		case start > up.size:
			w.Header().Set("Location", a.origin(r)+r.URL.EscapedPath())
			w.Header().Set("Range", fmt.Sprintf("0-%d", up.size))
			w.Header().Set("Docker-Upload-UUID", up.id)
			wire.Send(w, r, http.StatusRequestedRangeNotSatisfiable, wire.HTML, nil)
			return false
		case start > 0:
			skip = up.size - start
		}
		body = io.LimitReader(body, end-start+1)
	}
	keep := want == "" || up.size > 0 || a.Store.Content(want) == nil
	if _, err := io.CopyN(io.Discard, body, skip); err != nil && !errors.Is(err, io.EOF) {
		return a.refuseBody(w, r, up, err)
	}
	// Allocate the bytes of a body of known length at once.
	if n := r.ContentLength - skip; keep && n > 0 && up.data == nil && n <= a.Store.PushLimit() {
		up.data = make([]byte, 0, min(n, 16<<20))
	}
	if err := a.fill(up, body, keep); err != nil {
		return a.refuseBody(w, r, up, err)
	}
	return true
}

// refuseBody answers for a body that was cut short, which leaves the upload as it was,
// or that exceeds the limit, which ends the upload.
func (a *API) refuseBody(w http.ResponseWriter, r *http.Request, up *upload, err error) bool {
	if errors.Is(err, store.ErrFull) {
		a.uploads.drop(a.Store, up)
		sendError(w, r, http.StatusForbidden, "DENIED", "Quota has been exceeded on namespace", struct{}{})
	} else {
		sendError(w, r, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "blob upload invalid", struct{}{})
	}
	return false
}

// fill reads a body into an upload, or only into its digest if keep is false. If it
// fails, the upload is as it was.
func (a *API) fill(up *upload, body io.Reader, keep bool) (err error) {
	piece := pieces.Get().(*[]byte)
	defer pieces.Put(piece)
	size, held := up.size, len(up.data)
	sum, err := up.sum.(hash.Cloner).Clone() // sha256 can be cloned
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			a.Store.Release(int64(len(up.data) - held))
			up.size, up.data, up.sum = size, up.data[:held], sum
		}
	}()
	for {
		n, err := body.Read(*piece)
		if n > 0 && keep && !a.Store.Reserve(int64(n)) {
			return store.ErrFull
		}
		if keep {
			up.data = append(up.data, (*piece)[:n]...)
		}
		up.sum.Write((*piece)[:n])
		up.size += int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var pieces = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// mostUploads is how many uploads may be under way. One more makes the server
// forget the oldest one that nothing is being sent to.
const mostUploads = 1000

// An upload is a blob that a client is sending. Its lock is held while a
// request adds to it.
type upload struct {
	id         string
	repository string // "namespace/name"
	mu         sync.Mutex
	gone       bool
	data       []byte
	size       int64 // of all that came; data may hold none of it
	sum        hash.Hash
}

// uploads holds the uploads under way, oldest first.
type uploads struct {
	mu    sync.Mutex
	byID  map[string]*upload
	order []*upload
}

// begin adds an upload.
func (u *uploads) begin(p *pushes, repository string) *upload {
	up := &upload{id: newUUID(), repository: repository, sum: sha256.New()}
	u.mu.Lock()
	if u.byID == nil {
		u.byID = map[string]*upload{}
	}
	var idle *upload // the oldest that no request is adding to
	for i := 0; i < len(u.order) && idle == nil && len(u.order) >= mostUploads; i++ {
		if u.order[i].mu.TryLock() {
			idle = u.order[i]
		}
	}
	u.byID[up.id] = up
	u.order = append(u.order, up)
	u.mu.Unlock()
	if idle != nil {
		u.drop(p, idle)
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

// drop forgets an upload, whose lock the caller holds, and its bytes.
func (u *uploads) drop(p *pushes, up *upload) {
	if up.gone {
		return
	}
	p.release(int64(len(up.data)))
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

// serveUploads answers POST .../blobs/uploads/: it mounts a blob of another
// repository, takes a whole blob, or begins an upload (recording
// registry-push).
func (h *Handler) serveUploads(w http.ResponseWriter, r *http.Request, name, _ string) {
	token := h.writable(w, r, name)
	if token == nil {
		return
	}
	query := parameters(r.URL.RawQuery)
	if digest, given := query.text("mount"); given {
		if from, given := query.text("from"); given && h.mountable(token, from, digest) {
			h.st.addBlob(name, digest)
			h.sendBlobMade(w, r, name, digest)
			return
		}
	}
	up := h.registry.uploads.begin(h.st.pushed, name)
	digest, given := query.text("digest")
	if !given {
		w.Header().Set("Docker-Upload-UUID", up.id)
		w.Header().Set("Range", "bytes=0--1")
		w.Header().Set("Location", h.origin(r)+"/v2/"+name+"/blobs/uploads/"+up.id)
		sendBytes(w, r, http.StatusAccepted, htmlType, nil)
		return
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	h.finishUpload(w, r, up, digest)
}

// mountable reports whether the holder of a token may mount a blob from a
// repository that has it.
func (h *Handler) mountable(token *claims, from, digest string) bool {
	repository := h.pullable(from)
	return repository != nil && (repository.Public || token.pulls(from)) && h.st.hasBlob(from, digest)
}

// serveUpload answers for an upload under way.
func (h *Handler) serveUpload(w http.ResponseWriter, r *http.Request, name, id string) {
	if h.writable(w, r, name) == nil {
		return
	}
	digest, given := parameters(r.URL.RawQuery).text("digest")
	if r.Method == http.MethodPut && !given {
		refuse(w, r, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "blob upload invalid",
			map[string]string{"reason": "Missing digest arg on monolithic upload"})
		return
	}
	up := h.registry.uploads.find(name, id)
	if up == nil {
		refuse(w, r, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", struct{}{})
		return
	}
	defer up.mu.Unlock()
	header := w.Header()
	switch r.Method {
	case http.MethodPatch:
		if !h.receive(w, r, up, "") {
			return
		}
		header.Set("Location", h.origin(r)+r.URL.EscapedPath())
		header.Set("Docker-Upload-UUID", up.id)
		header.Set("Range", fmt.Sprintf("0-%d", up.size-1))
		sendBytes(w, r, http.StatusAccepted, htmlType, nil)
	case http.MethodPut:
		h.finishUpload(w, r, up, digest)
	case http.MethodDelete:
		h.registry.uploads.drop(h.st.pushed, up)
		header.Set("Content-Type", htmlType)
		w.WriteHeader(http.StatusNoContent)
	default:
		// Quay counts one byte too many here (recording registry-push).
		header.Set("Docker-Upload-UUID", up.id)
		header.Set("Range", fmt.Sprintf("bytes=0-%d", up.size))
		header.Set("Content-Type", htmlType)
		w.WriteHeader(http.StatusNoContent)
	}
}

// finishUpload receives the rest of a blob and keeps the whole, if its digest
// is the one that the client gave. The upload ends in either case.
func (h *Handler) finishUpload(w http.ResponseWriter, r *http.Request, up *upload, digest string) {
	defer h.registry.uploads.drop(h.st.pushed, up)
	if !h.receive(w, r, up, digest) {
		return
	}
	if digest != "sha256:"+hex.EncodeToString(up.sum.Sum(nil)) {
		refuse(w, r, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "blob upload invalid", struct{}{})
		return
	}
	h.keepBlob(up, digest)
	h.st.addBlob(up.repository, digest)
	h.sendBlobMade(w, r, up.repository, digest)
}

// keepBlob keeps an upload's bytes, unless the server has them already.
func (h *Handler) keepBlob(up *upload, digest string) {
	if h.stored(digest) != nil {
		return
	}
	data := up.data
	h.st.pushed.some.Store(true)
	if _, had := h.st.pushed.bytes.LoadOrStore(digest, &stored{bytes: func() []byte { return data }}); !had {
		up.data = nil // what it holds is the blob's now
	}
}

// sendBlobMade answers that a repository has a blob now.
func (h *Handler) sendBlobMade(w http.ResponseWriter, r *http.Request, name, digest string) {
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Location", h.origin(r)+"/v2/"+name+"/blobs/"+digest)
	sendBytes(w, r, http.StatusCreated, htmlType, nil)
}

// contentRange is the form of Content-Range that Quay reads, which is not
// HTTP's.
var contentRange = lazily(`^([0-9]+)-([0-9]+)$`)

// errFull means that no more may be pushed.
var errFull = errors.New("the limit of what may be pushed is reached")

// receive adds a request's body to an upload, or answers why it does not. A
// part that begins within what is there already adds only what is new; one
// that begins after it is 416 (data/registry_model/blobuploader.py; recording
// registry-push). If the whole is known to be the blob of the digest given and
// the server has it, only its digest is worked out.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, up *upload, digest string) bool {
	var skip int64
	body := io.Reader(r.Body)
	if header := r.Header.Get("Content-Range"); header != "" {
		m := contentRange().FindStringSubmatch(header)
		var start, end int64
		if m != nil {
			start, _ = strconv.ParseInt(m[1], 10, 64) // the most there is for too much
			end, _ = strconv.ParseInt(m[2], 10, 64)
		}
		switch {
		case m == nil || end-start+1 < 0:
			refuse(w, r, http.StatusBadRequest, "INVALID_REQUEST", "Invalid range header", struct{}{})
			return false
		case start > up.size:
			w.Header().Set("Location", h.origin(r)+r.URL.EscapedPath())
			w.Header().Set("Range", fmt.Sprintf("0-%d", up.size))
			w.Header().Set("Docker-Upload-UUID", up.id)
			sendBytes(w, r, http.StatusRequestedRangeNotSatisfiable, htmlType, nil)
			return false
		case start > 0:
			skip = up.size - start
		}
		body = io.LimitReader(body, end-start+1)
	}
	keep := digest == "" || up.size > 0 || h.stored(digest) == nil
	if _, err := io.CopyN(io.Discard, body, skip); err != nil && !errors.Is(err, io.EOF) {
		return h.refuseBody(w, r, up, err)
	}
	// A body of known length gets its room at once.
	if n := r.ContentLength - skip; keep && n > 0 && up.data == nil && n <= h.st.pushed.limit {
		up.data = make([]byte, 0, min(n, 16<<20))
	}
	if err := h.fill(up, body, keep); err != nil {
		return h.refuseBody(w, r, up, err)
	}
	return true
}

// refuseBody answers for a body that did not come whole, which leaves the
// upload as it was before, or that is too much, which ends it.
func (h *Handler) refuseBody(w http.ResponseWriter, r *http.Request, up *upload, err error) bool {
	if errors.Is(err, errFull) {
		h.registry.uploads.drop(h.st.pushed, up)
		refuse(w, r, http.StatusForbidden, "DENIED", "Quota has been exceeded on namespace", struct{}{})
	} else {
		refuse(w, r, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "blob upload invalid", struct{}{})
	}
	return false
}

// fill reads all of a body into an upload, or only through its digest. If it
// fails, the upload is as before.
func (h *Handler) fill(up *upload, body io.Reader, keep bool) (err error) {
	piece := pieces.Get().(*[]byte)
	defer pieces.Put(piece)
	size, held := up.size, len(up.data)
	sum, err := up.sum.(hash.Cloner).Clone() // of sha256, which can be cloned
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			h.st.pushed.release(int64(len(up.data) - held))
			up.size, up.data, up.sum = size, up.data[:held], sum
		}
	}()
	for {
		n, err := body.Read(*piece)
		if n > 0 && keep && !h.st.pushed.reserve(int64(n)) {
			return errFull
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

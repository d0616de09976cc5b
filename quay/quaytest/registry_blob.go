// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import "net/http"

// serveBlob answers with a blob: from disk whole, whatever Range asks for, or
// in object-storage mode with a redirect, which only a GET gets (recordings
// registry-blob and registry-blob-redirect). A repository has the blobs that
// were pushed to it, even when another one has more of the same image. The
// lifetimes of GET and HEAD really differ.
func (h *Handler) serveBlob(w http.ResponseWriter, r *http.Request, name, digest string) {
	if _, ok := h.readable(w, r, name); !ok {
		return
	}
	s := h.stored(digest)
	if s == nil || !h.st.hasBlob(name, digest) {
		refuse(w, r, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry", struct{}{})
		return
	}
	header := w.Header()
	header.Set("Docker-Content-Digest", digest)
	header.Set("Cache-Control", "max-age=31536000")
	if h.cfg.objectStorage {
		header.Set("Accept-Ranges", "bytes")
	}
	if r.Method == http.MethodHead {
		header.Set("Cache-Control", "max-age=31436000")
	} else if h.cfg.objectStorage {
		sendLocation(w, r, http.StatusFound, h.signedURL(r, digest))
		return
	}
	header.Set("Content-Type", "application/octet-stream")
	if _, on := h.cfg.shape.quirk("blob-range"); on {
		s.sendPart(w, r)
		return
	}
	s.send(w, r, http.StatusOK, 0, s.size())
}

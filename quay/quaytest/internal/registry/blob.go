// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/objectstore"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// serveBlob answers with a blob: from disk always whole, whatever Range asks for; in
// object storage with a redirect, which only a GET gets (recordings registry-blob and
// registry-blob-redirect). A repository has only the blobs that were pushed to it.
// The lifetimes of GET and HEAD differ on Quay, too.
func (a *API) serveBlob(w http.ResponseWriter, r *http.Request, name, last string) {
	if _, ok := a.readable(w, r, name); !ok {
		return
	}
	d := digest.Digest(last)
	b := a.Store.Content(d)
	if b == nil || !a.Store.HasBlob(name, d) {
		sendError(w, r, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry", struct{}{})
		return
	}
	header := w.Header()
	header.Set("Docker-Content-Digest", last)
	header.Set("Cache-Control", "max-age=31536000")
	if a.Storage != nil {
		header.Set("Accept-Ranges", "bytes")
	}
	if r.Method == http.MethodHead {
		header.Set("Cache-Control", "max-age=31436000")
	} else if a.Storage != nil {
		wire.RedirectTo(w, r, http.StatusFound, a.Storage.SignedURL(r, d))
		return
	}
	header.Set("Content-Type", "application/octet-stream")
	if a.BlobRange {
		objectstore.SendRange(w, r, b)
		return
	}
	wire.SendContent(w, r, http.StatusOK, b.Section(0, b.Size), b.Size)
}

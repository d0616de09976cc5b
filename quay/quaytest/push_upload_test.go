// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"bytes"
	"encoding/json"
	"github.com/quayside/quayside/quay/quaytest"
	"net/url"
	"strings"
	"testing"
)

// The actions that a registry token grants on push, by caller.
func TestPushRights(t *testing.T) {
	const all = ":pull,push,*"
	for _, c := range []struct{ user, password, scope, granted string }{
		{pusher, "right", "destharbour/new" + all, "push,pull,*"},
		{pusher, "right", "destharbour/open" + all, "pull"}, // a creator may create repositories, not write to others
		{pusher, "right", "imgharbour/new" + all, ""},
		{pusher, "right", "alice/new" + all, ""},
		{pusher, "right", "nobody/new" + all, ""},
		{"imgharbour+writer", "right", "destharbour/open" + all, "push,pull"},
		{"imgharbour+puller", "right", "destharbour/open" + all, "pull"},
		{"imgharbour+writer", "right", "destharbour/new" + all, ""},
		{"alice", "right", "destharbour/new" + all, "push,pull,*"},
		{"alice", "right", "destharbour/new:push", "push"},
		{"alice", "right", "destharbour/new:pull", "pull"}, // and creates nothing
		{"alice", "right", "alice/a/b:push,pull", "push,pull"},
		{"alice", "right", "destharbour/held" + all, "pull"},
		{"$oauthtoken", reads, "destharbour/new" + all, "pull"},
		{"$oauthtoken", writes, "destharbour/new" + all, "pull"},
		{"$oauthtoken", creates, "destharbour/new" + all, "push,pull"},
		{"$oauthtoken", writes, "destharbour/open" + all, "push,pull"},
		{"$oauthtoken", reads, "destharbour/open" + all, "pull"},
	} {
		p := newPushing(t)
		if got := p.as(c.user, c.password, c.scope); got[0] != c.granted {
			t.Errorf("%s of %s %s: %q, want %q", c.scope, c.user, c.password, got[0], c.granted)
		}
		name, _, _ := strings.Cut(c.scope, ":")
		status := 401
		if strings.Contains(c.granted, "push") {
			status = 202
		}
		p.want(status, "", "POST", "/v2/"+name+"/blobs/uploads/", nil)
	}
	p := newPushing(t)
	p.as("alice", "right", "destharbour/new:pull")
	p.want(404, `"detail":{}`, "GET", "/v2/destharbour/new/tags/list", nil)
	p.bearer = ""
	w := p.do("GET", "/v2/auth?scope=repository:destharbour/new:push,pull", nil)
	if w.Code != 200 {
		t.Errorf("anonymous: %d", w.Code)
	}
}

// Parts, ranges, and the end of uploads (recording registry-push and Quay's
// data/registry_model/blobuploader.py).
func TestUploads(t *testing.T) {
	p := newPushing(t)
	p.as("alice", "right", "destharbour/app:pull,push")
	const start = "/v2/destharbour/app/blobs/uploads/"
	begin := func() string {
		return start + p.want(202, "bytes=0--1", "POST", start, nil).Header().Get("Docker-Upload-UUID")
	}
	data := []byte("one two three")

	at := begin()
	p.want(416, "0-0", "PATCH", at, data, "Content-Range", "5-9")
	p.want(400, "Invalid range header", "PATCH", at, data, "Content-Range", "bytes 0-3/13")
	p.want(400, "Invalid range header", "PATCH", at, data, "Content-Range", "4-0")
	p.want(202, "[0-3]", "PATCH", at, data[:4])
	p.want(202, "[0-7]", "PATCH", at, data[2:], "Content-Range", "2-7") // bytes before the part and beyond its range are ignored
	p.want(204, "bytes=0-8", "GET", at, nil)
	p.want(400, "Missing digest arg on monolithic upload", "PUT", at, nil)
	p.want(201, sum(data), "PUT", at+"?digest="+sum(data), data[8:])
	p.want(404, "BLOB_UPLOAD_UNKNOWN", "GET", at, nil)
	if got := p.do("GET", "/v2/destharbour/app/blobs/"+sum(data), nil).Body.String(); got != string(data) {
		t.Errorf("the blob is %q", got)
	}

	for _, digest := range []string{"sha256:" + strings.Repeat("0", 64), "sha256:abc", "nonsense", "", "SHA256" + sum(data)[6:]} {
		at = begin()
		p.want(400, "BLOB_UPLOAD_INVALID", "PUT", at+"?digest="+digest, data)
		p.want(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", at, data)
		p.want(400, "BLOB_UPLOAD_INVALID", "POST", start+"?digest="+digest, data)
	}
	at = begin()
	p.want(204, "", "DELETE", at, nil)
	p.want(404, "BLOB_UPLOAD_UNKNOWN", "DELETE", at, nil)
	p.want(404, "BLOB_UPLOAD_UNKNOWN", "PUT", at+"?digest="+sum(data), data)

	empty := begin()
	p.want(201, "", "PUT", empty+"?digest="+sum(nil), nil)
	p.want(405, "UNSUPPORTED", "DELETE", "/v2/destharbour/app/blobs/"+sum(data), nil)
	p.want(404, "BLOB_UNKNOWN", "GET", "/v2/destharbour/app/blobs/sha256:"+strings.Repeat("0", 64), nil)

	// An upload belongs to its repository.
	at = begin()
	p.as("alice", "right", "destharbour/other:pull,push")
	p.want(404, "BLOB_UPLOAD_UNKNOWN", "GET", strings.Replace(at, "/app/", "/other/", 1), nil)
}

// A blob is mounted from a repository that its pusher may read.
func TestMounts(t *testing.T) {
	p := newPushing(t)
	p.as("alice", "right", "destharbour/app:pull,push")
	digest := p.blob("destharbour/app", []byte("layer"))
	mount := func(status int, from string) {
		t.Helper()
		p.want(status, "", "POST", "/v2/destharbour/two/blobs/uploads/?mount="+digest+"&from="+url.QueryEscape(from), nil)
	}
	p.as("alice", "right", "destharbour/two:pull,push")
	mount(202, "destharbour/app") // the token does not grant pull there
	p.want(404, "BLOB_UNKNOWN", "GET", "/v2/destharbour/two/blobs/"+digest, nil)
	p.as("alice", "right", "destharbour/two:pull,push", "destharbour/app:pull")
	mount(202, "destharbour/none")
	mount(201, "destharbour/app")
	p.want(200, "", "HEAD", "/v2/destharbour/two/blobs/"+digest, nil)
}

// A Quay behind an alias uses its own name (doc/quay-api.md, "Corrections/Uploads").
func TestServerHostname(t *testing.T) {
	p := newPushing(t, quaytest.WithServerHostname("registry.test:5000"))
	p.as("alice", "right", "destharbour/app:pull,push")
	p.want(401, "Audience doesn't match", "POST", "/v2/destharbour/app/blobs/uploads/", nil) // a token for another service
	w := p.want(401, `realm="https://registry.test:5000/v2/auth",service="registry.test:5000"`, "GET", "/v2/", nil, "Authorization", "")
	_ = w
	r := p.do("GET", "/v2/auth?service=registry.test:5000&scope=repository:destharbour/app:pull,push", nil, "Authorization", basic("alice", "right"))
	var answer struct{ Token string }
	if err := json.Unmarshal(r.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	p.bearer = "Bearer " + answer.Token
	p.want(202, "https://registry.test:5000/v2/destharbour/app/blobs/uploads/", "POST", "/v2/destharbour/app/blobs/uploads/", nil)
	if _, err := quaytest.NewHandler(pushDataset(), quaytest.WithServerHostname("https://x")); err == nil {
		t.Error("a URL is taken for a name")
	}
}

// Pushed bytes are bounded, and equal blobs count once.
func TestPushLimit(t *testing.T) {
	p := newPushing(t, quaytest.WithPushLimit(1000))
	p.as("alice", "right", "destharbour/app:pull,push")
	const start = "/v2/destharbour/app/blobs/uploads/"
	p.blob("destharbour/app", bytes.Repeat([]byte("a"), 600))
	p.blob("destharbour/app", bytes.Repeat([]byte("a"), 600))
	big := bytes.Repeat([]byte("b"), 600)
	p.want(403, "DENIED", "POST", start+"?digest="+sum(big), big)
	at := start + p.do("POST", start, nil).Header().Get("Docker-Upload-UUID")
	p.want(202, "", "PATCH", at, big[:300])
	p.want(403, "DENIED", "PATCH", at, big)
	p.want(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", at, big) // the upload ended and its bytes do not count
	p.blob("destharbour/app", big[:400])
	if _, err := quaytest.NewHandler(pushDataset(), quaytest.WithPushLimit(-1)); err == nil {
		t.Error("a negative limit is taken")
	}
}

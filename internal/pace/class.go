// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"net/http"
	"net/url"
	"strings"
)

// A class is a set of paths that share one allowance on a Quay. A refusal of one class
// says nothing of the others.
type class uint8

const (
	other     class = iota // no path of a Quay: nothing is published of its limits
	api                    // /api/, /v1/ and /v2/_catalog share a zone
	auth                   // /v2/auth
	manifests              // /v2/NS/REPO/manifests/
	tags                   // /v2/NS/REPO/tags/
	blobs                  // /v2/.../blobs/
	registry               // the rest of /v2/, nested repositories among it
)

var classNames = [...]string{"other", "api", "auth", "manifests", "tags", "blobs", "registry"}

func (c class) String() string { return classNames[c] }

// An allowance is what a server admits: rate requests a second, and burst
// requests more after a rest.
type allowance struct{ rate, burst float64 }

// allowances are what Quay's template admits: for each class to an HTTP/1.1
// address, and to an HTTP/2 connection (doc/quay-api.md section 6). A class
// without an entry has no published limit.
var allowances = map[class]struct{ address, connection allowance }{
	api:       {allowance{5, 25}, allowance{50, 100}},
	auth:      {allowance{120, 2}, allowance{120, 2}},
	manifests: {allowance{50, 10}, allowance{500, 50}},
	tags:      {allowance{5, 2}, allowance{50, 2}},
	blobs:     {allowance{50, 50}, allowance{500, 100}},
	registry:  {allowance{60, 20}, allowance{600, 80}},
}

// classify finds the class of a path, which may stand behind a proxy's prefix.
func classify(u *url.URL) class {
	v1, v2 := strings.Index(u.Path, "/api/"), strings.Index(u.Path, "/v2/")
	switch {
	case v1 >= 0 && (v2 < 0 || v1 < v2):
		return api
	case v2 < 0 && strings.HasPrefix(u.Path, "/v1/"):
		return api
	case v2 < 0:
		return other
	}
	rest := u.Path[v2+len("/v2/"):]
	switch {
	case rest == "_catalog":
		return api
	case rest == "auth":
		return auth
	case strings.Contains(rest, "/blobs/"):
		return blobs
	}
	// The zones of manifests and tags are for repositories of exactly two
	// parts; nested ones are counted with the rest.
	if part := strings.SplitN(rest, "/", 4); len(part) == 4 {
		switch part[2] {
		case "manifests":
			return manifests
		case "tags":
			return tags
		}
	}
	return registry
}

// A kind separates requests of a class that take different times: a token alone makes a
// Quay ten times slower (doc/quay-api.md section 4).
type kind struct{ listing, token bool }

func kindOf(req *http.Request) kind {
	return kind{
		listing: strings.HasSuffix(req.URL.Path, "/api/v1/repository"),
		token:   req.Header.Get("Authorization") != "",
	}
}

// governed reports whether a host is known to keep to the published limits, so that
// going beyond them only costs refusals.
func governed(host string) bool {
	return host == "quay.io" || strings.HasSuffix(host, ".quay.io")
}

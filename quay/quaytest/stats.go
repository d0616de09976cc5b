// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

// Stats counts what a server was asked for and what it answered. A request
// counts from the moment its status is sent.
type Stats struct {
	Requests     int64 `json:"requests"`
	WithToken    int64 `json:"with_token"`    // requests with an Authorization header
	WithoutToken int64 `json:"without_token"` // requests without one
	Refused      int64 `json:"refused"`       // requests answered 429
	Bytes        int64 `json:"bytes"`         // of answers' bodies, whatever the protocol adds

	Connections Connections `json:"connections"`

	// Classes holds one entry for each class that was asked for: list, tags
	// (a repository's tags on the REST API), namespace (an organization or a
	// user by name), user (the caller), api (the rest of /api/), auth,
	// manifest, upload (of blobs), blob, taglist, catalog, v2 (the rest of
	// /v2/), storage and web.
	Classes map[string]ClassStats `json:"classes"`
}

// ClassStats counts the requests of one class of paths.
type ClassStats struct {
	Requests  int64 `json:"requests"`
	WithToken int64 `json:"with_token"`
	Bytes     int64 `json:"bytes"`
	Content   int64 `json:"content"` // of these, in answers 200 and 206: no errors, and no pages of redirects
	// Statuses counts answers by status. 0 is no answer: the connection was
	// cut, or the client left, before the status was sent.
	Statuses map[int]int64 `json:"statuses"`
}

// Connections counts connections by the protocol of their first request.
// Only a [Server] sees them.
type Connections struct {
	Accepted int64 `json:"accepted"` // with those that never carried a request
	HTTP1    int64 `json:"http1"`
	HTTP2    int64 `json:"http2"`
}

// Stats gives a snapshot of the counters.
func (h *Handler) Stats() Stats { return h.served.stats.snapshot() }

// A recorder holds the counters. One lock for all keeps a snapshot consistent.
type recorder struct {
	mu sync.Mutex
	s  Stats
}

// snapshot copies the counters with their maps.
func (c *recorder) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.s
	s.Classes = make(map[string]ClassStats, len(c.s.Classes))
	for name, class := range c.s.Classes {
		class.Statuses = maps.Clone(class.Statuses)
		s.Classes[name] = class
	}
	return s
}

// accepted counts a connection, which may never carry a request.
func (c *recorder) accepted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Connections.Accepted++
}

// connected counts a connection by the protocol of its first request.
func (c *recorder) connected(major int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if major >= 2 {
		c.s.Connections.HTTP2++
	} else {
		c.s.Connections.HTTP1++
	}
}

// answered counts a request by its answer's status, 0 for none.
func (c *recorder) answered(class string, token bool, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.Classes == nil {
		c.s.Classes = map[string]ClassStats{}
	}
	of := c.s.Classes[class]
	if of.Statuses == nil {
		of.Statuses = map[int]int64{}
	}
	c.s.Requests++
	of.Requests++
	of.Statuses[status]++
	if token {
		c.s.WithToken++
		of.WithToken++
	} else {
		c.s.WithoutToken++
	}
	if status == http.StatusTooManyRequests {
		c.s.Refused++
	}
	c.s.Classes[class] = of
}

// sent counts n bytes of an answer's body, or takes them off when n is negative.
func (c *recorder) sent(class string, status, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.s.Classes[class]
	of.Bytes += int64(n)
	if status == http.StatusOK || status == http.StatusPartialContent {
		of.Content += int64(n)
	}
	c.s.Bytes += int64(n)
	c.s.Classes[class] = of
}

// classOf tells which class of requests a path belongs to: what a client wants
// of the server, where a location is how its front end is set up.
func classOf(path string) string {
	const repository, organization, users = "/api/v1/repository", "/api/v1/organization/", "/api/v1/users/"
	has := func(prefix string) bool { return strings.HasPrefix(path, prefix) }
	switch {
	case path == repository:
		return "list"
	case has(repository+"/") && (strings.HasSuffix(path, "/tag/") || strings.HasSuffix(path, "/tag")):
		return "tags"
	case has(organization) && !strings.Contains(path[len(organization):], "/"),
		has(users) && !strings.Contains(path[len(users):], "/"):
		return "namespace"
	case path == "/api/v1/user/" || path == "/api/v1/user":
		return "user"
	case has("/api/"):
		return "api"
	case path == "/v2/auth":
		return "auth"
	case path == "/v2/_catalog":
		return "catalog"
	case has("/v2/") && strings.Contains(path, "/manifests/"):
		return "manifest"
	case has("/v2/") && strings.Contains(path, "/blobs/uploads"):
		return "upload"
	case has("/v2/") && strings.Contains(path, "/blobs/"):
		return "blob"
	case has("/v2/") && strings.HasSuffix(path, "/tags/list"):
		return "taglist"
	case has("/v2/") || path == "/v2":
		return "v2"
	case has(storagePath):
		return "storage"
	}
	return "web"
}

// An answer counts what is written to a client.
type answer struct {
	http.ResponseWriter
	stats  *recorder
	class  string
	token  bool
	status int
}

// WriteHeader counts the request.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		a.stats.answered(a.class, a.token, status)
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write counts before it writes, so that a client that has read an answer
// finds it counted; what could not be written is taken off again.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.stats.sent(a.class, a.status, len(p))
	n, err := a.ResponseWriter.Write(p)
	if n < len(p) {
		a.stats.sent(a.class, a.status, n-len(p))
	}
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// end counts a request that was left without a status.
func (a *answer) end() {
	if a.status == 0 {
		a.stats.answered(a.class, a.token, 0)
	}
}

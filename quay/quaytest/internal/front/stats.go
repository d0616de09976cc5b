// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package front

import (
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/quayside/quayside/quay/quaytest/internal/objectstore"
)

// Stats are the counters of a Front. A request counts from the moment its status
// is sent.
type Stats struct {
	Requests, WithToken, WithoutToken, Refused, Bytes int64

	Connections Connections
	Classes     map[string]ClassStats
}

// ClassStats are the counters of one class of paths.
type ClassStats struct {
	Requests  int64
	WithToken int64
	Bytes     int64
	Content   int64
	Statuses  map[int]int64
}

// Connections counts connections by the protocol of their first request.
type Connections struct{ Accepted, HTTP1, HTTP2 int64 }

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

// accepted counts a connection, which may never carry a request, and returns its
// number.
func (c *recorder) accepted() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Connections.Accepted++
	return c.s.Connections.Accepted
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

// answered counts a request by the status of its answer, 0 for no answer.
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

// sent counts n bytes of an answer's body; a negative n subtracts them.
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

// classOf returns the class of a path in the statistics. Classes follow what a
// client asks for; locations follow nginx's configuration.
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
	case has(objectstore.Path):
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

// Write counts before it writes, so that an answer that a client has read is
// already counted. It subtracts what could not be written.
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

// end counts a request that got no status.
func (a *answer) end() {
	if a.status == 0 {
		a.stats.answered(a.class, a.token, 0)
	}
}

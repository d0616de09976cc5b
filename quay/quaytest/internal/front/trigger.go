// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package front

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
)

// paths is a glob of request paths; nil matches every path.
type paths struct{ expression *regexp.Regexp }

func (p *paths) match(path string) bool { return p == nil || p.expression.MatchString(path) }

// compilePaths compiles a glob in which * stands for any text without a slash and
// ** for any text. An empty glob is nil.
func compilePaths(glob string) (*paths, error) {
	if glob == "" {
		return nil, nil
	}
	if !strings.HasPrefix(glob, "/") {
		return nil, fmt.Errorf("glob %q does not begin with a slash", glob)
	}
	pattern := strings.NewReplacer(`\*\*`, `.*`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(glob))
	expression, err := regexp.Compile("^" + pattern + "$")
	return &paths{expression}, err
}

// A Trigger picks the requests that a quirk is played on. A nil Trigger picks
// none.
type Trigger struct {
	every int64
	paths *paths
	seen  atomic.Int64
}

// NewTrigger returns a Trigger that picks each n-th request, with n of 1 or more,
// for the paths that a glob matches; an empty glob matches all.
func NewTrigger(n int, glob string) (*Trigger, error) {
	if n < 1 {
		return nil, fmt.Errorf("every %d-th request: want 1 or more", n)
	}
	p, err := compilePaths(glob)
	return &Trigger{every: int64(n), paths: p}, err
}

// hits counts a request whose path matches and reports whether to play the quirk.
func (t *Trigger) hits(path string) bool {
	if t == nil || !t.paths.match(path) {
		return false
	}
	return t.seen.Add(1)%t.every == 0
}

// A First picks the first requests for each URL: the next one goes well. A nil
// First picks none.
type First struct {
	count int
	paths *paths

	mu   sync.Mutex
	seen map[string]int // by URL
}

// NewFirst returns a First that picks n requests for each URL whose path a glob
// matches; an empty glob matches all.
func NewFirst(n int, glob string) (*First, error) {
	if n < 1 {
		return nil, fmt.Errorf("the first %d requests: want 1 or more", n)
	}
	p, err := compilePaths(glob)
	return &First{count: n, paths: p}, err
}

// maxURLs bounds the URLs that a First remembers. It picks no request for a URL
// that is new after that.
const maxURLs = 100_000

// hits counts a request and reports whether to play the quirk. A URL is a path and
// query, but a path alone for object storage, whose queries differ each time.
func (f *First) hits(r *http.Request, class string) bool {
	if f == nil || !f.paths.match(r.URL.Path) {
		return false
	}
	url := r.URL.Path
	if class != "storage" {
		url += "?" + r.URL.RawQuery
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, known := f.seen[url]
	if n >= f.count || !known && len(f.seen) >= maxURLs {
		return false
	}
	if f.seen == nil {
		f.seen = map[string]int{}
	}
	f.seen[url] = n + 1
	return true
}

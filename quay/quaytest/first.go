// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// A first picks the first so many requests for each URL: what goes well when it
// is tried again. URLs are known by path and query, and those of the object
// storage, whose queries differ each time, by path.
type first struct {
	count int
	paths *regexp.Regexp // nil: all

	mu   sync.Mutex
	seen map[string]int // by URL
}

// mostURLs bounds what a first remembers. It leaves URLs alone that come when
// it is full.
const mostURLs = 100_000

// hits tells whether the quirk is played on this request, and counts it; no
// first at all never hits.
func (f *first) hits(r *http.Request, class string) bool {
	if f == nil || f.paths != nil && !f.paths.MatchString(r.URL.Path) {
		return false
	}
	url := r.URL.Path
	if class != "storage" {
		url += "?" + r.URL.RawQuery
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, known := f.seen[url]
	if n >= f.count || !known && len(f.seen) >= mostURLs {
		return false
	}
	if f.seen == nil {
		f.seen = map[string]int{}
	}
	f.seen[url] = n + 1
	return true
}

// parseFirst reads K or K:GLOB.
func parseFirst(value string) (*first, error) {
	count, glob, globbed := strings.Cut(value, ":")
	f := new(first)
	var err error
	if f.count, err = strconv.Atoi(count); err != nil || f.count < 1 {
		return nil, fmt.Errorf("count %q: want how many requests for each URL", count)
	}
	if !globbed {
		return f, nil
	}
	f.paths, err = compileGlob(glob)
	return f, err
}

// playedFirst is for the quirks that a first without a status switches.
func playedFirst(field func(*front) **first) func(*front, string) error {
	return func(f *front, value string) (err error) {
		*field(f), err = parseFirst(value)
		return err
	}
}

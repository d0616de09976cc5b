// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// A work is a task for the tools, with its faults.
type work struct {
	name    string
	release release
	push    bool     // copy to a registry; otherwise into one layout
	again   bool     // copy again after a complete copy
	harm    harm     // damage to the layout before the second copy
	verify  bool     // verify the layout between the two copies, if the tool can
	quirks  []string // of the source
	waits   int      // seconds of waiting that the source demands
	once    bool     // peers run once, for two minutes at most
	ways    []way    // how peers are used
	goals   goals
}

// faulty reports whether the result is compared with a run without faults.
func (w work) faulty() bool { return len(w.quirks) > 0 }

// harm changes the file of a layer.
type harm func(file string) error

// truncate removes the second half of the file.
func truncate(file string) error {
	s, err := os.Stat(file)
	if err != nil {
		return err
	}
	return os.Truncate(file, s.Size()/2)
}

// flip changes one byte and keeps the size.
func flip(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], 4096)
	b[0] ^= 1
	_, written := f.WriteAt(b[:], 4096)
	return errors.Join(err, written, f.Close())
}

// works returns all works. The faults are the ones with which the peers were measured when
// the project began.
func works() []work {
	sixty, thirty, twelve := release{60, 6}, release{30, 5}, release{12, 6}
	fault := goals{wallToExpected: 1.5}
	return []work{
		{name: "60 images into one layout", release: sixty, ways: []way{together, apart, inTurn},
			goals: goals{wallToLimit: 1.05, bytes: 1.005, memory: 64e6, fasterThanAll: true}},
		{name: "60 images again, nothing changed", release: sixty, again: true, ways: []way{inTurn},
			goals: goals{noBlobs: true, requests: 1}},
		{name: "registry to registry, 30 images", release: thirty, push: true, ways: []way{together},
			goals: goals{bytes: 1.005, fasterThanAll: true}},
		{name: "registry to registry again, nothing changed", release: thirty, push: true, again: true, ways: []way{together},
			goals: goals{noBlobs: true, requests: 1}},
		{name: "12 images, no fault", release: twelve, once: true, ways: []way{apart},
			goals: goals{bytes: 1.005, fasterThanAll: true}},
		{name: "12 images, 20 s of 429 without Retry-After", release: twelve, once: true, ways: []way{apart},
			quirks: []string{"outage=20s:429"}, waits: 20, goals: fault},
		{name: "12 images, layers cut at half once", release: twelve, once: true, ways: []way{apart},
			quirks: []string{"cut-first=1"}, goals: fault},
		{name: "12 images, layers cut at half three times", release: twelve, once: true, ways: []way{apart},
			quirks: []string{"cut-first=3"}, goals: fault},
		{name: "12 images again, a layer truncated on disk", release: twelve, once: true, again: true, ways: []way{inTurn},
			harm: truncate},
		{name: "12 images again, a byte of a layer changed on disk", release: twelve, once: true, again: true, ways: []way{inTurn},
			harm: flip, verify: true},
	}
}

// goals are the project's goals for its own tool; zero is no goal. In every work, nothing may
// fail and nothing may be lost.
type goals struct {
	wallToLimit    float64
	wallToExpected float64 // ratio to a run without faults plus the wait that the source demands
	bytes          float64 // ratio of pulled, and of pushed, to unique bytes
	memory         int64
	noBlobs        bool
	requests       float64 // for each image, without the pages of the listing
	fasterThanAll  bool    // than every peer that brought all images
}

// judge reports whether a row met the goals, and which goals it missed.
func (g goals) judge(r result, rows []result) string {
	if r.peer {
		return ""
	}
	var missed []string
	miss := func(failed bool, what string) {
		if failed {
			missed = append(missed, what)
		}
	}
	miss(r.failed > 0, "failed")
	miss(r.lost() > 0, "lost images")
	miss(g.wallToLimit > 0 && r.wall.Seconds() > g.wallToLimit*r.limit.Seconds(), fmt.Sprintf("wall over %.2f of the limit", g.wallToLimit))
	miss(g.wallToExpected > 0 && r.wall.Seconds() > g.wallToExpected*r.expected.Seconds(), fmt.Sprintf("wall over %.1f of what is expected", g.wallToExpected))
	miss(g.bytes > 0 && max(r.pulled(), r.pushed()) > g.bytes, "bytes more than once")
	miss(g.memory > 0 && r.peak > g.memory, fmt.Sprintf("over %d MB", g.memory/1e6))
	miss(g.noBlobs && r.blobs() > 0, "blobs fetched")
	miss(g.requests > 0 && r.requests() > g.requests, fmt.Sprintf("over %v requests an image", g.requests))
	for _, other := range rows {
		miss(g.fasterThanAll && other.peer && other.failed+other.lost() == 0 && other.wall < r.wall, "slower than "+other.name)
	}
	if len(missed) == 0 {
		return "met"
	}
	return "missed: " + strings.Join(missed, ", ")
}

// limit is how long the source takes to send everything once.
func limit(s survey) time.Duration {
	return time.Duration(float64(s.unique()) / rate * float64(time.Second))
}

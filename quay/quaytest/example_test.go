// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/quayside/quayside/quay/quaytest"
)

// A server of the sample organization.
func Example() {
	s, err := quaytest.NewServer(quaytest.SampleDataset())
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	resp, err := s.Client().Get(s.URL() + "/api/v1/repository/stackfleet/nova-api/tag/?specificTag=2025.1&onlyActiveTags=true&limit=1")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct {
		Tags []struct {
			Name  string
			Start string `json:"last_modified"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		log.Fatal(err)
	}
	for _, t := range page.Tags {
		fmt.Println(t.Name, "since", t.Start)
	}
	// Output: 2025.1 since Mon, 14 Apr 2025 10:31:00 -0000
}

// A handler answers without a port, by the clock it is given.
func ExampleNewHandler() {
	end := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	d := &quaytest.Dataset{
		Organizations: []quaytest.Organization{{Name: "harbour", Enabled: true}},
		Repositories: []quaytest.Repository{{
			Namespace: "harbour", Name: "crane", Public: true,
			Tags: []quaytest.Tag{{Name: "nightly", Digest: "sha256:11", Start: end.Add(-time.Second), End: end}},
		}},
	}
	now := end
	h, err := quaytest.NewHandler(d, quaytest.WithClock(func() time.Time { return now }))
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/repository/harbour/crane/tag/?onlyActiveTags=true", nil))
		fmt.Println(strings.Count(w.Body.String(), "nightly"))
		now = now.Add(-time.Millisecond)
	}
	// Output:
	// 0
	// 1
}

// A thousand repositories; a tenth of them have the tag.
func ExampleFleet() {
	d := quaytest.Fleet(1000, quaytest.FleetOptions{Namespace: "yard", Tag: "v2", Every: 10})
	tagged := 0
	for _, r := range d.Repositories {
		if r.Tags[len(r.Tags)-1].Name == "v2" {
			tagged++
		}
	}
	fmt.Println(d.Repositories[0].Name, len(d.Repositories), tagged)
	// Output: image-000000 1000 100
}

func ExampleReadDataset() {
	d, err := quaytest.ReadDataset(strings.NewReader(`{
		"users": [{"name": "pilot", "enabled": true}],
		"organizations": [{"name": "harbour", "enabled": true, "owners": ["pilot"]}],
		"repositories": [{"namespace": "harbour", "name": "tug", "public": true, "state": "NORMAL",
			"tags": [{"name": "latest", "digest": "sha256:22", "start_ms": 1764547200000}]}]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	h, err := quaytest.NewHandler(d)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/repository?namespace=harbour&public=true", nil))
	fmt.Print(w.Body)
	// Output: {"repositories": [{"namespace": "harbour", "name": "tug", "description": null, "is_public": true, "kind": "image", "state": "NORMAL"}]}
}

// Every other answer to a query of tags is an error, and the listing is slow.
func ExampleWithQuirks() {
	h, err := quaytest.NewHandler(quaytest.SampleDataset(), quaytest.WithQuirks(quaytest.Quirks{
		HTML502: &quaytest.When{Every: 2, Path: "/api/**/tag/"},
	}), quaytest.WithLatency(time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/repository/stackfleet/nova-api/tag/", nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 502
}

// Two requests pass at once, the third is refused.
func ExampleAPILimits() {
	limits, err := quaytest.APILimits(quaytest.Rate{PerSecond: 0.1, Burst: 1}, quaytest.Rate{})
	if err != nil {
		log.Fatal(err)
	}
	h, err := quaytest.NewHandler(quaytest.SampleDataset(), quaytest.WithLimits(limits))
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	for range 3 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/repository?namespace=stackfleet&public=true", nil))
		fmt.Print(w.Code, " ")
	}
	// Output: 200 200 429
}

// Three images of a release share most of their layers.
func ExampleRelease() {
	d := quaytest.Release(3, quaytest.ReleaseOptions{Base: 1 << 20, Group: 1 << 16, Own: 1 << 10, Groups: 1})
	unique, sum := d.BlobBytes()
	fmt.Println(len(d.Repositories), unique < sum/2)
	// Output: 3 true
}

func ExampleQuirkList() {
	for _, q := range quaytest.QuirkList() {
		if q.Name == "no-anonymous" {
			fmt.Printf("%s: %s\nfact: doc/quay-api.md:%d: %s\n", q.Name, q.Help, q.Line, q.Fact)
		}
	}
	// Output:
	// no-anonymous: 401 to callers without a token
	// fact: doc/quay-api.md:174: FEATURE_ANONYMOUS_ACCESS=false (default true, config.py:336): anonymous → 401
}

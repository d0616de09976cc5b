// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
	"github.com/quayside/quayside/ref"
)

// exampleCatalog is a catalog of a small embedded Quay. For quay.io it would
// be discover.Quay of what quay.New() returns.
func exampleCatalog() (catalog *discover.QuayCatalog, done func()) {
	tag := func(name string) []quaytest.Tag {
		return []quaytest.Tag{{Name: name, Digest: digest.NewDigestFromEncoded(digest.SHA256, fmt.Sprintf("%064x", len(name))), Start: time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)}}
	}
	server, err := quaytest.NewServer(&quaytest.Dataset{
		Organizations: []quaytest.Organization{{Name: "kolla", Enabled: true}},
		Repositories: []quaytest.Repository{
			{Namespace: "kolla", Name: "nova-api", Public: true, Tags: tag("2025.1")},
			{Namespace: "kolla", Name: "nova-compute", Public: true, Tags: tag("2025.1")},
			{Namespace: "kolla", Name: "nova-spicehtml5proxy", Public: true, Tags: tag("2024.2")},
			{Namespace: "kolla", Name: "nova-unused", Public: true},
			{Namespace: "kolla", Name: "glance-api", Public: true, Tags: tag("2025.1")},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	client, err := quay.New(quay.WithServer(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	return discover.Quay(client), func() { client.Close(); server.Close() }
}

// Results come as they are known.
func ExampleResolve() {
	catalog, done := exampleCatalog()
	defer done()

	pattern, err := ref.ParsePattern("quay://kolla/nova-*:2025.1")
	if err != nil {
		log.Fatal(err)
	}
	run := discover.Resolve(context.Background(), catalog, pattern, discover.Options{})
	for result := range run.Results() {
		switch result.Verdict {
		case discover.Present:
			fmt.Println(result.Repository, result.Digest[:13])
		case discover.Unknown:
			fmt.Println(result.Repository, "unknown:", result.Reason, result.Err)
		}
	}
	if err := run.Err(); err != nil {
		log.Fatal(err) // what was printed is not all
	}
	// Unordered output:
	// nova-api sha256:000000
	// nova-compute sha256:000000
}

// Collect waits for all results and sorts them.
func ExampleCollect() {
	catalog, done := exampleCatalog()
	defer done()

	pattern, err := ref.ParsePattern("kolla/nova-*:2025.1")
	if err != nil {
		log.Fatal(err)
	}
	results, summary, err := discover.Collect(context.Background(), catalog, pattern, discover.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(r.Verdict, r.Repository)
	}
	fmt.Println(summary.Listed, "listed,", summary.Pruned[discover.NoLiveTag], "without a tag,",
		summary.Checked, "checked with", summary.Requests, "requests; complete:", summary.Complete)
	// Output:
	// present nova-api
	// present nova-compute
	// absent nova-spicehtml5proxy
	// 5 listed, 1 without a tag, 3 checked with 4 requests; complete: true
}

// An organization that does not exist lists as an empty one. The error tells them
// apart, and the summary says so as well.
func ExampleSummary() {
	catalog, done := exampleCatalog()
	defer done()

	pattern, err := ref.ParsePattern("kola/*:2025.1")
	if err != nil {
		log.Fatal(err)
	}
	_, summary, err := discover.Collect(context.Background(), catalog, pattern, discover.Options{})
	fmt.Println(errors.Is(err, discover.ErrNoNamespace))
	fmt.Println(summary.Namespace)
	for _, hint := range summary.Hints {
		fmt.Println(hint)
	}
	// Output:
	// true
	// not found
	// no organization or user is named "kola"; names are case-sensitive
}

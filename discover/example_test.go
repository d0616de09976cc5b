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

// exampleClient returns a client of a small embedded Quay. For quay.io it would be
// the client that quay.New() returns.
func exampleClient() (client *quay.Client, done func()) {
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
	client, err = quay.New(quay.WithServer(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	return client, func() { client.Close(); server.Close() }
}

// Results come in the order in which they are known.
func ExampleResolve() {
	client, done := exampleClient()
	defer done()

	pattern, err := ref.ParsePattern("quay://kolla/nova-*:2025.1")
	if err != nil {
		log.Fatal(err)
	}
	run := discover.Resolve(context.Background(), client, pattern, discover.Options{})
	for result := range run.Results() {
		switch result.Verdict {
		case discover.Present:
			fmt.Println(result.Repository, result.Digest[:13])
		case discover.Unknown:
			fmt.Println(result.Repository, "unknown:", result.Reason.Text(), result.Err)
		}
	}
	if err := run.Err(); err != nil {
		log.Fatal(err) // the results above are not complete
	}
	// Unordered output:
	// nova-api sha256:000000
	// nova-compute sha256:000000
}

// Collect waits for all results and sorts them.
func ExampleCollect() {
	client, done := exampleClient()
	defer done()

	pattern, err := ref.ParsePattern("kolla/nova-*:2025.1")
	if err != nil {
		log.Fatal(err)
	}
	results, summary, err := discover.Collect(context.Background(), client, pattern, discover.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(r.Verdict, r.Repository)
	}
	fmt.Println(summary.Listed, "listed,", summary.Skipped[discover.NoLiveTag], "without a tag,",
		summary.Checked, "checked with", summary.Stats.Requests, "requests; complete:", summary.Complete)
	// Output:
	// present nova-api
	// present nova-compute
	// absent nova-spicehtml5proxy
	// 5 listed, 1 without a tag, 3 checked with 4 requests; complete: true
}

// An organization that does not exist lists as an empty one. The error and the summary
// distinguish the two.
func ExampleSummary() {
	client, done := exampleClient()
	defer done()

	pattern, err := ref.ParsePattern("kola/*:2025.1")
	if err != nil {
		log.Fatal(err)
	}
	_, summary, err := discover.Collect(context.Background(), client, pattern, discover.Options{})
	fmt.Println(errors.Is(err, discover.ErrNoNamespace))
	fmt.Println(summary.Namespace)
	for _, hint := range summary.Hints {
		fmt.Println(hint.Text)
	}
	// Output:
	// true
	// not_found
	// no organization or user is named "kola"; names are case-sensitive
}

// A Finder remembers what it learned about the server for the next pattern.
func ExampleFinder() {
	client, done := exampleClient()
	defer done()

	finder := discover.NewFinder(client)
	for _, text := range []string{"kolla/glance-*:2025.1", "kolla/nova-*:2024.2"} {
		pattern, err := ref.ParsePattern(text)
		if err != nil {
			log.Fatal(err)
		}
		run := finder.Resolve(context.Background(), pattern, discover.Options{})
		for result := range run.Results() {
			if result.Verdict == discover.Present {
				fmt.Println(result.Repository, result.Tag)
			}
		}
		if err := run.Err(); err != nil {
			log.Fatal(err)
		}
	}
	tag, err := finder.Tag(context.Background(), quay.RepoName{Namespace: "kolla", Name: "nova-api"}, "2025.1")
	fmt.Println(tag.Name, tag.Public, err)
	// Output:
	// glance-api 2025.1
	// nova-spicehtml5proxy 2024.2
	// 2025.1 true <nil>
}

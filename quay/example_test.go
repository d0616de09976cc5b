// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

// sample starts an embedded Quay in place of the real one:
// an organization "stackfleet" of harbourmaster's, with three public
// repositories and a private one.
func sample() *quaytest.Server {
	size := int64(41_943_040)
	tags := func(digit string, names ...string) (tags []quaytest.Tag) {
		for i, name := range names {
			d := digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat(digit, 64))
			tags = append(tags, quaytest.Tag{Name: name, Digest: d, Start: time.Date(2025, 12, 1+i, 0, 0, 0, 0, time.UTC), Size: &size})
		}
		return tags
	}
	s, err := quaytest.NewServer(&quaytest.Dataset{
		Users:         []quaytest.User{{Name: "harbourmaster", Enabled: true}},
		Organizations: []quaytest.Organization{{Name: "stackfleet", Enabled: true, Owners: []string{"harbourmaster"}}},
		Tokens:        []quaytest.Token{{Name: "token-of-harbourmaster", User: "harbourmaster", Scope: "repo:read"}},
		Repositories: []quaytest.Repository{
			{Namespace: "stackfleet", Name: "nova-api", Public: true, Tags: tags("a", "2024.1", "2025.1")},
			{Namespace: "stackfleet", Name: "tools/keystone", Public: true, Tags: tags("b", "2025.1")},
			{Namespace: "stackfleet", Name: "retired", Public: true},
			{Namespace: "stackfleet", Name: "inside-job", Tags: tags("c", "2025.1")},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// connect makes a client. For public data on quay.io, quay.New() is enough.
func connect(opts ...quay.Option) (*quay.Client, func()) {
	s := sample()
	c, err := quay.New(append(opts, quay.WithServer(s.URL()))...)
	if err != nil {
		log.Fatal(err)
	}
	return c, func() { c.Close(); s.Close() }
}

func Example() {
	client, done := connect()
	defer done()

	ctx := context.Background()
	for repo, err := range client.Repositories(ctx, quay.RepositoryQuery{Namespace: "stackfleet"}) {
		if err != nil {
			log.Fatal(err) // the list so far is not complete
		}
		has, err := client.HasTag(ctx, repo.RepoName, "2025.1")
		if err != nil {
			fmt.Println(repo, "unknown:", err)
			continue
		}
		fmt.Println(repo, has)
	}
	// Output:
	// stackfleet/nova-api true
	// stackfleet/tools/keystone true
	// stackfleet/retired false
}

func ExampleNew() {
	client, err := quay.New(
		quay.WithServer("https://registry.example:8443"),
		quay.WithToken("an OAuth application token"), // a mistake: it has spaces
		quay.WithUserAgent("release-check/2 (ops@registry.example)"),
	)
	fmt.Println(client, errors.Is(err, quay.ErrInvalid))

	client, err = quay.New(quay.WithServer("https://registry.example:8443"), quay.WithToken("Zq4kc1"))
	fmt.Println(client.Server(), client.HasToken(), err)
	// Output:
	// <nil> true
	// https://registry.example:8443 true <nil>
}

func ExampleClient_Repositories() {
	client, done := connect(quay.WithToken("token-of-harbourmaster"))
	defer done()

	query := quay.RepositoryQuery{Namespace: "stackfleet", LastModified: true}
	for repo, err := range client.Repositories(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
		live := "no live tag"
		if !repo.LastModified.IsZero() {
			live = repo.LastModified.Format("2006-01-02")
		}
		fmt.Println(repo.Name, repo.Public, repo.State, live)
	}
	// Output:
	// nova-api true NORMAL 2025-12-02
	// tools/keystone true NORMAL 2025-12-01
	// retired true NORMAL no live tag
	// inside-job false NORMAL 2025-12-01
}

func ExampleClient_RepositoryNames() {
	client, done := connect()
	defer done()

	names, err := client.RepositoryNames(context.Background(), "stackfleet")
	fmt.Println(names, err)
	// Output: [nova-api tools/keystone retired] <nil>
}

func ExampleClient_Tag() {
	client, done := connect()
	defer done()

	ctx := context.Background()
	nova := quay.RepoName{Namespace: "stackfleet", Name: "nova-api"}
	tag, err := client.Tag(ctx, nova, "2025.1")
	fmt.Println(tag.Digest[:14], tag.Size, tag.Start.Format("2006-01-02"), err)

	_, err = client.Tag(ctx, nova, "2026.1")
	fmt.Println(errors.Is(err, quay.ErrTagNotFound), err)
	// Output:
	// sha256:aaaaaaa 41943040 2025-12-02 <nil>
	// true quay: look up tag stackfleet/nova-api:2026.1: no active tag of this name
}

func ExampleClient_HasTag() {
	client, done := connect()
	defer done()

	ctx := context.Background()
	fmt.Println(client.HasTag(ctx, quay.RepoName{Namespace: "stackfleet", Name: "nova-api"}, "2025.1"))
	fmt.Println(client.HasTag(ctx, quay.RepoName{Namespace: "stackfleet", Name: "nova-api"}, "2026.1"))

	// Without a token, the server does not show whether this repository exists.
	_, err := client.HasTag(ctx, quay.RepoName{Namespace: "stackfleet", Name: "inside-job"}, "2025.1")
	fmt.Println(errors.Is(err, quay.ErrUnauthenticated))
	// Output:
	// true <nil>
	// false <nil>
	// true
}

func ExampleClient_Tags() {
	client, done := connect()
	defer done()

	repo, err := quay.ParseRepoName("stackfleet/nova-api")
	if err != nil {
		log.Fatal(err)
	}
	for tag, err := range client.Tags(context.Background(), repo, quay.TagQuery{Contains: "202"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tag.Name, tag.Start.Format("2006-01-02"))
	}
	// Output:
	// 2025.1 2025-12-02
	// 2024.1 2025-12-01
}

func ExampleClient_Namespace() {
	client, done := connect()
	defer done()

	for _, name := range []string{"stackfleet", "harbourmaster", "stackfleat"} {
		ns, err := client.Namespace(context.Background(), name)
		fmt.Printf("%s: %q, not found: %v\n", name, ns.Kind, errors.Is(err, quay.ErrNotFound))
	}
	// Output:
	// stackfleet: "organization", not found: false
	// harbourmaster: "user", not found: false
	// stackfleat: "", not found: true
}

func ExampleClient_CheckToken() {
	for _, token := range []string{"", "token-of-harbourmaster", "one-that-has-expired"} {
		client, done := connect(quay.WithToken(token))
		fmt.Println(client.CheckToken(context.Background()))
		done()
	}
	// Output:
	// absent <nil>
	// accepted <nil>
	// ignored <nil>
}

func ExampleClient_Anonymous() {
	client, done := connect(quay.WithToken("token-of-harbourmaster"))
	defer done()

	// What is public costs the server a tenth of the work without the token.
	ctx := context.Background()
	public := client.Anonymous()
	fmt.Println(public.HasTag(ctx, quay.RepoName{Namespace: "stackfleet", Name: "nova-api"}, "2025.1"))
	fmt.Println(client.HasTag(ctx, quay.RepoName{Namespace: "stackfleet", Name: "inside-job"}, "2025.1"))
	fmt.Printf("%+v\n", client.Stats())
	// Output:
	// true <nil>
	// true <nil>
	// {Requests:2 WithToken:1 WithoutToken:1 RateLimited:0 Retries:0}
}

func ExampleParseRepoName() {
	repo, err := quay.ParseRepoName("stackfleet/tools/keystone")
	fmt.Printf("%q %q %v\n", repo.Namespace, repo.Name, err)

	_, err = quay.ParseRepoName("stackfleet/Nova")
	fmt.Println(err)
	// Output:
	// "stackfleet" "tools/keystone" <nil>
	// quay: repository name: "stackfleet/Nova": character 12, 'N', is not allowed: a part of the name starts with a-z or 0-9
}

func ExampleError() {
	client, done := connect()
	defer done()

	_, err := client.Tag(context.Background(), quay.RepoName{Namespace: "stackfleet", Name: "inside-job"}, "2025.1")
	if e, ok := errors.AsType[*quay.Error](err); ok {
		fmt.Println(e.Op, "|", e.Subject, "|", e.Status == http.StatusUnauthorized, "|", e.Type, "|", e.Message)
	}
	// Output: look up tag | stackfleet/inside-job:2025.1 | true | invalid_token | Requires authentication
}

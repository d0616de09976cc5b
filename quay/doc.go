// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package quay is a client of the REST API v1 of Quay, the registry behind
// quay.io. It lists the repositories of a namespace and the tags of a
// repository, tells whether one tag is there, and says clearly when it cannot
// know.
//
//	client, err := quay.New()
//	for repo, err := range client.Repositories(ctx, quay.RepositoryQuery{Namespace: "openstack.kolla"}) {
//		if err != nil {
//			return err // the list above it is not complete
//		}
//		has, err := client.HasTag(ctx, repo.RepoName, "2025.1")
//		...
//	}
//
// # The map
//
//   - [New] and its options make a [Client]: client.go, option.go, transport.go.
//   - [Client.Repositories] lists a namespace, page after page: repository.go.
//   - [Client.Tag] and [Client.HasTag] ask for one tag, [Client.Tags] for
//     many: tag.go, tags.go.
//   - [Client.Namespace] tells a namespace that is empty from one that is
//     misspelt; [Client.CheckToken] tells whether the server knows the token.
//   - Every failure is an [*Error]; errors.Is finds its kind, such as
//     [ErrNotFound]: error.go. Which answer is which error: status.go.
//
// # What a caller should know
//
// The facts are in doc/quay-api.md of this project. These surprise:
//
//   - The token is an OAuth application token. A robot account's credentials
//     do not work on this API: the server ignores them. It ignores a token
//     that is wrong or expired, too, and answers as if none had been sent.
//   - A namespace that does not exist lists as an empty one.
//   - A repository that is missing and one that is private look alike: 401
//     without a token, 403 with one. Only an owner of the namespace gets 404.
//   - A repository's LastModified is the zero time when it has no live tag.
//
// # What it upholds
//
//   - An answer is complete or ends with an error: a missing list is never an
//     empty one, a page is never read twice, a field that is needed and not
//     there is [ErrMalformed].
//   - A listing streams: it holds one page and a few bytes for each page before.
//   - The token goes to the client's own server only, over its own scheme, and
//     is in no error, log line or URL.
//   - What a server sends is bounded: 32 MiB for an answer, 64 KiB for an
//     error, and it is cleaned of control characters before it is shown.
//   - Busy servers and broken connections are tried again, within bounds; see
//     [WithRetries]. Every wait ends with the context.
//
// The package knows no URI scheme, command line or disk. Package quaytest is a
// server for the tests of its users; package discover puts the calls together.
package quay

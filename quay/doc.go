// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package quay is a client of the REST API v1 of Quay, the registry behind quay.io. It
// lists the repositories of a namespace and the tags of a repository, and reports
// whether a repository has a tag, or why that cannot be known.
//
//	client, err := quay.New()
//	for repo, err := range client.Repositories(ctx, quay.RepositoryQuery{Namespace: "openstack.kolla"}) {
//		if err != nil {
//			return err // the list above is not complete
//		}
//		has, err := client.HasTag(ctx, repo.RepoName, "2025.1")
//		...
//	}
//
// # Overview
//
//   - [New] and its options make a [Client]: client.go, option.go.
//   - [Client.Repositories] lists a namespace, page by page: repository.go.
//   - [Client.Tag] and [Client.HasTag] look up one tag, [Client.Tags] lists many:
//     tag.go, tags.go.
//   - [Client.Namespace] reports whether a namespace exists, and
//     [Client.CheckToken] whether the server knows the token.
//   - Every failure is an [*Error]; errors.Is finds its kind, such as
//     [ErrNotFound]: error.go. Which answer is which error: status.go.
//
// # Surprising facts
//
// The facts and their sources are in doc/quay-api.md of this project.
//
//   - The token is an OAuth application token. The API ignores a robot account's
//     credentials. It also ignores a wrong or expired token, and answers as if
//     the request had none.
//   - A namespace that does not exist lists as an empty one.
//   - A missing repository and a private one look alike: 401 without a token, 403
//     with one. Only an owner of the namespace gets 404.
//   - A repository's LastModified is the zero time if it has no live tag.
//
// # Guarantees
//
//   - An answer is complete or ends with an error. A missing list is never an
//     empty one, no page is read twice, and an answer that lacks a required field
//     is [ErrMalformed].
//   - A listing streams: it holds one page, and a few bytes for each earlier page.
//   - The token goes only to the client's own server, over the scheme of its URL,
//     and appears in no error, log line or URL.
//   - Answers are limited to 32 MiB and errors to 64 KiB. Control characters are
//     removed from a server's message.
//   - Requests to busy servers and over broken connections are retried within
//     limits; see [WithRetries]. Every wait ends with the context.
//
// # Compatibility
//
// The package follows semantic versioning together with its module. A minor version
// may add functions, methods, options and fields of structs, and may return an error
// of a more specific kind. It changes the meaning of nothing that is there. The
// texts of errors and log lines may change: test with errors.Is and [*Error].
//
// The package knows no URI scheme, command line or disk. Package quaytest is a
// server for tests of its users; package discover finds the images of a namespace.
package quay

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package quaytest is an embedded Quay: a registry in memory that speaks the
// Quay REST API v1 and the registry API as a real Quay does. Tests,
// demonstrations and benchmarks run against it over real HTTP.
//
// It is a fake and no mock: it answers from a [Dataset] by the server's rules,
// surprises included, and it is held to recordings of a real Quay by a test
// that replays every one of them. What is known of the server, and where from,
// is in doc/quay-api.md. The package has wire types of its own and shares no
// code with the client it tests: it never imports package quay.
//
// Images can be pushed to it (see below). Every change by the REST API is
// refused, and nothing is stored beyond the server's end. It has no superusers,
// no teams but an organization's owners and creators, no stars and no logs. It takes no manifest of Docker schema 1.
//
//	d := quaytest.SampleDataset()
//	s, err := quaytest.NewServer(d)   // or NewHandler, without a socket
//	defer s.Close()
//	http.Get(s.URL() + "/api/v1/repository?namespace=stackfleet&public=true")
//
// # What stands where
//
// A request passes through the front end ([Handler], [Server]), which limits,
// delays and disturbs it as [Option]s ask, and then reaches one of three parts:
//   - the REST API: listing, tags, repository and manifest details,
//     namespaces, the caller himself;
//   - the registry API beneath /v2/: token endpoint, manifests, blobs, tag
//     names, referrers, catalog;
//   - with [WithObjectStorage], a second host that has the blobs.
//
// All of them read one index over the dataset that never changes, and what
// clients pushed beside it, without a lock. So a handler is safe for concurrent
// use and a request's cost does not grow with the number of repositories.
// Datasets come from a file ([ReadDataset]), from
// [SampleDataset], from [Fleet], which makes a million repositories cheap, or
// from [Release], whose images can be pulled and share layers as chosen.
//
// # Pushing
//
// The registry API takes blobs, whole, in parts and by mount, and manifests,
// and deletes tags, as Quay does (doc/quay-api.md, "Corrections"; recording
// registry-push). A push shows on both APIs at once: in the listing, in its
// last_modified, among the tags, among the referrers. Who may push is said in
// the registry token: owners of the namespace, and users and robots with a
// [Permission] of the role write. A repository that does not exist is made,
// private, when an owner or one of an [Organization]'s Creators asks for the
// right to push to it; an application token needs the scope repo:create for
// that, and repo:write for the rest.
//
// What is pushed is kept in memory, up to [WithPushLimit], and is not written
// into the dataset. [WithServerHostname] makes the server one behind an alias.
//
// # Quirks
//
// Quirks ([WithQuirk], [Quirks]) are the odd things that servers and networks
// do, each by name and with the fact it rests on.
package quaytest

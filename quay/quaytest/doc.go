// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package quaytest is an embedded Quay registry for tests, demonstrations and
// benchmarks. It serves the Quay REST API v1 and the registry API over real HTTP from
// a dataset in memory.
//
//	func TestTags(t *testing.T) {
//		s := quaytest.Start(t, quaytest.SampleDataset())
//		resp, err := s.Client().Get(s.URL() + "/api/v1/repository?namespace=stackfleet&public=true")
//		...
//	}
//
// [Start] serves on a port until the test ends, [NewServer] until Close, and
// [NewHandler] without a port, also in a testing/synctest bubble.
//
// It is a fake, not a mock: it follows the rules of a real Quay, surprises included,
// and a test replays recordings of a real Quay against it. doc/quay-api.md of the
// project lists those rules with their sources. The package shares no code with the
// client of the project: it never imports package quay.
//
// The REST API is read-only. There are no superusers, no stars, no logs, and no teams
// except an organization's owners and creators. Manifests of Docker schema 1 cannot be
// pushed. Nothing is stored after the server's end.
//
// # Datasets
//
// A [Dataset] comes from a file ([ReadDataset]), from code, from [SampleDataset], from
// [Fleet], which makes a million repositories cheap, or from [Release], whose images
// can be pulled and share layers. The cost of a request does not grow with the number
// of repositories.
//
// # Pushing
//
// Clients can push blobs and manifests and delete tags, as on Quay. A push shows at
// once on both APIs: in listings, last_modified, tags and referrers.
//
// The owners of a namespace may push, and so may users and robots with a [Permission]
// of the role write. If an owner, or one of an [Organization]'s Creators, asks for the
// right to push to a repository that does not exist, Quay creates it as a private
// one. An application token needs the scope repo:write to push, and repo:create to
// create a repository.
//
// Pushed content is kept in memory, up to [WithPushLimit], and does not change the
// dataset.
//
// # Faults
//
// [Quirks] are faults and habits of servers and networks: answers that fail, break off
// or are wrong, outages, and the ways of proxies and of other Quay versions. Go code
// sets them with [WithQuirks], commands by name with [WithQuirk]. [QuirkList] names,
// for each, the fact it rests on or what is invented about it. [WithLimits],
// [WithLatency] and [WithByteRate] make a server slow.
//
// # Compatibility
//
// The package follows semantic versioning together with its module. A minor version
// may add functions, options, quirks and fields, and may change an answer that differs
// from a real Quay's. It changes the meaning of nothing else.
package quaytest

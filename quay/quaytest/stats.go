// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import "github.com/quayside/quayside/quay/quaytest/internal/front"

// Stats counts what a server was asked for and what it answered. A request counts
// from the moment its status is sent.
type Stats struct {
	Requests     int64 `json:"requests"`
	WithToken    int64 `json:"with_token"`    // requests with an Authorization header
	WithoutToken int64 `json:"without_token"` // requests without one
	Refused      int64 `json:"refused"`       // requests answered 429
	Bytes        int64 `json:"bytes"`         // of the bodies of answers, without what the protocol adds

	Connections Connections `json:"connections"`

	// Classes has an entry for each class of paths that was requested: list, tags
	// (a repository's tags on the REST API), namespace (an organization or a user by
	// name), user (the caller), api (the rest of /api/), auth, manifest, upload (of
	// blobs), blob, taglist, catalog, v2 (the rest of /v2/), storage and web.
	Classes map[string]ClassStats `json:"classes"`
}

// ClassStats counts the requests of one class of paths.
type ClassStats struct {
	Requests  int64 `json:"requests"`
	WithToken int64 `json:"with_token"`
	Bytes     int64 `json:"bytes"`
	Content   int64 `json:"content"` // of Bytes, those in answers 200 and 206: no errors and no redirects
	// Statuses counts answers by status. Status 0 means no answer: the connection was
	// cut, or the client left, before the status was sent.
	Statuses map[int]int64 `json:"statuses"`
}

// Connections counts connections by the protocol of their first request. Only a
// [Server] counts connections.
type Connections struct {
	Accepted int64 `json:"accepted"` // including those that never carried a request
	HTTP1    int64 `json:"http1"`
	HTTP2    int64 `json:"http2"`
}

func newStats(f front.Stats) Stats {
	s := Stats{Requests: f.Requests, WithToken: f.WithToken, WithoutToken: f.WithoutToken, Refused: f.Refused, Bytes: f.Bytes,
		Connections: Connections(f.Connections), Classes: make(map[string]ClassStats, len(f.Classes))}
	for name, c := range f.Classes {
		s.Classes[name] = ClassStats(c)
	}
	return s
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pace is the transport that keeps a client within what a server
// admits: as fast as that, hardly ever refused, and never given up on while it
// admits anything. It is an http.RoundTripper, so that no caller has a loop of
// its own. It knows how a Quay counts requests (doc/quay-api.md section 6), and
// nothing else of any API; a caller that can tell a readable body says so with
// Options.Validate.
//
// # The map
//
// A request becomes a job (retry.go). It waits in the queue of its class of
// paths (class.go, queue.go) until the host (host.go) gives it a slot; it is
// sent (attempt.go); what came of it teaches the host (outcome.go), and the job
// ends or waits again. Before it gets its slot four questions are asked
// (host.go, flow.go), each answered in one place:
//
//   - Does the host answer at all? When everything fails, one request at a time
//     tries, and all have one budget (outage.go). Whether a 500 is an outage, or
//     the token's own, is found out first (suspect.go).
//   - May anything of this class go now? The gate (gate.go) closes after a
//     refusal, for as long as the server says, unless the server refuses each
//     request once, whatever else it admits (firsts.go).
//   - Is too much on its way? The window (window.go) grows while latency stays
//     flat, and where no limit holds requests back it lets them leave evenly. A
//     listing has a place of its own. Long bodies that are being read are not counted in it, and what
//     their load does to latency is not held against the server.
//   - Has the server's allowance room? The budget (budget.go) has a limit
//     (limit.go) for each connection: a token bucket (bucket.go) that starts
//     at the published rate, and learns from what is admitted and what is
//     refused (evidence.go, learn.go). Whether a second connection has an
//     allowance of its own is tried out (trial.go).
//
// A slot is on a lane (lane.go): one connection at a time (connect.go), over
// HTTP/2. Over HTTP/1.1 the base keeps its own connections.
//
// # What it upholds
//
//   - Only GET and HEAD are repeated. Being refused is no failure; other
//     failures have a budget by number and by time, and a host that is away has
//     one for all requests.
//   - What a server says to one class of paths says nothing of the others. A
//     Retry-After is never cut short for the request it was sent to.
//   - A connection is dialled once for all that wait for it.
//   - Every wait ends with its request's context, at once. There is no
//     goroutine that outlives its request.
//   - When it gives up, the caller gets the last answer to its request as it
//     came, or an [OutageError] if others had tried in its place.
package pace

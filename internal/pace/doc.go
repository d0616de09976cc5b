// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pace is an http.RoundTripper that keeps a client within what a server
// admits: nearly as fast as that, and hardly ever refused. It repeats what fails for a
// passing reason, so that no caller has a loop of its own. It knows how a Quay counts
// requests (doc/quay-api.md section 6), and nothing else of any API; a caller that can
// recognize a readable body sets Options.Validate.
//
// How it works, and what each constant rests on, is in doc/pace-internals.md.
//
// # The map
//
// A request becomes a job (retry.go). It waits in the queue of its class of paths
// (class.go, queue.go, classqueue.go) until the host (host.go) grants it a slot. It is sent
// (attempt.go), and the host records the outcome (outcome.go) and whether its body came
// (body.go). Then the job ends or waits again. Four places decide when it is sent:
//
//   - The outage (outage.go): if everything fails, one request at a time tries, and all
//     have the same patience. A control (control.go) tells a request's own trouble from
//     the host's.
//   - The gate (gate.go) of its class closes after a refusal.
//   - The window (window.go) of its class bounds the requests in flight. It grows while
//     latency stays flat.
//   - The budget (budget.go) of its class has one estimate of the server's rate and
//     burst (estimate.go), and a token bucket for each connection (bucket.go).
//
// Over HTTP/2 connections are made one at a time (connslot.go, connect.go). Over HTTP/1.1
// the base keeps its own.
//
// # What it upholds
//
//   - Only GET and HEAD are repeated. A refusal is no failure. Failures are bounded by
//     number and by time, and by the host's patience for all requests together.
//   - A refusal of one class of paths says nothing of the others. A Retry-After is never
//     cut short for the request it was sent to.
//   - A connection is dialled once for all that wait for it.
//   - Every wait ends with its request's context, at once. No goroutine outlives its
//     request.
//   - When it gives up, the caller gets the last answer to its request, or an
//     [OutageError] if others had tried in its place.
package pace

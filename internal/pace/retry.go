// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pace is the transport that keeps a client within what a server
// admits. It is an http.RoundTripper, so that no caller has a loop of its own.
//
// For now it retries: what a busy or restarting server answers, connections
// that break, and successes that cannot be read. It knows nothing of any API;
// a caller that can tell a readable body says so with Options.Validate.
//
// What it upholds:
//
//   - Only GET and HEAD are repeated.
//   - A wait ends with the request's context, is never longer than
//     Options.MaxWait, and never starts when it would end beyond
//     Options.Budget.
//   - When it gives up, the caller gets the last answer as it came, and idle
//     connections stay open.
package pace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	// DefaultMaxWait bounds what one Retry-After can ask for.
	DefaultMaxWait = 5 * time.Minute
	// DefaultBudget bounds one request with all its repetitions.
	DefaultBudget = 10 * time.Minute
	// DefaultMaxBody bounds a body that Options.Validate reads, in bytes.
	DefaultMaxBody = 32 << 20

	// MaxBroken is how often a request is repeated, at most, because its
	// connection broke or its body could not be read: a server that is not
	// there, or is not the one meant, is found out in some ten seconds.
	MaxBroken = 5
	// MaxDown is how often a request is repeated, at most, because of a 502,
	// 503, 504 or 520: for some two minutes, in which a server restarts. One
	// that answers 429 is up, and is given as long as Options.Retries allows.
	MaxDown = 10

	// Waits double from minWait to maxBackoff, unless the server names one.
	minWait    = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// ErrTooLarge is met, by errors.Is, by the error for a body over Options.MaxBody.
var ErrTooLarge = errors.New("body too large")

// Options set up a Transport. The zero value retries nothing and adds nothing.
type Options struct {
	Base    http.RoundTripper // carries each attempt; nil is http.DefaultTransport
	Retries int               // attempts after the first
	Logger  *slog.Logger      // told of each wait; nil is silent
	MaxWait time.Duration     // longest single wait; 0 is DefaultMaxWait
	Budget  time.Duration     // from the first attempt to the start of the last; 0 is DefaultBudget

	// Validate says what is wrong with the body of a 200, or nil. A 200 it
	// refuses is retried, and returned as it is when there are no retries
	// left. When Validate is nil bodies are streamed untouched; otherwise
	// those of 200s are read first, up to MaxBody bytes.
	Validate func(*http.Request, *http.Response, []byte) error
	MaxBody  int64 // 0 is DefaultMaxBody

	// Observe is called after each attempt, from the goroutine that made it.
	Observe func(Event)
}

// An Event is one attempt of a request: what went over the wire.
type Event struct {
	Request  *http.Request // not to be changed; its headers hold secrets
	Attempt  int           // 1 is the first
	Status   int           // 0: no answer
	Proto    string        // such as HTTP/2.0; "" without an answer
	Duration time.Duration // with the body, when Validate read it
	Err      error         // why there is no answer, or no readable one
}

// A Transport is an http.RoundTripper that retries. It is safe for concurrent
// use when its base is.
type Transport struct {
	o Options
}

// New returns a Transport with o's defaults filled in.
func New(o Options) *Transport {
	if o.Base == nil {
		o.Base = http.DefaultTransport
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxWait <= 0 {
		o.MaxWait = DefaultMaxWait
	}
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	return &Transport{o: o}
}

// RoundTrip sends req, and again while that is worth it. A status is never an
// error. An error is the last attempt's own, or the context's.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := &call{o: &t.o, start: time.Now()}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return c.RoundTrip(req)
	}
	again, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	// The call is the inner client's transport, and no more than a
	// RoundTripper: the retry loop would close idle connections through it
	// when it gives up.
	loop := &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     c,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     t.o.Retries,
		CheckRetry:   c.check,
		Backoff:      c.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	resp, err := loop.Do(again)
	if err == nil {
		return resp, nil
	}
	// The caller's own client names the URL; once is enough.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return nil, err
}

// CloseIdleConnections closes the idle connections of the base, if it has any.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.o.Base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// A call is one request and its attempts. One goroutine uses it.
type call struct {
	o       *Options
	start   time.Time
	attempt int           // attempts made
	broken  int           // attempts with a broken connection or body
	down    int           // attempts answered by a server that is down
	invalid error         // what Validate said about the last attempt
	why     string        // the reason for the next attempt
	wait    time.Duration // before the next attempt
}

// RoundTrip makes one attempt.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	c.attempt++
	c.invalid = nil
	begin := time.Now()
	resp, err := c.o.Base.RoundTrip(req)
	if err == nil && c.o.Validate != nil && resp.StatusCode == http.StatusOK && req.Method == http.MethodGet {
		resp, err = c.read(req, resp)
	}
	if c.o.Observe != nil {
		e := Event{Request: req, Attempt: c.attempt, Duration: time.Since(begin), Err: err}
		if err == nil {
			e.Status, e.Proto, e.Err = resp.StatusCode, resp.Proto, c.invalid
		}
		c.o.Observe(e)
	}
	return resp, err
}

// read takes in the whole body and asks Validate about it.
func (c *call) read(req *http.Request, resp *http.Response) (*http.Response, error) {
	defer resp.Body.Close()
	if resp.ContentLength > c.o.MaxBody {
		return nil, fmt.Errorf("%w: %d bytes, and %d is the limit", ErrTooLarge, resp.ContentLength, c.o.MaxBody)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.o.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if int64(len(body)) > c.o.MaxBody {
		return nil, fmt.Errorf("%w: over %d bytes, which is the limit", ErrTooLarge, c.o.MaxBody)
	}
	c.invalid = c.o.Validate(req, resp, body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, nil
}

// check decides whether there is to be another attempt, and after what wait.
func (c *call) check(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, nil
	}
	switch {
	case err != nil && permanent(err):
		return false, nil
	case err != nil:
		c.why, c.broken = "connection failed", c.broken+1
	case c.invalid != nil:
		c.why, c.broken = "unreadable body", c.broken+1
	case resp.StatusCode == http.StatusTooManyRequests:
		c.why = "status 429"
	case down(resp.StatusCode):
		c.why, c.down = fmt.Sprintf("status %d", resp.StatusCode), c.down+1
	default:
		return false, nil
	}
	if c.broken > MaxBroken || c.down > MaxDown {
		return false, nil
	}
	c.wait = c.delay(resp)
	return time.Since(c.start)+c.wait <= c.o.Budget, nil
}

// delay is the server's Retry-After with a little on top, so that not everyone
// comes back at once, or a random part of a doubling wait.
func (c *call) delay(resp *http.Response) time.Duration {
	if resp != nil {
		if after, ok := RetryAfter(resp.Header, time.Now()); ok {
			return min(after+rand.N(minWait), c.o.MaxWait)
		}
	}
	d := min(minWait<<min(c.attempt-1, 10), maxBackoff, c.o.MaxWait)
	return d/2 + rand.N(d/2+1)
}

// backoff is called when the loop goes to wait, which check has measured.
func (c *call) backoff(_, _ time.Duration, _ int, _ *http.Response) time.Duration {
	c.o.Logger.Info("waiting to try again", "why", c.why, "attempt", c.attempt, "wait", c.wait.Round(time.Millisecond))
	return c.wait
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/quayside/quayside/internal/pace"
)

const (
	maxAnswer  = 32 << 20 // bytes of a 200
	maxProblem = 64 << 10 // bytes of any other answer
)

// A request is a GET of the API, with its operation and subject for errors.
type request struct {
	op, subject string
	target      string // path and query, escaped
}

// query appends parameters to path, as pairs of name and value. It keeps their order,
// so that a request is always the same text.
func query(path string, params ...string) string {
	var b strings.Builder
	b.WriteString(path)
	for i := 0; i+1 < len(params); i += 2 {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(params[i] + "=" + url.QueryEscape(params[i+1]))
	}
	return b.String()
}

// get returns the body of a 200, which is JSON. Its error is an *Error.
func (c *Client) get(ctx context.Context, r request) ([]byte, error) {
	body, _, err := c.getDated(ctx, r)
	return body, err
}

// getDated is get, and also returns when the server answered by its own clock (the
// Date header), or the zero time if it did not say.
//
// The transport retries, and limits the time and the size of a body. No other
// function sends the token.
func (c *Client) getDated(ctx context.Context, r request) ([]byte, time.Time, error) {
	var when time.Time
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.core.base+r.target, nil)
	if err != nil {
		return nil, when, &Error{Op: r.op, Subject: r.subject, Err: err, kind: ErrInvalid}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.core.agent)
	if c.HasToken() {
		req.Header.Set("Authorization", "Bearer "+c.core.token.Reveal())
	}
	resp, err := c.core.http.Do(req)
	if err != nil {
		return nil, when, c.noAnswer(ctx, r, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem)) // a part of the message is enough
		if ctx.Err() != nil {
			return nil, when, c.noAnswer(ctx, r, ctx.Err())
		}
		return nil, when, c.statusError(r, resp, body)
	}
	body, err := io.ReadAll(resp.Body) // the transport limits it
	if err != nil {
		return nil, when, c.noAnswer(ctx, r, err)
	}
	body = c.core.hideEchoes(body)
	if !isObject(body) && !json.Valid(body) {
		return nil, when, c.unreadable(r, body)
	}
	if sent, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		when = sent.UTC()
	}
	return body, when, nil
}

// isObject reports whether a body begins and ends like a JSON object. The transport
// has validated the body already.
func isObject(body []byte) bool {
	body = bytes.TrimSpace(body)
	return len(body) > 1 && body[0] == '{' && body[len(body)-1] == '}'
}

// validate returns why the transport must retry a 200, or nil.
func validate(_ *http.Request, _ *http.Response, body []byte) error {
	if !json.Valid(body) {
		return errors.New("the body is not JSON")
	}
	return nil
}

// observe counts and logs an attempt, without the request's headers.
func (c *core) observe(e pace.Event) {
	if e.Request.Header.Get("Authorization") != "" {
		c.count.withToken.Add(1)
	} else {
		c.count.withoutToken.Add(1)
	}
	if e.Attempt > 1 {
		c.count.retries.Add(1)
	}
	if e.Status == http.StatusTooManyRequests {
		c.count.rateLimited.Add(1)
	}
	if e.Request.Context().Err() == nil {
		c.lastError.Store(c.errorOf(e))
	}
	e.Log(c.logger, func(u *url.URL) string { return c.redactor.Text(u.Redacted()) }, c.redactor.Line)
}

// errorOf returns why an attempt got no useful answer, or nil.
func (c *core) errorOf(e pace.Event) *string {
	var text string
	switch {
	case e.Err != nil:
		text = c.redactor.Line(e.Err.Error())
	case e.Status >= 500, e.Status == http.StatusTooManyRequests:
		text = strings.TrimSpace(strconv.Itoa(e.Status) + " " + http.StatusText(e.Status))
	default:
		return nil
	}
	return &text
}

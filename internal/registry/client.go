// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/transport"
)

// do sends a request to the registry with the rights it needs, and follows its
// redirects. Whatever goes to another host goes without a credential. The
// caller closes the answer's body.
func (r *Registry) do(req *http.Request, want scope) (*reply, error) {
	send := func(req *http.Request, crossOrigin bool) (*reply, error) {
		if !crossOrigin {
			return r.authorized(req, want)
		}
		resp, err := r.sendAnonymous(req)
		return &reply{Response: resp, crossOrigin: true}, err
	}
	answer, err := send(req, transport.Origin(req.URL) != r.origin)
	if err != nil {
		return nil, err
	}
	return r.follow(req, answer, r.origin, send)
}

// sendAnonymous sends a request as it is, without adding a credential. A mount that
// meets trouble is not sent again: an upload does the same.
func (r *Registry) sendAnonymous(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", r.userAgent)
	if req.URL.Query().Has(mountQuery) {
		return r.once.RoundTrip(req)
	}
	return r.transport.RoundTrip(req)
}

// isSuccess tells whether an answer has a status of success. Registries differ
// in which: 200, 201, 202 and 204 are all in use for one thing.
func isSuccess(resp *http.Response) bool { return resp.StatusCode >= 200 && resp.StatusCode < 300 }

// orasClient lets oras' repository send its requests this way.
type orasClient struct {
	registry   *Registry
	repository string
}

// Do implements remote.Client. oras has addresses in its errors: of one elsewhere,
// which can be a signed one, it gets to see no parameters. It is given no answer
// that it would misread: a 404 that is a page, a success of another number, a
// refusal whose reason it would drop, or a digest that is none or is by another
// algorithm.
func (c orasClient) Do(req *http.Request) (*http.Response, error) {
	want := scope{repository: c.repository}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		want.push = true
	}
	answer, err := c.registry.do(req, want)
	if err != nil {
		return nil, c.registry.failed("", "", err)
	}
	// Where there is no list of referrers, a page may well be what says so.
	isReferrers := strings.Contains(req.URL.Path, "/referrers/")
	page := answer.StatusCode == http.StatusNotFound && isPage(answer.Response) && !isReferrers
	if page || want.push && !isSuccess(answer.Response) {
		defer closeBody(answer.Response)
		return nil, c.registry.refused("", "", answer)
	}
	if want.push {
		answer.StatusCode = http.StatusCreated
		if said := namedDigest(answer.Response); said == "" || isOf(said, req) {
			answer.Header.Del("Docker-Content-Digest")
		}
	}
	if answer.crossOrigin {
		shown := *answer.Request.URL
		shown.RawQuery = ""
		answer.Request = answer.Request.WithContext(req.Context())
		answer.Request.URL = &shown
	}
	return answer.Response, nil
}

// isOf tells whether a digest is that of a request's body.
func isOf(d digest.Digest, req *http.Request) bool {
	if req.GetBody == nil {
		return false
	}
	body, err := req.GetBody()
	if err != nil {
		return false
	}
	defer func() { _ = body.Close() }()
	sum, err := d.Algorithm().FromReader(body)
	return err == nil && sum == d
}

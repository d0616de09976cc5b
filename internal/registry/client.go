// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/transport"
)

// do sends a request to the registry with a token for a scope, and follows redirects.
// Requests to another origin carry no credential. The caller closes the answer's body.
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

// sendAnonymous sends a request without adding a credential. A mount is not repeated
// after an error, because an upload can replace it.
func (r *Registry) sendAnonymous(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", r.userAgent)
	if req.URL.Query().Has(mountQuery) {
		return r.once.RoundTrip(req)
	}
	return r.transport.RoundTrip(req)
}

// isSuccess reports whether the status is a success. Registries answer the same request
// with 200, 201, 202 or 204.
func isSuccess(resp *http.Response) bool { return resp.StatusCode >= 200 && resp.StatusCode < 300 }

// orasClient sends the requests of an oras repository.
type orasClient struct {
	registry   *Registry
	repository string
}

// Do implements remote.Client. It changes answers that oras would misread: an HTML page
// with 404, a success other than 200 or 201, a refusal whose reason oras drops, and a
// digest that is invalid or of another algorithm. Because oras shows the address of an answer in its
// errors, Do removes the query of an address on another origin, which may be signed.
func (c orasClient) Do(req *http.Request) (*http.Response, error) {
	want := scope{repository: c.repository}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		want.push = true
	}
	answer, err := c.registry.do(req, want)
	if err != nil {
		return nil, c.registry.failed("", "", err)
	}
	// A registry without the referrers API may answer with a page.
	isReferrers := strings.Contains(req.URL.Path, "/referrers/")
	page := answer.StatusCode == http.StatusNotFound && isPage(answer.Response) && !isReferrers
	accepted := answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusNotFound && !page
	if want.push {
		accepted = isSuccess(answer.Response)
	}
	if !accepted {
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
	answer.Body = orasBody{answer.Body, c.registry}
	return answer.Response, nil
}

// An orasBody is the body of an answer to oras. Its read errors have the type Error, which
// distinguishes them from the errors of oras.
type orasBody struct {
	io.ReadCloser
	registry *Registry
}

func (b orasBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.registry.failed("", "", err)
	}
	return n, err
}

// isOf reports whether a request's body has a digest.
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

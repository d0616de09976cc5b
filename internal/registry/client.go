// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"
)

// do sends a request to the registry with the rights it needs, and follows
// redirects of GET and HEAD. away tells that the answer is of another host.
// The caller closes the answer's body.
func (r *Registry) do(req *http.Request, n need) (resp *http.Response, away bool, err error) {
	req.Header.Set("User-Agent", r.userAgent)
	if originOf(req.URL) != r.origin {
		// An upload that is to go elsewhere: no credential goes there.
		resp, err = r.plainly(req)
		return resp, true, err
	}
	resp, err = r.authorized(req, n)
	if err != nil || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return resp, false, err
	}
	return r.follow(req, resp, n)
}

// plainly sends a request as it is, which has no credential.
func (r *Registry) plainly(req *http.Request) (*http.Response, error) {
	return r.transport.RoundTrip(req)
}

// orasClient lets oras' repository send its requests this way.
type orasClient struct {
	registry   *Registry
	repository string
}

// Do implements remote.Client.
func (c orasClient) Do(req *http.Request) (*http.Response, error) {
	n := need{repository: c.repository}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		n.push = true
	}
	resp, _, err := c.registry.do(req, n)
	return resp, err
}

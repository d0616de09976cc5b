// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"net/http"
	"strings"
)

// Routes of Quay that the embedded server knows of and does not serve
// (endpoints/api/*.py). They are not 404: a caller without the rights gets the
// refusal that Quay gives, and only one who would be served is told that this
// server has nothing for him.
var (
	unservedOfUser = lazily(`^/api/v1/user/(?:apptoken|logs|aggregatelogs|robots|starred|notifications|authorizations|` +
		`assignedauthorization|private|quota|namespacenotifications|autoprunepolicy/|namespacequota)(?:/[^/]+)?$`)
	unservedOfOrganization = lazily(`^/api/v1/organization/([^/]+)/(?:members|collaborators|robots|logs|aggregatelogs|` +
		`applications|prototypes|private|quota|proxycache|mirror|notifications|autoprunepolicy/|immutabilitypolicy/|team/[^/]+/(?:members|permissions))(?:/[^/]+)?$`)
	unslashedOfRepository = lazily(`^/api/v1/repository/[^/]+/.+/(?:build|permissions/(?:team|user)|tokens|notification|trigger|` +
		`autoprunepolicy|immutabilitypolicy)$`) // is 308 to the same with a slash
	unservedOfRepository = lazily(`^/api/v1/repository/([^/]+)/(.+)/(?:mirror|logs|aggregatelogs|permissions/(?:team|user)/[^/]*|` +
		`tokens/[^/]*|notification/[^/]*|trigger/[^/]*|autoprunepolicy/[^/]*|immutabilitypolicy/[^/]*)$`)
)

// findUnserved reads a path of such a route.
func findUnserved(path string) (route, bool) {
	if unservedOfUser().MatchString(path) {
		return route{serve: (*Handler).serveUnserved}, true
	}
	if m := unservedOfOrganization().FindStringSubmatch(path); m != nil {
		return route{serve: (*Handler).serveUnserved, namespace: m[1]}, true
	}
	if unslashedOfRepository().MatchString(path) {
		return route{redirect: true}, true
	}
	if m := unservedOfRepository().FindStringSubmatch(path); m != nil {
		return route{serve: (*Handler).serveUnserved, namespace: m[1], repository: m[2]}, true
	}
	return route{}, false
}

// serveUnserved refuses who lacks the rights: an administrator's on the
// repository or organization, or on the caller's own account.
func (h *Handler) serveUnserved(q call) {
	ns, name := q.route.namespace, q.route.repository
	var may bool
	switch {
	case q.caller.badScope:
		sendCrash(q.w, q.r)
		return
	case name != "":
		may = h.st.role(q.caller, ns, name) >= roleAdmin
	case ns != "":
		may = h.st.namespaces[ns].ownedBy(q.caller.user) && q.caller.has("org:admin")
	default:
		may = q.caller.user != "" && q.caller.has("user:admin")
	}
	switch {
	case may:
		sendMessage(q.w, q.r, http.StatusNotImplemented, "quaytest does not serve this route of Quay")
	case q.caller.known():
		sendProblem(q.w, q.r, problemForbidden)
	default:
		sendProblem(q.w, q.r, problemAnonymous)
	}
}

// serveCapabilities answers GET /api/v1/registry/capabilities
// (endpoints/api/capabilities.py).
func (h *Handler) serveCapabilities(q call) {
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		return append(b, `{"sparse_manifests": {"supported": false, "required_architectures": [], "optional_architectures_allowed": false}, `+
			`"mirror_architectures": ["amd64", "arm64", "ppc64le", "s390x"]}`...)
	})
}

// serveDiscovery answers GET /api/v1/discovery, to anyone, with the frame of Quay's
// own description (endpoints/api/discovery.py): what it says of each route is left
// out.
func (h *Handler) serveDiscovery(q call) {
	scheme, host, _ := strings.Cut(h.origin(q.r), "://")
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = appendText(append(b, `{"swagger": "2.0", "host": `...), host)
		b = appendText(append(b, `, "basePath": "/", "schemes": [`...), scheme)
		return append(b, `], "info": {"version": "v1", "title": "Quay Frontend", "description": "This API allows you to perform many of the `+
			`operations required to work with Quay repositories, users, and organizations."}, "paths": {}, "definitions": {}, "tags": []}`...)
	})
}

// serveSearchAll answers GET /api/v1/find/all without a query as Quay does, and
// says of any other that it is not served (endpoints/api/search.py).
func (h *Handler) serveSearchAll(q call) {
	if query, _ := q.params.text("query"); query != "" {
		sendMessage(q.w, q.r, http.StatusNotImplemented, "quaytest does not serve this route of Quay")
		return
	}
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte { return append(b, `{"results": []}`...) })
}

// serveMessages answers GET /api/v1/messages: there are none.
func (h *Handler) serveMessages(q call) {
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte { return append(b, `{"messages": []}`...) })
}

// errorDescriptions are those of endpoints/exception.py.
var errorDescriptions = map[string]string{
	"external_service_timeout": "An external service timed out. Retrying the request may resolve the issue.",
	"invalid_request":          "The request was invalid. It may have contained invalid values or was improperly formatted.",
	"invalid_response":         "The response was invalid.",
	"invalid_token":            "The access token provided was invalid.",
	"expired_token":            "The access token provided has expired.",
	"insufficient_scope":       "The access token did not have sufficient scope to access the requested resource.",
	"fresh_login_required":     "The action requires a fresh login to succeed.",
	"exceeds_license":          "The action was refused because the current license does not allow it.",
	"not_found":                "The resource was not found.",
	"downstream_issue":         "An error occurred in a downstream service.",
	"tag_immutable":            "The tag is immutable and cannot be modified or deleted.",
	"token_rotation_failed":    "Token rotation failed.",
}

// serveErrorType answers GET /api/v1/error/TYPE, which an error's type links to.
func (h *Handler) serveErrorType(q call) {
	kind := strings.TrimPrefix(q.r.URL.Path, "/api/v1/error/")
	text, ok := errorDescriptions[kind]
	if !ok {
		sendProblem(q.w, q.r, problemNotFound)
		return
	}
	sendJSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = appendText(append(b, `{"type": `...), origin(q.r)+"/api/v1/error/"+kind)
		b = appendText(append(b, `, "title": `...), kind)
		return append(appendText(append(b, `, "description": `...), text), '}')
	})
}

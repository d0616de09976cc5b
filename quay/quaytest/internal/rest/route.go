// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// Routes of Quay that the embedded server does not serve (endpoints/api/*.py). A
// caller without the rights gets Quay's refusal. A caller with the rights gets 501.
var (
	unservedOfUser = wire.Pattern(`^/api/v1/user/(?:apptoken|logs|aggregatelogs|robots|starred|notifications|authorizations|` +
		`assignedauthorization|private|quota|namespacenotifications|autoprunepolicy/|namespacequota)(?:/[^/]+)?$`)
	unservedOfOrganization = wire.Pattern(`^/api/v1/organization/([^/]+)/(?:members|collaborators|robots|logs|aggregatelogs|` +
		`applications|prototypes|private|quota|proxycache|mirror|notifications|autoprunepolicy/|immutabilitypolicy/|team/[^/]+/(?:members|permissions))(?:/[^/]+)?$`)
	unslashedOfRepository = wire.Pattern(`^/api/v1/repository/[^/]+/.+/(?:build|permissions/(?:team|user)|tokens|notification|trigger|` +
		`autoprunepolicy|immutabilitypolicy)$`) // redirected to the same path with a slash
	unservedOfRepository = wire.Pattern(`^/api/v1/repository/([^/]+)/(.+)/(?:mirror|logs|aggregatelogs|permissions/(?:team|user)/[^/]*|` +
		`tokens/[^/]*|notification/[^/]*|trigger/[^/]*|autoprunepolicy/[^/]*|immutabilitypolicy/[^/]*)$`)
)

// findUnserved parses a path of such a route.
func findUnserved(path string) (route, bool) {
	if unservedOfUser().MatchString(path) {
		return route{serve: (*API).serveUnserved}, true
	}
	if m := unservedOfOrganization().FindStringSubmatch(path); m != nil {
		return route{serve: (*API).serveUnserved, namespace: m[1]}, true
	}
	if unslashedOfRepository().MatchString(path) {
		return route{redirect: true}, true
	}
	if m := unservedOfRepository().FindStringSubmatch(path); m != nil {
		return route{serve: (*API).serveUnserved, namespace: m[1], repository: m[2]}, true
	}
	return route{}, false
}

// serveUnserved refuses callers without the rights: those of an administrator of
// the repository or organization, or the scope user:admin for the caller's own
// account.
func (a *API) serveUnserved(q call) {
	ns, name := q.route.namespace, q.route.repository
	var may bool
	switch {
	case q.caller.BadScope:
		wire.SendCrash(q.w, q.r)
		return
	case name != "":
		may = a.Store.Role(q.caller, ns, name) >= store.RoleAdmin
	case ns != "":
		may = a.Store.Namespace(ns).OwnedBy(q.caller.User) && q.caller.Has("org:admin")
	default:
		may = q.caller.User != "" && q.caller.Has("user:admin")
	}
	switch {
	case may:
		wire.SendMessage(q.w, q.r, http.StatusNotImplemented, "quaytest does not serve this route of Quay")
	case q.caller.Known():
		wire.SendProblem(q.w, q.r, wire.Forbidden)
	default:
		wire.SendProblem(q.w, q.r, wire.Unauthenticated)
	}
}

// serveCapabilities answers GET /api/v1/registry/capabilities
// (endpoints/api/capabilities.py).
func (a *API) serveCapabilities(q call) {
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		return append(b, `{"sparse_manifests": {"supported": false, "required_architectures": [], "optional_architectures_allowed": false}, `+
			`"mirror_architectures": ["amd64", "arm64", "ppc64le", "s390x"]}`...)
	})
}

// serveDiscovery answers GET /api/v1/discovery with the frame of Quay's description
// of its API (endpoints/api/discovery.py). The descriptions of routes are left out.
func (a *API) serveDiscovery(q call) {
	scheme, host, _ := strings.Cut(wire.Origin(q.r), "://")
	if a.Hostname != "" {
		host = a.Hostname
	}
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = wire.AppendString(append(b, `{"swagger": "2.0", "host": `...), host)
		b = wire.AppendString(append(b, `, "basePath": "/", "schemes": [`...), scheme)
		return append(b, `], "info": {"version": "v1", "title": "Quay Frontend", "description": "This API allows you to perform many of the `+
			`operations required to work with Quay repositories, users, and organizations."}, "paths": {}, "definitions": {}, "tags": []}`...)
	})
}

// serveSearchAll answers GET /api/v1/find/all without a query as Quay does. With a
// query it answers 501 (endpoints/api/search.py).
func (a *API) serveSearchAll(q call) {
	if query, _ := q.params.String("query"); query != "" {
		wire.SendMessage(q.w, q.r, http.StatusNotImplemented, "quaytest does not serve this route of Quay")
		return
	}
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte { return append(b, `{"results": []}`...) })
}

// serveMessages answers GET /api/v1/messages with an empty list.
func (a *API) serveMessages(q call) {
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte { return append(b, `{"messages": []}`...) })
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

// serveErrorType answers GET /api/v1/error/TYPE, the URL in an error's type.
func (a *API) serveErrorType(q call) {
	kind := strings.TrimPrefix(q.r.URL.Path, "/api/v1/error/")
	text, ok := errorDescriptions[kind]
	if !ok {
		wire.SendProblem(q.w, q.r, wire.NotFound)
		return
	}
	wire.JSON(q.w, q.r, http.StatusOK, func(b []byte) []byte {
		b = wire.AppendString(append(b, `{"type": `...), wire.Origin(q.r)+"/api/v1/error/"+kind)
		b = wire.AppendString(append(b, `, "title": `...), kind)
		return append(wire.AppendString(append(b, `, "description": `...), text), '}')
	})
}

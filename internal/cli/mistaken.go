// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/ref"
)

// mistaken returns the error for an argument that is an address of another
// kind in the place of a pattern or an image: a page of Quay's web interface, a
// name with a transport, or a destination of copy. The error names the pattern
// that was probably meant. A text that begins with quay:// is never mistaken.
func mistaken(arg string, fit func(name string) string) error {
	shown, _, _ := strings.Cut(safe(arg), "?") // a query may hold a token
	scheme, rest, schemed := strings.Cut(arg, "://")
	schemed = schemed && !strings.ContainsAny(scheme, "/?@")
	transport, path, _ := strings.Cut(arg, ":")
	transport = strings.ToLower(transport)
	switch scheme = strings.ToLower(scheme); {
	case schemed && scheme == "quay":
		return nil
	case schemed && scheme != dockerRegistry:
		return usagef("%q begins with %s://, and a pattern must not%s", shown, scheme, meant(rest, fit))
	case transport == dockerRegistry && strings.Contains(path, "/"):
		return usagef("%q begins with a transport, and a pattern must not%s", shown, meant(strings.TrimLeft(path, "/"), fit))
	case slices.Contains(transports(), transport) && path != "":
		return usagef("%q is a destination of copy, and a pattern is expected: write HOST/ORG/GLOB:TAG (or quay://%s/*:TAG, if that is an organization)",
			shown, transport)
	case webPage(arg) != "":
		return usagef("%q is the address of a web page%s (if the organization has that name: quay://%s)", shown, meant(arg, fit), fit(shown))
	}
	return nil
}

// meant returns the end of an error, which suggests the pattern that an address stands for.
func meant(address string, fit func(name string) string) string {
	name := webPage(address)
	if name != "" && !strings.Contains(name, "@") {
		return fmt.Sprintf(": did you mean %s?", redact.Escape(fit(name)))
	}
	name = cmp.Or(name, address)
	_, err := ref.ParsePattern(name)
	_, notImage := ref.ParseImage(name)
	if err != nil && notImage != nil {
		return ": write HOST/ORG/GLOB:TAG"
	}
	return fmt.Sprintf(": did you mean %s?", fit(name))
}

// webPage returns HOST/ORG or HOST/ORG/REPO[:TAG] for the address of a page of
// Quay's web interface or of its API, without its scheme; or "".
func webPage(address string) string {
	address, query, _ := strings.Cut(address, "?")
	address, _, _ = strings.Cut(address, "#")
	host, path, _ := strings.Cut(address, "/")
	path = strings.Trim(strings.TrimPrefix(path, "api/v1/"), "/")
	kind, name, _ := strings.Cut(path, "/")
	parts := strings.Split(name, "/")
	switch {
	case !strings.ContainsAny(host, ".:") && host != "localhost", strings.ContainsAny(name, "*?[{!:@ ") && kind != "repository":
		return ""
	case (kind == "organization" || kind == "user") && name != "" && !strings.Contains(name, ":"):
		return host + "/" + parts[0]
	case kind != "repository" || len(parts) < 2 || parts[1] == "":
		return ""
	}
	tag, digest := "", ""
	if values, err := url.ParseQuery(query); err == nil {
		tag = values.Get("tag")
	}
	if len(parts) > 3 {
		switch last := parts[len(parts)-1]; parts[len(parts)-2] {
		case "tag":
			tag, parts = last, parts[:len(parts)-2]
		case "manifest":
			digest, parts = last, parts[:len(parts)-2]
		case "build", "trigger":
			parts = parts[:len(parts)-2]
		}
	}
	image := host + "/" + strings.Join(parts, "/")
	if digest != "" {
		return image + "@" + digest
	}
	if tag != "" && ref.ValidTag(tag) == nil {
		return image + ":" + tag
	}
	return image
}

// whole returns a name unchanged, for arguments that are patterns or images.
func whole(name string) string { return name }

// repositoryIn returns the repository of an image or pattern.
func repositoryIn(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		return name[:at]
	}
	return name
}

// namespaceIn returns the organization of an image or pattern, with its host.
func namespaceIn(name string) string {
	p, err := ref.ParsePattern(repositoryIn(name))
	if err != nil {
		return name
	}
	return strings.TrimPrefix(p.Host+"/"+p.Namespace, "/")
}

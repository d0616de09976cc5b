// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/ref"
)

// An Image is one image to copy, as discovery found it. A plain value.
type Image struct {
	// Host is the registry's host, or host:port.
	Host string
	// Repository is namespace/name.
	Repository string
	// Tag is "" if the image is known by its digest only.
	Tag string
	// Digest is the digest of the tag. If it is "", a request to the registry resolves the
	// tag, which a Quay counts as a pull (doc/quay-api.md section 5).
	Digest digest.Digest
}

// Reference returns host/namespace/name:tag, or host/namespace/name@digest for an image
// without a tag. A layout uses it as the name of the image.
func (i Image) Reference() string {
	if i.Tag == "" {
		return i.Host + "/" + i.Repository + "@" + i.Digest.String()
	}
	return i.Host + "/" + i.Repository + ":" + i.Tag
}

// Validate returns an error if the fields cannot be an image's name, before they become a
// URL or an entry of an index. They may come from a report that a user has edited.
func (i Image) Validate() error {
	namespace, name, _ := strings.Cut(i.Repository, "/")
	switch {
	case i.Host == "" || strings.ContainsAny(i.Host, "/@ ") || strings.ContainsFunc(i.Host, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("image %q: %q is not a host", i.Reference(), i.Host)
	case ref.ValidNamespace(namespace) != nil || ref.ValidRepository(name) != nil:
		return fmt.Errorf("image %q: %q is not a repository: want namespace/name", i.Reference(), i.Repository)
	case i.Tag == "" && i.Digest == "":
		return fmt.Errorf("image %q: it has neither tag nor digest", i.Reference())
	case i.Tag != "" && ref.ValidTag(i.Tag) != nil:
		return fmt.Errorf("image %q: %q is not a tag", i.Reference(), i.Tag)
	case i.Digest != "" && i.Digest.Validate() != nil:
		return fmt.Errorf("image %q: %q is not a digest", i.Reference(), i.Digest)
	}
	return nil
}

// ParseReference reads what Reference returns. The host ends at the first slash.
func ParseReference(s string) (Image, error) {
	var i Image
	rest := ""
	i.Host, rest, _ = strings.Cut(s, "/")
	if at := strings.IndexByte(rest, '@'); at >= 0 {
		i.Repository, i.Digest = rest[:at], digest.Digest(rest[at+1:])
	} else if at := strings.LastIndexByte(rest, ':'); at >= 0 {
		i.Repository, i.Tag = rest[:at], rest[at+1:]
	} else {
		i.Repository = rest
	}
	return i, i.Validate()
}

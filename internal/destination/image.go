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
	// Host is that of its registry: host, or host:port.
	Host string
	// Repository is namespace/name.
	Repository string
	// Tag is its name there; "" when it is known by digest alone.
	Tag string
	// Digest is what the tag stands for. "" asks the registry, which a Quay
	// counts as a pull (doc/quay-api.md section 5).
	Digest digest.Digest
}

// Reference names the image: host/namespace/name:tag, or
// host/namespace/name@digest when it has no tag. A layout keeps it by this name.
func (i Image) Reference() string {
	if i.Tag == "" {
		return i.Host + "/" + i.Repository + "@" + i.Digest.String()
	}
	return i.Host + "/" + i.Repository + ":" + i.Tag
}

// check refuses what cannot be an image's name, before it becomes a URL or an
// entry of an index. What comes here was checked before; a report may have
// been edited since.
func (i Image) Validate() error {
	namespace, name, _ := strings.Cut(i.Repository, "/")
	switch {
	case i.Host == "" || strings.ContainsAny(i.Host, "/@ ") || strings.ContainsFunc(i.Host, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("image %q: %q is no registry's host", i.Reference(), i.Host)
	case ref.ValidNamespace(namespace) != nil || ref.ValidRepository(name) != nil:
		return fmt.Errorf("image %q: %q is no repository: want namespace/name", i.Reference(), i.Repository)
	case i.Tag == "" && i.Digest == "":
		return fmt.Errorf("image %q: has neither tag nor digest", i.Reference())
	case i.Tag != "" && ref.ValidTag(i.Tag) != nil:
		return fmt.Errorf("image %q: %q is no tag", i.Reference(), i.Tag)
	case i.Digest != "" && i.Digest.Validate() != nil:
		return fmt.Errorf("image %q: %q is no digest", i.Reference(), i.Digest)
	}
	return nil
}

// parseReference reads what Reference gives. Host and repository part at the
// first slash, whatever the host looks like.
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

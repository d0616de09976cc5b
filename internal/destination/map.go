// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"fmt"
	"regexp"
	"strings"
)

// A Rename returns the repository, below the destination's prefix, for a repository of the
// source (namespace/name), by the rules of --map. It returns "" if no rule matches.
type Rename func(repository string) string

// maxName is the maximal length of a repository name that registries accept, in bytes.
const maxName = 255

// repositoryName is the grammar of repository names in distribution, which is narrower
// than that of a Quay.
var repositoryName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// checkRepository returns an error if registries do not accept a repository name.
func checkRepository(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("repository name %.40q... has %d characters; the limit of registries is %d", name, len(name), maxName)
	}
	if !repositoryName.MatchString(name) {
		return fmt.Errorf("%q is not a repository name: use lower-case letters and digits, separated by \".\", \"_\", \"-\" and \"/\"", name)
	}
	return nil
}

// ValidPrefix returns an error if a prefix of repository names is not valid.
func ValidPrefix(prefix string) error { return checkRepository(prefix) }

// ParseRename reads rules of the form FROM=TO. The first rule that matches an image
// applies. FROM is a repository (namespace/name), or the beginning of one and a star,
// which matches the rest, including slashes. TO is the name below the destination's
// prefix. A star in TO stands for that rest:
//
//	kolla/nova-api=nova               one repository
//	kolla/*=mirror/openstack-*        kolla/nova-api becomes mirror/openstack-nova-api
//	*=all/*                           keeps the namespace: kolla/nova-api becomes all/kolla/nova-api
//
// A star on one side only is refused, because many images would get the same name. Two
// rules without a star must not map two repositories to the same name. Whether TO, with
// the rest inserted, is a valid name is checked for each image; an invalid name fails that
// image. Errors quote the rule. Without rules, the Rename returns "" for every repository.
func ParseRename(rules []string) (Rename, error) {
	parsed := make([]renameRule, 0, len(rules))
	for _, text := range rules {
		r, err := parseRule(text)
		if err != nil {
			return nil, fmt.Errorf("map rule %q: %w", text, err)
		}
		parsed = append(parsed, r)
	}
	if err := shareTarget(parsed); err != nil {
		return nil, err
	}
	return func(repository string) string {
		for _, r := range parsed {
			if to, ok := r.apply(repository); ok {
				return to
			}
		}
		return ""
	}, nil
}

// shareTarget returns an error if two rules map two repositories to the same name.
func shareTarget(rules []renameRule) error {
	from := map[string]string{}
	for _, r := range rules {
		if r.star {
			continue
		}
		if first, ok := from[r.to]; ok && first != r.from {
			return fmt.Errorf("map rules %q and %q map two repositories to the same name: change one of them",
				first+"="+r.to, r.from+"="+r.to)
		}
		from[r.to] = r.from
	}
	return nil
}

// A renameRule is a rule FROM=TO. With a star, from is the text before the star.
type renameRule struct {
	from, to string
	star     bool
}

func parseRule(text string) (renameRule, error) {
	from, to, ok := strings.Cut(text, "=")
	if !ok || from == "" || to == "" {
		return renameRule{}, fmt.Errorf("is not FROM=TO, such as kolla/*=mirror/openstack-*")
	}
	prefix, star := strings.CutSuffix(from, "*")
	if strings.Contains(prefix, "*") {
		return renameRule{}, fmt.Errorf("in %q a star can only be the last character", from)
	}
	switch n := strings.Count(to, "*"); {
	case n > 1:
		return renameRule{}, fmt.Errorf("%q has more than one star", to)
	case n == 1 && !star:
		return renameRule{}, fmt.Errorf("%q has a star and %q has none", to, from)
	case n == 0 && star:
		return renameRule{}, fmt.Errorf("%q has a star and %q has none: many images would get the same name", from, to)
	}
	for _, side := range []string{from, to} {
		if err := checkRepository(strings.Replace(side, "*", "x", 1)); err != nil {
			return renameRule{}, err
		}
	}
	return renameRule{prefix, to, star}, nil
}

// apply returns the new name, if the rule matches the repository.
func (r renameRule) apply(repository string) (string, bool) {
	if !r.star {
		return r.to, repository == r.from
	}
	rest, ok := strings.CutPrefix(repository, r.from)
	return strings.Replace(r.to, "*", rest, 1), ok
}

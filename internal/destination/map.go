// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"fmt"
	"regexp"
	"strings"
)

// A Rename is what --map asks for: it gives the repository that an image of a
// repository (namespace/name, at the source) has beneath the destination's
// prefix. "" says that it has no rule for it, and the destination's own way of
// naming holds.
type Rename func(repository string) string

// maxName bounds a repository name, in bytes; what registries take.
const maxName = 255

// repositoryName is what registries take for a repository: the grammar of the
// reference in distribution, which is narrower than that of a Quay.
var repositoryName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// checkRepository tells what is wrong with the name of a repository.
func checkRepository(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("repository name %.40q... has %d characters, and registries take %d", name, len(name), maxName)
	}
	if !repositoryName.MatchString(name) {
		return fmt.Errorf("%q is no repository name: it has lower-case letters and digits, parted by \".\", \"_\", \"-\" and \"/\"", name)
	}
	return nil
}

// ValidPrefix checks what comes before the names of repositories at a registry.
func ValidPrefix(prefix string) error { return checkRepository(prefix) }

// ParseRename reads rules of the form FROM=TO; the first that fits an image
// wins. FROM is a repository (namespace/name), or the beginning of one and a
// star, which stands for the rest, slashes too. TO is the name beneath the
// destination's prefix; a star in it becomes that rest:
//
//	kolla/nova-api=nova               one repository
//	kolla/*=mirror/openstack-*        kolla/nova-api becomes mirror/openstack-nova-api
//	*=all/*                           keeps the namespace: kolla/nova-api becomes all/kolla/nova-api
//
// A star on one side only is refused, as many images would get one name, and so
// are two rules without one that give two repositories one name. Each
// TO is checked with a rest of one letter; whether it is a name with the rest
// that an image brings is known when the image comes, and is that image's
// error. Errors quote the rule and are errors of usage. No rules give a Rename
// that has no rule for anything.
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

// shareTarget refuses two repositories that get one name.
func shareTarget(rules []renameRule) error {
	from := map[string]string{}
	for _, r := range rules {
		if r.star {
			continue
		}
		if first, ok := from[r.to]; ok && first != r.from {
			return fmt.Errorf("map rules %q and %q give two repositories one name: give one of them another",
				first+"="+r.to, r.from+"="+r.to)
		}
		from[r.to] = r.from
	}
	return nil
}

// A renameRule is one FROM=TO. With a star, from is what stands before it.
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
		return renameRule{}, fmt.Errorf("%q has a star and %q has none: many images would get one name", from, to)
	}
	for _, side := range []string{from, to} {
		if err := checkRepository(strings.Replace(side, "*", "x", 1)); err != nil {
			return renameRule{}, err
		}
	}
	return renameRule{prefix, to, star}, nil
}

// apply gives the new name, if the rule is for the repository.
func (r renameRule) apply(repository string) (string, bool) {
	if !r.star {
		return r.to, repository == r.from
	}
	rest, ok := strings.CutPrefix(repository, r.from)
	return strings.Replace(r.to, "*", rest, 1), ok
}

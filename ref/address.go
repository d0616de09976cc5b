// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scheme begins the canonical form of a pattern.
const scheme = "quay://"

// address is where a pattern or a reference begins: a host, perhaps, and a
// namespace.
type address struct {
	host      string
	namespace string
	rest      int // where what follows the namespace begins: "/", ":", "@" or the end
}

// parseAddress reads [quay://][HOST/]NAMESPACE. The first part is a host when a
// slash follows it and it has a dot or a port or is "localhost", and
// isOrganization does not tell otherwise.
func parseAddress(s string) (address, *SyntaxError) {
	start, err := cutScheme(s)
	if err != nil {
		return address{}, err
	}
	var a address
	slash := strings.IndexByte(s[start:], '/')
	switch {
	case slash < 0:
		if alone := s[start:]; isHost(alone[:leading(alone, notEnd)]) {
			return a, hostAlone(asciiLower(alone)).moved(start)
		}
	case isOrganization(s[start:start+slash], s[start+slash+1:]):
	case isHost(s[start : start+slash]):
		a.host = asciiLower(s[start : start+slash])
		if err := checkHost(a.host); err != nil {
			return a, err.moved(start)
		}
		start += slash + 1
	}
	a.rest = start + leading(s[start:], notEnd)
	a.namespace = s[start:a.rest]
	if err := namespaceName.check(a.namespace); err != nil {
		err.Msg += a.hint()
		return a, err.moved(start)
	}
	return a, nil
}

// hint is for those who meant the organization.
func (a address) hint() string {
	if a.host == "quay.io" || !strings.Contains(a.host, ".") {
		return ""
	}
	return fmt.Sprintf("; %q is read as a host, for its dot: if it is the organization, "+
		"write its host before it: quay.io/%s/...", a.host, a.host)
}

// isOrganization tells whether a first part with a dot is an organization all
// the same: when globs follow it and nothing else, which are no name of an
// organization. So openstack.kolla/nova-* needs no host before it.
func isOrganization(first, rest string) bool {
	second := rest[:leading(rest, notEnd)]
	return first != "quay.io" && namespaceName.check(first) == nil &&
		strings.ContainsAny(second, "*?[{,!") && !strings.HasPrefix(rest[len(second):], "/")
}

// hostAlone says that no organization follows what looks like a host. Only a
// name that is a host is quoted: other text may be a secret.
func hostAlone(s string) *SyntaxError {
	host := s
	if host[0] != '[' {
		host = s[:leading(s, notEnd)] // what follows is a port, or meant as a tag
	}
	if err := checkHost(host); err != nil {
		return err
	}
	return fail(len(s), "organization: the name is missing; %q is read as a host, for its form, "+
		"and an organization follows a host: quay.io/ORG", host)
}

// notEnd tells the bytes that do not end a namespace.
func notEnd(c byte) bool { return c != '/' && c != ':' && c != '@' }

// cutScheme gives the place after "quay://", or 0 when there is no scheme. A
// "://" further on, as in the value of a query, belongs to no scheme.
func cutScheme(s string) (int, *SyntaxError) {
	before, _, found := strings.Cut(s, "://")
	switch {
	case !found || strings.ContainsAny(before, "/?"):
		return 0, nil
	case asciiLower(before)+"://" != scheme:
		return 0, fail(0, "unknown scheme; write quay://ORG/GLOB:TAG or HOST/ORG/GLOB:TAG")
	}
	return len(scheme), nil
}

// isHost tells whether the first part of a reference is a host by its form. An
// organization may have a dot too; the rule is the one that all registry tools
// share, and hints in the errors tell those who meant the other.
func isHost(first string) bool {
	return strings.ContainsAny(first, ".:[") || asciiLower(first) == "localhost"
}

// checkHost finds what is wrong with a host in lower case: a name or an address
// of the internet (of version 6 in brackets), and perhaps a port.
func checkHost(s string) *SyntaxError {
	if i := strings.IndexByte(s, '@'); i >= 0 {
		return fail(i, "host: a user name or password has no place here; "+
			"a token is given in QUAYSIDE_TOKEN or a file")
	}
	if strings.HasPrefix(s, "[") {
		inside, port, closed := strings.Cut(s[1:], "]")
		ip, err := netip.ParseAddr(inside)
		if !closed || err != nil || !ip.Is6() || ip.Zone() != "" {
			return fail(0, "host: brackets hold an address such as [2001:db8::1]")
		}
		if port == "" {
			return nil
		}
		return checkPort(port).moved(len(s) - len(port))
	}
	name := s[:leading(s, func(c byte) bool { return c != ':' })]
	at := 0
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || len(name) > 253 {
			return fail(at, "host: a part of the name is missing or too long")
		}
		for i := range len(label) {
			c := label[i]
			edge := i == 0 || i == len(label)-1
			if !isLower(c) && !isDigit(c) && (c != '-' || edge) {
				char, _ := utf8.DecodeRuneInString(label[i:])
				return fail(at+i, "host: %q cannot stand here", char)
			}
		}
		at += len(label) + len(".")
	}
	if name == s {
		return nil
	}
	return checkPort(s[len(name):]).moved(len(name))
}

// checkPort finds what is wrong with ":8443".
func checkPort(s string) *SyntaxError {
	port := strings.TrimPrefix(s, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if port == s || err != nil || n == 0 || port[0] == '0' {
		return fail(0, "host: a port is a number from 1 to 65535; a tag comes last, after the repository")
	}
	return nil
}

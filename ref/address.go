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

// An address is the beginning of a pattern or reference: an optional host and a
// namespace.
type address struct {
	host      string
	namespace string
	rest      int // where what follows the namespace begins: "/", ":", "@" or the end
}

// parseAddress reads [quay://][HOST/]NAMESPACE. The first part is a host if a slash
// follows it and it has a dot or a port or is "localhost", unless isOrganization
// reports true.
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
			return a, hostAlone(asciiLower(alone)).shift(start)
		}
	case isOrganization(s[start:start+slash], s[start+slash+1:]):
	case isHost(s[start : start+slash]):
		a.host = asciiLower(s[start : start+slash])
		if err := checkHost(a.host); err != nil {
			return a, err.shift(start)
		}
		start += slash + 1
	}
	a.rest = start + leading(s[start:], notEnd)
	a.namespace = s[start:a.rest]
	if err := namespaceName.check(a.namespace); err != nil {
		err.Msg += a.hint()
		return a, err.shift(start)
	}
	return a, nil
}

// hint returns advice for a user who meant the host as an organization, or "".
func (a address) hint() string {
	if a.host == "quay.io" || !strings.Contains(a.host, ".") {
		return ""
	}
	return fmt.Sprintf("; %q is read as a host because of its dot: if it is the organization, "+
		"write its host before it: quay.io/%s/...", a.host, a.host)
}

// isOrganization reports whether a first part with a dot is an organization
// because nothing but globs follows it, which cannot be an organization's name. So
// openstack.kolla/nova-* needs no host before it.
func isOrganization(first, rest string) bool {
	second := rest[:leading(rest, notEnd)]
	return first != "quay.io" && namespaceName.check(first) == nil &&
		strings.ContainsAny(second, "*?[{,!") && !strings.HasPrefix(rest[len(second):], "/")
}

// hostAlone returns the error for a host that no organization follows. It quotes
// only a valid host: other text may be a secret.
func hostAlone(s string) *SyntaxError {
	host := s
	if host[0] != '[' {
		host = s[:leading(s, notEnd)] // without a port, or what was meant as a tag
	}
	if err := checkHost(host); err != nil {
		return err
	}
	return fail(len(s), "organization: the name is missing; %q is read as a host because of its form: "+
		"write an organization after it, as in quay.io/ORG", host)
}

// notEnd reports whether c does not end a namespace.
func notEnd(c byte) bool { return c != '/' && c != ':' && c != '@' }

// cutScheme returns the offset after "quay://", or 0 if there is no scheme. A "://"
// further on, as in the value of a query, is not the end of a scheme.
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

// isHost reports whether the first part of a reference has the form of a host.
// All registry tools share this rule. Errors have advice for users who meant
// an organization with a dot.
func isHost(first string) bool {
	return strings.ContainsAny(first, ".:[") || asciiLower(first) == "localhost"
}

// checkHost returns what is wrong with a host in lower case, or nil: a host is a
// name or an IP address (IPv6 in brackets), with an optional port.
func checkHost(s string) *SyntaxError {
	if i := strings.IndexByte(s, '@'); i >= 0 {
		return fail(i, "host: a user name or password is not allowed here; "+
			"give a token in $QUAYSIDE_TOKEN or with --token-file")
	}
	if strings.HasPrefix(s, "[") {
		inside, port, closed := strings.Cut(s[1:], "]")
		ip, err := netip.ParseAddr(inside)
		if !closed || err != nil || !ip.Is6() || ip.Zone() != "" {
			return fail(0, "host: want an IPv6 address in brackets, such as [2001:db8::1]")
		}
		if port == "" {
			return nil
		}
		return checkPort(port).shift(len(s) - len(port))
	}
	name := s[:leading(s, func(c byte) bool { return c != ':' })]
	at := 0
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || len(name) > 253 {
			return fail(at, "host: a part of the name is empty or too long")
		}
		for i := range len(label) {
			c := label[i]
			edge := i == 0 || i == len(label)-1
			if !isLower(c) && !isDigit(c) && (c != '-' || edge) {
				char, _ := utf8.DecodeRuneInString(label[i:])
				return fail(at+i, "host: %q is not allowed here", char)
			}
		}
		at += len(label) + len(".")
	}
	if name == s {
		return nil
	}
	return checkPort(s[len(name):]).shift(len(name))
}

// checkPort returns what is wrong with a port such as ":8443", or nil.
func checkPort(s string) *SyntaxError {
	port := strings.TrimPrefix(s, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if port == s || err != nil || n == 0 || port[0] == '0' {
		return fail(0, "host: a port is a number from 1 to 65535; a tag comes last, after the repository")
	}
	return nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"regexp"
	"sync"
)

var (
	// A password in an address, before the host. It may have an unescaped slash.
	userinfo = lazily(`://[^\s"'@]+@`)
	// A header with credentials, to the end of its line.
	header = lazily(`(?i)(authorization["']?\s*[:=]).*`)
	// The word after "password", "token" and the like.
	named = lazily(`(?i)(pass(?:word|wd|phrase)?|pwd|token|secret|credentials?|bearer|basic|api[_-]?key)(["']?(?:\s*[:=]\s*|\s+(?:is|was)\s+|\s+)["']?)([^\s"',;]+)`)
	// A long run of letters and digits, as tokens, keys and base64 are.
	long = lazily(`[A-Za-z0-9+_=-]{20,}`)
)

// Foreign returns the text of another program with [Mark] in place of what may be a
// secret: passwords in addresses, the word after "password", "token" and the like, and
// long runs of letters and digits. It prefers to hide too much.
func Foreign(text string) string {
	text = userinfo().ReplaceAllString(text, "://"+Mark+"@")
	text = header().ReplaceAllString(text, "${1} "+Mark)
	text = named().ReplaceAllStringFunc(text, func(match string) string {
		parts := named().FindStringSubmatch(match)
		if ordinary().MatchString(parts[3]) && !separated().MatchString(parts[2]) {
			return match // "token is not valid" is a sentence
		}
		return parts[1] + parts[2] + Mark
	})
	return long().ReplaceAllString(text, Mark)
}

var (
	ordinary  = lazily(`^[a-z]{1,12}[.:!?]?$`)
	separated = lazily(`[:=]`)
)

// lazily returns a function that compiles a regular expression when it is first
// called. A program that links the package and does not use it starts sooner.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

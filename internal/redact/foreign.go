// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package redact

import "regexp"

var (
	// A password in an address, before the host. It may have a slash that nobody escaped.
	userinfo = regexp.MustCompile(`://[^\s"'@]+@`)
	// A header with credentials, to the end of its line.
	header = regexp.MustCompile(`(?i)(authorization["']?\s*[:=]).*`)
	// What follows a word for a secret.
	named = regexp.MustCompile(`(?i)(pass(?:word|wd|phrase)?|pwd|token|secret|credentials?|bearer|basic|api[_-]?key)(["']?(?:\s*[:=]\s*|\s+(?:is|was)\s+|\s+)["']?)([^\s"',;]+)`)
	// A long run of letters and digits, as tokens, keys and base64 are.
	long = regexp.MustCompile(`[A-Za-z0-9+_=-]{20,}`)
)

// Foreign returns the text of another program without what may be a secret in
// it: passwords in addresses, what follows a word such as "password" or
// "token", and long runs of letters and digits. It would rather hide too much than
// too little.
func Foreign(text string) string {
	text = userinfo.ReplaceAllString(text, "://"+Mark+"@")
	text = header.ReplaceAllString(text, "${1} "+Mark)
	text = named.ReplaceAllStringFunc(text, func(match string) string {
		parts := named.FindStringSubmatch(match)
		if ordinary.MatchString(parts[3]) && !separated.MatchString(parts[2]) {
			return match // "token is not valid" is a sentence
		}
		return parts[1] + parts[2] + Mark
	})
	return long.ReplaceAllString(text, Mark)
}

var (
	ordinary  = regexp.MustCompile(`^[a-z]{1,12}[.:!?]?$`)
	separated = regexp.MustCompile(`[:=]`)
)

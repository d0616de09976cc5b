// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// secrets are what a registry was told or gave and nobody else may see. They
// are kept to search what a server says for them: an error that repeats one
// is not shown. Safe for concurrent use.
type secrets struct {
	mu    sync.Mutex
	forms []string
}

const (
	maxSecrets = 4096 // forms kept; the oldest go first
	minSecret  = 4    // bytes: a shorter one is in every text
)

// add remembers a secret, and how it looks escaped.
func (s *secrets) add(secret string) {
	if len(secret) < minSecret {
		return
	}
	quoted, _ := json.Marshal(secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(quoted[1 : len(quoted)-1]),
		base64.StdEncoding.EncodeToString([]byte(secret))} {
		if !slices.Contains(s.forms, form) {
			s.forms = append(s.forms, form)
		}
	}
	if n := len(s.forms) - maxSecrets; n > 0 {
		s.forms = slices.Delete(s.forms, 0, n)
	}
}

func (s *secrets) addCredential(c Credential) {
	if user, secret := c.parts(); secret != "" {
		s.add(secret)
		s.add(base64.StdEncoding.EncodeToString([]byte(user + ":" + secret)))
	}
}

// shown tells whether a text has a secret in it.
func (s *secrets) shown(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.forms, func(form string) bool { return strings.Contains(text, form) })
}

const maxText = 300 // characters shown of a server's text

// tidy makes a server's text fit to be shown: one line of printable characters,
// not too long, and nothing at all when there is a secret in it.
func (s *secrets) tidy(text string) string {
	if s.shown(text) {
		return ""
	}
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' ' // control and format characters, and all spaces
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxText {
		text = string(r[:maxText]) + "..."
	}
	if s.shown(text) { // put together by the tidying
		return ""
	}
	return text
}

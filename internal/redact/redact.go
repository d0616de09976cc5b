// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package redact keeps secrets out of texts. A Redactor is told the secrets of
// a run (tokens, passwords) and replaces them in any text, in whatever form
// they turn up there: as they are, in upper or lower case, in hexadecimal digits, escaped
// for a URL, in quotes, in JSON or HTML, whichever characters are escaped, and in base64,
// alone or within a longer text as HTTP's Basic authentication sends them.
//
// One Redactor serves a whole run of the command: all that it writes on standard
// error, and each error in a report, an event or a JSON answer, passes through it.
// [Foreign] is for the texts of other programs, whose secrets nobody knows.
package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

const (
	// minSecret is how short a secret may be, in bytes: a shorter one is in
	// every text.
	minSecret = 4
	// minPacked is how short a secret may be that is looked for within base64.
	minPacked = 6
	// minPart is how short a part of a secret may be, in bytes, that is looked
	// for where a text was cut off.
	minPart = 8
	// maxPassing is how many secrets are kept that live only for a while.
	maxPassing = 1024
	// keyLen is how many bytes of a form choose the forms to compare with.
	keyLen = 4
)

// A Redactor knows secrets. The zero value knows none, and so does nil, which
// is told none. Safe for concurrent use.
type Redactor struct {
	mu   sync.RWMutex
	know *knowledge // behind a pointer: no way of printing a Redactor shows it
}

type knowledge struct {
	forms   map[[keyLen]byte][]form
	counts  map[string]int // how many secrets have a form
	passing []string       // the oldest first
}

// A form is one way in which a secret is written, in lower case.
type form struct {
	text   string
	packed bool // part of a text in base64
}

// Add remembers a secret for good. A secret of less than four bytes is ignored.
func (r *Redactor) Add(secret string) { r.add(secret, false) }

// AddPassing remembers a secret that a server made, of which there may be many:
// the oldest are forgotten.
func (r *Redactor) AddPassing(secret string) { r.add(secret, true) }

// AddBasic remembers a password for good, also as Basic authentication sends it.
func (r *Redactor) AddBasic(user, password string) {
	r.Add(password)
	if r != nil && len(password) > 0 && len(user)+len(password) >= minSecret {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			r.learn(form{encoding.EncodeToString([]byte(user + ":" + password)), true})
		}
	}
}

// AddAddress remembers the user and password in an address for good, such as that of
// a proxy. The address need not be a valid URL: errors repeat invalid ones.
func (r *Redactor) AddAddress(address string) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return
	}
	info := address[:at]
	if _, rest, found := strings.Cut(info, "://"); found {
		info = rest
	}
	user, password, found := strings.Cut(info, ":")
	if !found {
		user, password = "", info // a token alone
	}
	same := func(text string) (string, error) { return text, nil }
	for _, unescape := range []func(string) (string, error){same, url.PathUnescape, url.QueryUnescape} {
		u, wrong := unescape(user)
		p, bad := unescape(password)
		if wrong != nil || bad != nil {
			continue
		}
		r.AddBasic(u, p)
		if len(p) < minSecret { // TOKEN:x@proxy
			r.Add(u)
		}
	}
}

func (r *Redactor) add(secret string, passing bool) {
	if r == nil || len(secret) < minSecret {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if passing && r.know != nil && slices.Contains(r.know.passing, secret) {
		return
	}
	for _, f := range formsOf(secret) {
		r.learn(f)
	}
	if !passing {
		return
	}
	if r.know.passing = append(r.know.passing, secret); len(r.know.passing) > maxPassing {
		for _, f := range formsOf(r.know.passing[0]) {
			r.know.forget(f)
		}
		r.know.passing = slices.Delete(r.know.passing, 0, 1)
	}
}

// begins returns how many bytes of a text, from its beginning, are the form: all of
// it, or a half or more, as where a text was cut off. 0 is none.
func (f form) begins(low string) int {
	n := 0
	for n < len(f.text) && n < len(low) && f.text[n] == low[n] {
		n++
	}
	if n == len(f.text) || n >= minPart && 2*n >= len(f.text) {
		return n
	}
	return 0
}

// learn adds a form. r.mu is held.
func (r *Redactor) learn(f form) {
	if r.know == nil {
		r.know = &knowledge{forms: map[[keyLen]byte][]form{}, counts: map[string]int{}}
	}
	f.text = lower(f.text)
	if len(f.text) < keyLen {
		return
	}
	if r.know.counts[f.text]++; r.know.counts[f.text] == 1 {
		key := [keyLen]byte([]byte(f.text))
		r.know.forms[key] = append(r.know.forms[key], f)
	}
}

func (k *knowledge) forget(f form) {
	f.text = lower(f.text)
	if len(f.text) < keyLen {
		return
	}
	if k.counts[f.text]--; k.counts[f.text] > 0 {
		return
	}
	delete(k.counts, f.text)
	key := [keyLen]byte([]byte(f.text))
	k.forms[key] = slices.DeleteFunc(k.forms[key], func(known form) bool { return known.text == f.text })
}

// formsOf lists how a secret may be written.
func formsOf(secret string) []form {
	inJSON, _ := json.Marshal(secret)
	texts := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String()[1:],
		html.EscapeString(secret), string(inJSON[1 : len(inJSON)-1]), hex.EncodeToString([]byte(secret)),
	}
	for _, quoted := range []string{strconv.Quote(secret), strconv.QuoteToASCII(secret)} {
		texts = append(texts, quoted[1:len(quoted)-1])
	}
	var forms []form
	seen := map[string]bool{}
	for _, text := range texts {
		if text = lower(text); !seen[text] {
			seen[text] = true
			forms = append(forms, form{text, false})
		}
	}
	if len(secret) < minPacked {
		return forms
	}
	// Within base64 a text looks different by the place, modulo three, at which it
	// begins. Only characters that its neighbours do not change are compared.
	for before := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
			begin, end := (before*8+5)/6, (before+len(secret))*8/6
			if text := lower(encoded[begin:end]); !seen[text] {
				seen[text] = true
				forms = append(forms, form{text, true})
			}
		}
	}
	return forms
}

// Text returns a text with [Mark] in the place of each secret.
func (r *Redactor) Text(text string) string {
	found := r.find(text, false)
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	last := 0
	for _, s := range found {
		b.WriteString(text[last:s.begin])
		b.WriteString(Mark)
		last = s.end
	}
	b.WriteString(text[last:])
	return b.String()
}

// Shows reports whether there is a secret in a text.
func (r *Redactor) Shows(text string) bool { return len(r.find(text, true)) > 0 }

// String shows no secret.
func (r *Redactor) String() string { return Mark }

// A stretch is a part of a text.
type stretch struct{ begin, end int }

// find returns the stretches of a text that are secrets, or only the first.
func (r *Redactor) find(text string, first bool) (found []stretch) {
	if r == nil {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.know == nil {
		return nil
	}
	found = r.know.find(lower(text), first)
	if len(found) > 0 && first {
		return found
	}
	if plain, from := unescape(text); from != nil {
		for _, s := range r.know.find(lower(plain), first) {
			found = append(found, stretch{from[s.begin].begin, from[s.end-1].end})
		}
		found = merge(found)
	}
	return found
}

// find returns the stretches of a text in lower case that are secrets, or only the first.
func (k *knowledge) find(low string, first bool) (found []stretch) {
	for i := 0; i+keyLen <= len(low); {
		longest, packed := 0, false
		for _, f := range k.forms[[keyLen]byte([]byte(low[i:i+keyLen]))] {
			if n := f.begins(low[i:]); n > longest {
				longest, packed = n, f.packed
			}
		}
		if longest == 0 {
			i++
			continue
		}
		s := stretch{i, i + longest}
		if packed {
			s = widen(low, s)
		}
		if n := len(found); n > 0 && s.begin <= found[n-1].end {
			found[n-1].end = max(s.end, found[n-1].end)
		} else {
			found = append(found, s)
		}
		if first {
			return found
		}
		i = max(s.end, i+1)
	}
	return found
}

// widen adds to a stretch of base64 the characters beside it that hold a part of
// the secret's first and last byte, and the padding. The character after a
// backslash is not taken: the text may be JSON.
func widen(low string, s stretch) stretch {
	if s.begin > 0 && isPacked(low[s.begin-1]) && !strings.Contains(low[max(0, s.begin-6):s.begin], `\`) {
		s.begin--
	}
	for n := 0; n < 2 && s.end < len(low) && isPacked(low[s.end]); n++ {
		s.end++
	}
	for s.end < len(low) && low[s.end] == '=' {
		s.end++
	}
	return s
}

func isPacked(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("+/-_", c) >= 0
}

// lower keeps the length of a text, whatever bytes are in it.
func lower(text string) string {
	for i := range len(text) {
		if c := text[i]; c >= 'A' && c <= 'Z' {
			b := []byte(text)
			for ; i < len(b); i++ {
				if c := b[i]; c >= 'A' && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return text
}

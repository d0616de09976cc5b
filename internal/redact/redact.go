// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package redact keeps secrets out of texts, and makes servers' texts safe to show. A
// [Redactor] learns the secrets of a run (tokens, passwords) and replaces them in any
// text, in whatever form they occur: in upper or lower case, in hexadecimal digits,
// escaped for a URL, JSON, Go or HTML, and in base64, alone or within a longer text such
// as HTTP's Basic authentication.
//
// One Redactor serves a whole run of the command: all that the command writes on
// standard error, and each error in a report, an event or a JSON answer, passes through
// it. [Foreign] redacts the texts of other programs, whose secrets are not known. A
// [Secret] holds a secret that must not print.
package redact

import (
	"encoding/base64"
	"encoding/hex"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Mark replaces a secret.
const Mark = "[redacted]"

const (
	// minSecret is the length of the shortest secret that is redacted, in bytes. Shorter
	// texts occur everywhere by chance.
	minSecret = 4
	// minPacked is the length of the shortest secret that is searched for within base64.
	minPacked = 6
	// minPart is the length of the shortest part of a secret that is searched for, in
	// bytes, in texts that were cut off.
	minPart = 8
	// perGeneration is how many passing secrets a generation has. Two generations are
	// kept.
	perGeneration = 512
	// keyLen is how many bytes of a form select the forms to compare with.
	keyLen = 4
)

// A Redactor knows secrets. The zero value knows none. A nil Redactor ignores Add. Safe
// for concurrent use.
type Redactor struct {
	mu   sync.RWMutex
	know *knowledge // a pointer, because fmt prints the address of a pointer in a struct
}

type knowledge struct {
	known map[string]int // the generation of each secret
	forms map[[keyLen]byte][]form
	now   int // the current generation of passing secrets
	added int // passing secrets in it
}

// lasting is the generation of the secrets of a whole run.
const lasting = math.MaxInt

// A form is one way to write a secret, in lower case.
type form struct {
	text       string
	packed     bool // part of a text in base64
	generation int
}

// Add keeps a secret for the whole run. It ignores a secret of less than four bytes.
func (r *Redactor) Add(secret string) { r.add(secret, formsOf(secret), lasting) }

// AddPassing adds a secret that a server issued. At least the last 512 are kept.
func (r *Redactor) AddPassing(secret string) { r.add(secret, formsOf(secret), 0) }

// AddBasic keeps a password for the whole run, also in the form of Basic authentication.
func (r *Redactor) AddBasic(user, password string) {
	r.Add(password)
	if password == "" {
		return
	}
	pair := user + ":" + password
	var forms []form
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		forms = append(forms, form{text: encoding.EncodeToString([]byte(pair)), packed: true})
	}
	r.add(pair, forms, lasting)
}

// AddAddress keeps the user and password in an address, such as a proxy's, for the whole
// run. The address need not be a valid URL, because errors quote invalid addresses too.
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

// add adds the forms of a secret to the current generation or for the whole run.
func (r *Redactor) add(secret string, forms []form, generation int) {
	if r == nil || len(secret) < minSecret {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.know == nil {
		r.know = &knowledge{known: map[string]int{}, forms: map[[keyLen]byte][]form{}}
	}
	k := r.know
	if known, ok := k.known[secret]; ok && (known == lasting || generation != lasting) {
		return
	}
	if generation != lasting {
		if k.added++; k.added > perGeneration {
			k.added = 1
			k.now++
			k.forget(k.now - 1)
		}
		generation = k.now
	}
	k.known[secret] = generation
	for _, f := range forms {
		f.text, f.generation = lower(f.text), generation
		key := [keyLen]byte([]byte(f.text))
		k.forms[key] = append(k.forms[key], f)
	}
}

// forget drops the secrets of generations before one.
func (k *knowledge) forget(before int) {
	maps.DeleteFunc(k.known, func(_ string, generation int) bool { return generation < before })
	for key, forms := range k.forms {
		if k.forms[key] = slices.DeleteFunc(forms, func(f form) bool { return f.generation < before }); len(k.forms[key]) == 0 {
			delete(k.forms, key)
		}
	}
}

// formsOf returns the ways to write a secret. unescape decodes the other ways.
func formsOf(secret string) []form {
	if len(secret) < minSecret {
		return nil
	}
	forms := []form{{text: secret}, {text: hex.EncodeToString([]byte(secret))}}
	if strings.Contains(secret, " ") {
		forms = append(forms, form{text: strings.ReplaceAll(secret, " ", "+")}) // in the query of a URL
	}
	if len(secret) < minPacked {
		return forms
	}
	// The base64 form of a text depends on its offset modulo three. Only the characters
	// that do not depend on the neighbours are compared.
	for before := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
			begin, end := (before*8+5)/6, (before+len(secret))*8/6
			forms = append(forms, form{text: encoded[begin:end], packed: true})
		}
	}
	return forms
}

// begins returns how many bytes at the beginning of a text match the form: all of them, or
// at least half, because the text may have been cut off. It returns 0 if the text does not
// begin with the form.
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

// Text returns a text with [Mark] in place of each secret.
func (r *Redactor) Text(text string) string {
	found := r.find(text)
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

// Shows reports whether a text contains a secret.
func (r *Redactor) Shows(text string) bool { return len(r.find(text)) > 0 }

// String returns [Mark].
func (r *Redactor) String() string { return Mark }

// A stretch is a part of a text.
type stretch struct{ begin, end int }

// find returns the stretches of a text that are secrets, in order.
func (r *Redactor) find(text string) []stretch {
	if r == nil {
		return nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.know == nil {
		return nil
	}
	found := r.know.find(lower(text))
	plain, from := unescape(text)
	if from != nil {
		for _, s := range r.know.find(lower(plain)) {
			found = append(found, stretch{from[s.begin].begin, from[s.end-1].end})
		}
	}
	return merge(found)
}

// find returns the stretches of a text in lower case that are secrets.
func (k *knowledge) find(low string) (found []stretch) {
	for i := 0; i+keyLen <= len(low); i++ {
		longest := form{}
		size := 0
		for _, f := range k.forms[[keyLen]byte([]byte(low[i:i+keyLen]))] {
			if n := f.begins(low[i:]); n > size {
				size, longest = n, f
			}
		}
		if size == 0 {
			continue
		}
		s := stretch{i, i + size}
		if longest.packed {
			s = widen(low, s)
		}
		found = append(found, s)
		i = s.end - 1
	}
	return found
}

// widen extends a stretch of base64 by the neighbouring characters that hold a part of
// the secret's first and last byte, and by the padding. It leaves the character after a
// backslash, because the text may be JSON.
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

// lower returns a text in lower case of ASCII. The length does not change.
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

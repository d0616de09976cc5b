// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Quay writes JSON with keys in a fixed order, a blank after each comma and
// colon, plain ASCII, and a line feed at the end. The Append functions write that
// form by hand because listings are most of the server's work under load.

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

// JSON sends the text that build appends to an empty buffer.
func JSON(w http.ResponseWriter, r *http.Request, status int, build func([]byte) []byte) {
	p := buffers.Get().(*[]byte)
	*p = append(build((*p)[:0]), '\n')
	Send(w, r, status, "application/json", *p)
	buffers.Put(p)
}

// Send sends a whole answer; a HEAD request gets no body.
func Send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// AppendString appends a JSON string in plain ASCII.
func AppendString[S ~string](b []byte, text S) []byte {
	s := string(text)
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == 0x7f:
			b = append(b, c)
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				b = append(b, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15])
			}
		}
		i += n
		from = i
	}
	return append(append(b, s[from:]...), '"')
}

// AppendStringOrNull appends a JSON string, or null if s is empty.
func AppendStringOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return AppendString(b, s)
}

// AppendTime appends Unix seconds as a date in the form of mail, zone -0000.
func AppendTime(b []byte, seconds int64) []byte {
	b = append(b, '"')
	b = time.Unix(seconds, 0).UTC().AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 -0000")
	return append(b, '"')
}

// AppendInt appends a number and the text after it.
func AppendInt(b []byte, n int64, after string) []byte {
	return append(strconv.AppendInt(b, n, 10), after...)
}

// AppendBool appends true or false.
func AppendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

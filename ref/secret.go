// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a token that does not print. However it is formatted, marshalled
// or logged, alone or inside another struct, its value does not appear: a
// secret that is set shows as "[redacted]" and one that is not as "". Only
// Reveal returns the value. The zero Secret is none. Safe for concurrent use.
type Secret struct {
	// A pointer, so that fmt prints an address even where it cannot call the
	// methods below: for a Secret in an unexported field.
	value *string
}

// NewSecret keeps value; the empty value gives the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value, for the one place that sends it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.value == nil }

// String returns "[redacted]", or "" when there is no secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString returns what String gives.
func (s Secret) GoString() string { return s.String() }

// Format writes what String gives, whatever the verb and its flags.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns what String gives; encoding/json and the YAML encoder use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns log/slog what String gives.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

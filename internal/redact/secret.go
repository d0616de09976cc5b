// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"fmt"
	"io"
	"log/slog"
)

// A Secret is a token or a password that does not print. If it is formatted,
// marshalled or logged, alone or inside another struct, [Mark] appears in its
// place, or nothing if it is not set. Only Reveal returns the value. The zero
// Secret is not set. Safe for concurrent use.
type Secret struct {
	// A pointer, because fmt cannot call the methods of an unexported field and
	// then prints an address.
	value *string
}

// NewSecret returns a Secret with the value. An empty value is the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value. Only the code that sends the secret calls it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether the secret is not set.
func (s Secret) IsZero() bool { return s.value == nil }

// String returns [Mark], or "" if the secret is not set.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return Mark
}

// Format writes what String returns, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns what String returns, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

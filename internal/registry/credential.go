// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// A Credential is a user name and its secret: a password, a robot's token, or
// an application token, whose user is "$oauthtoken" on a Quay (doc/quay-api.md
// section 4). The user "<token>" says that the secret is an identity token, as
// docker's files and helpers have it. The zero value is none.
//
// It does not print: not by any verb, not as JSON, not in a log.
type Credential struct {
	reveal  func() (user, secret string)
	ownHost bool // it is for the registry's own host alone
}

// identityUser marks an identity token.
const identityUser = "<token>"

// NewCredential makes a credential. Without a secret it is none.
func NewCredential(user, secret string) Credential {
	if secret == "" {
		return Credential{}
	}
	// A function prints as an address, even in a struct around it that is
	// printed by reflection, with whatever verb.
	return Credential{reveal: func() (string, string) { return user, secret }}
}

// OwnHost returns the credential for use with the registry's own host alone: it
// is not sent to a token server on another host. What docker login has stored
// goes to the token server that a registry names, as everywhere; the token of an
// API does not, since a Quay is its own token server.
func (c Credential) OwnHost() Credential {
	c.ownHost = true
	return c
}

// IsZero tells whether it is none.
func (c Credential) IsZero() bool { return c.reveal == nil }

// parts gives user and secret, for the one place that sends them.
func (c Credential) parts() (user, secret string) {
	if c.reveal == nil {
		return "", ""
	}
	return c.reveal()
}

// isPassword reports whether it can be sent by Basic authentication.
func (c Credential) isPassword() bool {
	user, secret := c.parts()
	return user != "" && user != identityUser && secret != ""
}

const unprinted = "[credential]"

// Format writes a word in its place, whatever the verb.
func (Credential) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, unprinted) }

// MarshalText gives the same word, to encoding/json among others.
func (Credential) MarshalText() ([]byte, error) { return []byte(unprinted), nil }

// LogValue gives the same word to log/slog.
func (Credential) LogValue() slog.Value { return slog.StringValue(unprinted) }

// Credentials find the credential for a repository (namespace/name) of a host
// (host or host:port). The zero Credential is none, and no error. They are
// asked after a 401, from many goroutines.
type Credentials interface {
	Credential(ctx context.Context, host, repository string) (Credential, error)
}

// Chain asks several Credentials in order, and takes the first that is not
// zero. An error ends it.
type Chain []Credentials

// Credential implements [Credentials].
func (c Chain) Credential(ctx context.Context, host, repository string) (Credential, error) {
	for _, one := range c {
		if found, err := one.Credential(ctx, host, repository); err != nil || !found.IsZero() {
			return found, err
		}
	}
	return Credential{}, nil
}

// ForHost gives one credential for all repositories of one host, as given to
// [New], and none for any other.
func ForHost(host string, c Credential) Credentials { return hostCredential{host, c} }

type hostCredential struct {
	host string
	c    Credential
}

func (h hostCredential) Credential(_ context.Context, host, _ string) (Credential, error) {
	if host != h.host {
		return Credential{}, nil
	}
	return h.c, nil
}

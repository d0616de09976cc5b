// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"strings"

	"github.com/quayside/quayside/internal/redact"
)

// A Credential is a user name and its secret: a password, a robot's token, or
// an application token, whose user is "$oauthtoken" on a Quay (doc/quay-api.md
// section 4). The user "<token>" says that the secret is an identity token, as
// docker's files and helpers have it. The zero value is none.
//
// It does not print: not by any verb, not as JSON, not in a log.
type Credential struct {
	pair    redact.Secret // user:secret, as Basic authentication has them
	ownHost bool          // it is for the registry's own host alone
}

// identityUser marks an identity token.
const identityUser = "<token>"

// NewCredential returns a credential. Without a secret it is the zero value.
func NewCredential(user, secret string) Credential {
	if secret == "" {
		return Credential{}
	}
	return Credential{pair: redact.NewSecret(user + ":" + secret)}
}

// OwnHost returns the credential for use with the registry's own host alone: it
// is not sent to a token server on another host. What docker login has stored
// goes to the token server that a registry names, as everywhere; the token of an
// API does not, since a Quay is its own token server.
func (c Credential) OwnHost() Credential {
	c.ownHost = true
	return c
}

// IsZero reports whether there is no credential.
func (c Credential) IsZero() bool { return c.pair.IsZero() }

// parts returns user and secret, for the one place that sends them.
func (c Credential) parts() (user, secret string) {
	user, secret, _ = strings.Cut(c.pair.Reveal(), ":")
	return user, secret
}

// isPassword reports whether it can be sent by Basic authentication.
func (c Credential) isPassword() bool {
	user, secret := c.parts()
	return user != "" && user != identityUser && secret != ""
}

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

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"strings"

	"github.com/quayside/quayside/internal/redact"
)

// A Credential is a user name and a secret: a password, a robot's token, or an
// application token, whose user is "$oauthtoken" on a Quay (doc/quay-api.md section 4).
// The secret of the user "<token>" is an identity token, as in docker's files and
// helpers. The zero value is no credential. A Credential does not print.
type Credential struct {
	pair    redact.Secret // user:secret, as in Basic authentication
	ownHost bool          // see OwnHost
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

// OwnHost returns the credential limited to the registry's own host. It is not sent to
// a token server on another host. Every client sends the credentials of docker login to
// such a server. An API token needs none, because a Quay is its own token server.
func (c Credential) OwnHost() Credential {
	c.ownHost = true
	return c
}

// IsZero reports whether there is no credential.
func (c Credential) IsZero() bool { return c.pair.IsZero() }

// parts returns the user and the secret. Only the code that sends them calls it.
func (c Credential) parts() (user, secret string) {
	user, secret, _ = strings.Cut(c.pair.Reveal(), ":")
	return user, secret
}

// isPassword reports whether the credential can be sent by Basic authentication.
func (c Credential) isPassword() bool {
	user, secret := c.parts()
	return user != "" && user != identityUser && secret != ""
}

// Credentials return the credential for a repository (namespace/name) of a host (host
// or host:port), or the zero Credential. Credential is called after a 401, from many
// goroutines.
type Credentials interface {
	Credential(ctx context.Context, host, repository string) (Credential, error)
}

// Chain returns the first credential that is not zero. An error ends the search.
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

// ForHost returns Credentials with one credential for all repositories of a host, named
// as in [New].
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

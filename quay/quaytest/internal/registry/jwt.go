// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// The lifetime of a registry token, and the difference of clocks that is tolerated
// (doc/quay-api.md section 5, "/v2/auth").
const (
	tokenLifetime = time.Hour
	tokenSkew     = 30 * time.Second
	tokenIssuer   = "quay"
)

// claims is the payload of a registry token. Its context repeats every name, as on
// Quay: a token for some fifty repositories is too long for a header line
// (doc/quay-api.md section 5; recording registry-auth).
type claims struct {
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"` // the service that was asked for
	NotBefore int64    `json:"nbf"` // Unix seconds, like the next two
	IssuedAt  int64    `json:"iat"`
	Expires   int64    `json:"exp"`
	Subject   string   `json:"sub"` // a user, a robot, or "(anonymous)"
	Access    []access `json:"access"`
	Context   struct {
		Roots map[string]string `json:"com.apostille.roots"`
		Root  string            `json:"com.apostille.root"`
		*Holder
	} `json:"context"`
}

// A Holder is the account of a registry token (auth/auth_context_type.py). Anonymous
// callers have none. Its lengths are those of recording registry-auth.
type Holder struct {
	Version         int    `json:"version"`
	EntityKind      string `json:"entity_kind"`
	EntityReference string `json:"entity_reference"`
	Kind            string `json:"kind"`
	OAuth           string `json:"oauth,omitempty"`
	User            string `json:"user"`
}

// holderOf returns the holder of a caller's token, or nil.
func holderOf(c store.Caller) *Holder {
	h := &Holder{Version: 2, Kind: "user", User: c.Name()}
	switch {
	case !c.Known():
		return nil
	case c.Robot != "":
		h.EntityKind, h.EntityReference = "robot", c.Robot
	case c.OAuth:
		h.EntityKind, h.EntityReference = "oauthtoken", uuidOf("token of "+c.User)
		h.Kind, h.OAuth = "oauth", h.EntityReference
	default:
		h.EntityKind, h.EntityReference = "user", uuidOf(c.User)
	}
	return h
}

// uuidOf returns the same UUID for the same text.
func uuidOf(text string) string {
	s := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:16])
}

// access is what a token grants on one repository, "namespace/name". A token may
// grant no actions: only the payload shows that.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// A signer signs registry tokens and checks them. It is safe for concurrent use.
type signer struct {
	key    *rsa.PrivateKey
	id     string // of the key
	header string // of every token, encoded
}

// signingKey returns the key of every signer in this process. Generating it takes
// longer than everything else at a server's start, so it happens once, and only if a
// token is needed. Servers still refuse each other's tokens: each names its key
// differently.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(fmt.Sprintf("quaytest: generate the key of registry tokens: %v", err)) // without memory or randomness
	}
	return key
})

// newSigner returns a function that makes the signer on its first call.
func newSigner() func() *signer {
	return sync.OnceValue(func() *signer {
		var random [sha256.Size]byte
		rand.Read(random[:]) // never fails
		id := base64.RawURLEncoding.EncodeToString(random[:])
		header := fmt.Sprintf(`{"alg":"RS256","kid":%q,"typ":"JWT"}`, id)
		return &signer{key: signingKey(), id: id, header: base64.RawURLEncoding.EncodeToString([]byte(header))}
	})
}

// sign returns a token that is valid for an hour from now (doc/quay-api.md section 5).
func (s *signer) sign(service string, caller store.Caller, granted []access, now time.Time) (string, error) {
	c := claims{Issuer: tokenIssuer, Audience: service, Subject: anonymous, Access: granted,
		NotBefore: now.Unix(), IssuedAt: now.Unix(), Expires: now.Add(tokenLifetime).Unix()}
	if caller.Known() {
		c.Subject = caller.Name()
	}
	c.Context.Holder = holderOf(caller)
	c.Context.Roots, c.Context.Root = map[string]string{}, "$disabled"
	for _, a := range granted {
		c.Context.Roots[a.Name] = "$disabled"
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	text := s.header + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// bearerForm matches a bearer token of two or more parts.
var bearerForm = wire.Pattern(`^Bearer ((?:[A-Za-z0-9+/_-]+\.)+[A-Za-z0-9+/_-]+)$`)

// check returns the claims of an Authorization header, or why it is refused. The
// messages are from Quay's source (util/security/registry_jwt.py) and its library
// PyJWT; the first one was recorded.
//
// The token endpoint issues a token for any service, and check refuses the token if
// that is not the server's own name (doc/quay-api.md section 5 and "Recorded").
func (s *signer) check(authorization, name string, now time.Time) (c claims, refused string) {
	m := bearerForm().FindStringSubmatch(authorization)
	if m == nil {
		return c, "Invalid bearer token format"
	}
	cut := strings.LastIndexByte(m[1], '.')
	text, signature := m[1][:cut], m[1][cut+1:]
	if refused := s.checkKey(m[1]); refused != "" {
		return c, refused
	}
	sum := sha256.Sum256([]byte(text))
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	_, payload, _ := strings.Cut(text, ".")
	switch {
	case err != nil, rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, sum[:], raw) != nil, !wire.DecodeSegment(payload, &c):
		return c, "Signature verification failed"
	case !now.Before(time.Unix(c.Expires, 0).Add(tokenSkew)):
		return c, "Signature has expired"
	case now.Before(time.Unix(c.NotBefore, 0).Add(-tokenSkew)):
		return c, "The token is not yet valid (nbf)"
	case c.Audience == "":
		return c, `Token is missing the "aud" claim`
	case c.Audience != name:
		return c, "Audience doesn't match"
	}
	return c, ""
}

// checkKey returns why a token cannot be one of the signer's, or "": it does not have
// the form of a JWT, or names no key or another key.
func (s *signer) checkKey(token string) (refused string) {
	if strings.Count(token, ".") != 2 {
		return "Not enough segments"
	}
	first, _, _ := strings.Cut(token, ".")
	var header struct {
		Key *string `json:"kid"`
	}
	switch {
	case !wire.DecodeSegment(first, &header):
		return "Invalid header padding"
	case header.Key == nil:
		return "Missing kid header"
	case *header.Key != s.id:
		return "Unknown service key"
	}
	return ""
}

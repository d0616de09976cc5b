// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// claims are the claims of a registry token that is a JWT, such as a Quay's. The
// signature is not verified: a false claim costs one request.
type claims struct {
	Expires   float64 `json:"exp"` // Unix seconds
	IssuedAt  float64 `json:"iat"`
	NotBefore float64 `json:"nbf"`
	Access    []struct {
		Type    string   `json:"type"`
		Name    string   `json:"name"`
		Actions []string `json:"actions"`
	} `json:"access"`
}

const maxToken = 64 << 10 // bytes of a token that is decoded

// readClaims decodes the payload of a JWT. It returns false if the value is not a JWT or
// does not list its access.
func readClaims(value string) (claims, bool) {
	parts := strings.Split(value, ".")
	if len(parts) != 3 || len(value) > maxToken {
		return claims{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var c claims
	if err != nil || json.Unmarshal(payload, &c) != nil || c.Access == nil {
		return claims{}, false
	}
	return c, true
}

// grants reports whether the token allows a scope. A token that grants nothing has an
// entry without actions (doc/quay-api.md section 5).
func (c claims) grants(want scope) bool {
	if !c.allows(want.repository, "pull") || want.push && !c.allows(want.repository, "push") {
		return false
	}
	return want.from == "" || c.allows(want.from, "pull")
}

func (c claims) allows(name, action string) bool {
	for _, a := range c.Access {
		if a.Type == "repository" && a.Name == name && (slices.Contains(a.Actions, action) || slices.Contains(a.Actions, "*")) {
			return true
		}
	}
	return false
}

// expiryMargin is the time before its expiry from which a token is no longer sent. A
// request may take that long to arrive.
const expiryMargin = time.Minute

// deadline returns the time until which the token may be used, or zero if unknown. It adds
// the token's lifetime to the local time, because the local clock may be wrong.
func (c claims) deadline(now time.Time) time.Time {
	begin := c.IssuedAt
	if begin == 0 {
		begin = c.NotBefore
	}
	life := time.Duration(c.Expires-begin) * time.Second
	if c.Expires == 0 || begin == 0 || life <= 0 || life > 365*24*time.Hour {
		return time.Time{}
	}
	return now.Add(max(life-expiryMargin, life/2))
}

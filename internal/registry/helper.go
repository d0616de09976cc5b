// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"time"

	"oras.land/oras-go/v2/registry/remote/credentials"
)

// A helper is a program that keeps credentials, docker-credential-NAME: oras
// knows how to talk to it. It is run once at a time, and what it said holds for
// a while: many repositories ask it the same. Safe for concurrent use.
type helper struct {
	file, name string
	turn       chan struct{} // holds one: who may run it
	said       map[string]answer
}

type answer struct {
	c     Credential
	until time.Time
}

// helperHolds is how long an answer holds. Some are good for hours, and some are
// made for the moment.
const helperHolds = time.Minute

// A helper's name becomes part of a command's, and must not lead elsewhere.
var helperForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func newHelper(file, name string) *helper {
	return &helper{file: file, name: name, turn: make(chan struct{}, 1), said: map[string]answer{}}
}

// credential asks for that of a host. An error names the program and says
// nothing of what it wrote, which may be a secret.
func (h *helper) credential(ctx context.Context, host string) (Credential, error) {
	if !helperForm.MatchString(h.name) {
		return Credential{}, fmt.Errorf("read credentials: %s: %.60q is no name of a credential helper", h.file, h.name)
	}
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return Credential{}, ctx.Err()
	}
	if a, ok := h.said[host]; ok && time.Now().Before(a.until) {
		return a.c, nil
	}
	server := host
	if plainHost(host) == "docker.io" {
		server = "https://index.docker.io/v1/" // as docker login has stored it
	}
	got, err := credentials.NewNativeStore(h.name).Get(ctx, server)
	switch {
	case ctx.Err() != nil:
		return Credential{}, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return Credential{}, fmt.Errorf("read credentials: %s wants docker-credential-%s, which is not installed", h.file, h.name)
	case err != nil:
		return Credential{}, fmt.Errorf("read credentials: docker-credential-%s, which %s names, failed for %s", h.name, h.file, host)
	}
	c := NewCredential(got.Username, got.Password)
	if got.RefreshToken != "" {
		c = NewCredential(identityUser, got.RefreshToken)
	}
	h.said[host] = answer{c, time.Now().Add(helperHolds)}
	return c, nil
}

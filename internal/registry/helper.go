// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/quayside/quayside/internal/redact"
)

// A helper runs a credential helper, docker-credential-NAME. It runs one process at a
// time and caches the answers, because many repositories need the same credential.
// Safe for concurrent use.
type helper struct {
	file, name string
	broken     error         // why the name is invalid; nil: it is valid
	turn       chan struct{} // of capacity one: full while the program runs
	said       map[string]answer
}

type answer struct {
	c     Credential
	err   error
	until time.Time
}

const (
	// helperHolds is how long an answer is cached. Some credentials are valid for
	// minutes only.
	helperHolds = time.Minute
	// helperLinger is how long a program's children may keep its output open after the
	// program has ended.
	helperLinger = 2 * time.Second
	// helperPatience is how long a program may run. It may prompt its user.
	helperPatience = 2 * time.Minute
	maxHelper      = 256 << 10 // bytes of the answer
	maxComplaint   = 4 << 10   // bytes of standard error
)

// helperForm is the form of a helper's name. The name is part of a program's name and must
// not contain a path.
var helperForm = lazily(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// newHelper returns the helper that a key of a file names, or nil if the name is empty.
func newHelper(file, member string, content json.RawMessage) *helper {
	var name string
	if len(content) == 0 || json.Unmarshal(content, &name) == nil && name == "" {
		return nil
	}
	var broken error
	if name == "" {
		broken = fmt.Errorf("read credentials: %s: %s is not the name of a credential helper; log in again", file, member)
	} else if !helperForm().MatchString(name) {
		broken = fmt.Errorf("read credentials: %s: %s: %.60q is not the name of a credential helper", file, member, name)
	}
	return &helper{file: file, name: name, broken: broken, turn: make(chan struct{}, 1), said: map[string]answer{}}
}

// credential returns the credential of a host.
func (h *helper) credential(ctx context.Context, host string) (Credential, error) {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return Credential{}, ctx.Err()
	}
	if a, ok := h.said[host]; ok && time.Now().Before(a.until) {
		return a.c, a.err
	}
	server := host
	if plainHost(host) == "docker.io" {
		server = "https://index.docker.io/v1/" // the name under which docker login stores it
	}
	c, err := h.run(ctx, server)
	switch {
	case ctx.Err() != nil:
		return Credential{}, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		err = fmt.Errorf("read credentials: %s names docker-credential-%s, which is not installed: install it, or remove its name from the file", h.file, h.name)
	case err != nil:
		err = fmt.Errorf("read credentials: docker-credential-%s, which %s names, failed for %s: %w", h.name, h.file, host, err)
	}
	h.said[host] = answer{c, err, time.Now().Add(helperHolds)}
	return c, err
}

// run runs the program by docker's protocol: the server on standard input, JSON on
// standard output. The error includes the program's standard error, and never its
// standard output, which may be a secret.
func (h *helper) run(ctx context.Context, server string) (Credential, error) {
	program, err := exec.LookPath("docker-credential-" + h.name)
	if err != nil {
		return Credential{}, err
	}
	out, complaint := bounded{left: maxHelper}, bounded{left: maxComplaint}
	limited, cancel := context.WithTimeout(ctx, helperPatience)
	defer cancel()
	cmd := exec.CommandContext(limited, program, "get")
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = strings.NewReader(server), &out, &complaint, helperLinger
	err = cmd.Run()
	switch {
	case errors.Is(err, exec.ErrWaitDelay): // the program succeeded, and its children still run
		err = nil
	case limited.Err() != nil && ctx.Err() == nil:
		err = fmt.Errorf("no answer within %v", helperPatience)
	}
	if err != nil && strings.TrimSpace(string(out.kept)) == "credentials not found in native keychain" {
		return Credential{}, nil
	}
	var wire struct{ Username, Secret string }
	if err == nil && json.Unmarshal(out.kept, &wire) != nil {
		err = errors.New("the answer is not JSON with a credential")
	}
	if err != nil {
		if text := (*redact.Redactor)(nil).Line(redact.Foreign(string(complaint.kept))); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return Credential{}, err
	}
	return NewCredential(wire.Username, wire.Secret), nil
}

// A bounded buffer drops what does not fit. It has no ReadFrom, which io.Copy would
// call instead of Write.
type bounded struct {
	kept []byte
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.kept, b.left = append(b.kept, p[:n]...), b.left-n
	return len(p), nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/quayside/quayside/internal/redact"
)

// maxToken bounds what is read of a token file. Quay's tokens have 40
// characters (doc/quay-api.md section 4).
const maxToken = 64 << 10

// readToken reads a token from a file, or from standard input when its name
// is "-".
func (a *app) readToken(ctx context.Context, file string) (redact.Secret, error) {
	text, info, err := []byte(nil), os.FileInfo(nil), error(nil)
	if file == "-" {
		text, err = readAll(ctx, io.LimitReader(a.stdin, maxToken+1))
	} else {
		text, info, err = readFile(ctx, file, maxToken)
		if wrong, ok := errors.AsType[*fs.PathError](err); ok && !strings.ContainsAny(file, `/\`) {
			err = fmt.Errorf("%w; --token-file takes the name of a file, and not the token", wrong.Err) // which it may be
		}
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			a.talk.warn("token file %s may be read by others: chmod 600 keeps it yours", file)
		}
	}
	text = bytes.TrimSpace(text)
	switch {
	case err != nil && ctx.Err() != nil:
		return redact.Secret{}, err
	case err != nil:
		return redact.Secret{}, usagef("token file: %w", err)
	case len(text) == 0:
		return redact.Secret{}, usagef("token file %s: it is empty", file)
	case len(text) > maxToken:
		return redact.Secret{}, usagef("token file %s: too long for a token", file)
	}
	a.talk.hide.Add(string(text))
	return redact.NewSecret(string(text)), nil
}

// readAll reads to the end, or until ctx ends: nobody may ever type the end of
// a terminal's input. The read itself cannot be stopped; it ends with the
// process.
func readAll(ctx context.Context, in io.Reader) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(in)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package layout_test

import (
	"context"
	"errors"
	"strconv"
	"syscall"

	"github.com/quayside/quayside/internal/layout"
)

// underUmask makes a layout with a blob, an entry and a partial file.
func underUmask(octal, dir string) error {
	umask, err := strconv.ParseInt(octal, 8, 32)
	if err != nil {
		return err
	}
	syscall.Umask(int(umask))
	l, err := layout.Open(dir, layout.Options{})
	if err != nil {
		return err
	}
	ctx, m := context.Background(), newImage(content(1, 1000))
	for d, b := range m.blobs {
		err = errors.Join(err, l.Put(ctx, describe("", m.blobs[d]), b))
	}
	err = errors.Join(err, l.Tag(ctx, layout.Entry{Name: "quay.io/org/a:1", Descriptor: m.root}))
	p, partial := l.Partial(ctx, describe("", content(2, 100)))
	if err := errors.Join(err, partial); err != nil {
		return err
	}
	_, err = p.Write(content(2, 100)[:50])
	return errors.Join(err, p.Close(), l.Close())
}

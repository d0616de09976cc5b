// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cursor

import (
	"strings"
	"testing"
	"time"
)

func FuzzCursor(f *testing.F) {
	key, now := NewKey(), time.Unix(1795446130, 0)
	good := key.Seal(Cursor{Start: 101, Page: 2}, now)
	for _, s := range []string{good, good[:120], NewKey().Seal(Cursor{Start: 1}, now), "", "garbage", "gAAAAA==", strings.Repeat("A", 400)} {
		f.Add(s, int64(101))
	}
	f.Fuzz(func(t *testing.T, s string, start int64) {
		if c, err := key.Open(s, now); err == nil && s != good {
			t.Errorf("%q is read as %+v", s, c)
		}
		c, err := key.Open(key.Seal(Cursor{Start: start, Page: 2}, now), now)
		if err != nil || c.Start != start {
			t.Errorf("%d becomes %+v, %v", start, c, err)
		}
	})
}

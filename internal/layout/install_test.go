// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestNameIsNotedAtOnce: as soon as a blob is visible, its folder is marked to be synced
// before the next write of the index. The test looks in a loop, for 50 blobs.
func TestNameIsNotedAtOnce(t *testing.T) {
	l, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 50 {
		content := []byte(strconv.Itoa(i))
		d := ocispec.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
		final := l.blob(d.Digest)
		if err := l.syncFolders(); err != nil { // forgets what is noted
			t.Fatal(err)
		}
		put := make(chan error, 1)
		go func() { put <- l.Put(t.Context(), d, content) }()
		for len(put) == 0 { // which ends it in any case
			if _, err := os.Lstat(final); err == nil {
				break
			}
		}
		l.mu.Lock()
		noted := l.unsynced[filepath.Dir(final)]
		l.mu.Unlock()
		if err := <-put; err != nil {
			t.Fatal(err)
		}
		if !noted {
			t.Fatalf("blob %d is there, and its folder is not noted", i)
		}
	}
}

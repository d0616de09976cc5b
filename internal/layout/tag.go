// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"unicode"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/manifest"
)

// change is one name that is to stand for another image, or for none.
type change struct {
	name  string
	entry *entry     // nil removes the name
	done  chan error // has room for the one answer
}

// Images returns the entries that are on disk and have full references for
// names, in the order of the names.
func (l *Layout) Images() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := make([]Entry, len(l.index.images))
	for i, e := range l.index.images {
		entries[i] = e.clone()
	}
	return entries
}

// Image returns the entry of a name, when it is on disk.
func (l *Layout) Image(name string) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, there := l.index.find(name)
	if !there {
		return Entry{}, false
	}
	return l.index.images[at].clone(), true
}

// copy returns an entry that its caller may write to.
func (e entry) clone() Entry {
	e.Descriptor.Annotations = maps.Clone(e.Descriptor.Annotations)
	return e.Entry
}

// Tag makes name, a full reference, stand for the manifest, which is there with
// all it points to; ErrMissing when the manifest is not. What the name stood
// for before stays as a blob. It returns when the entry is on disk, after all
// that it points to. Many calls at once share one write. Annotations of the
// descriptor are kept; see AnnotationIndex. When the context ends before, the
// entry may still get there.
func (l *Layout) Tag(ctx context.Context, e Entry) error {
	if err := errors.Join(checkName(e.Name), manifest.Check(e.Descriptor), l.writable(ctx)); err != nil {
		return l.failed("tag", err)
	}
	info, err := disk.Stat(l.blob(e.Descriptor.Digest))
	if err != nil || info.Size() != e.Descriptor.Size {
		return l.failed("tag "+e.Name, fmt.Errorf("manifest %s: %w", e.Descriptor.Digest, ErrMissing))
	}
	if e.Descriptor.Annotations[AnnotationIndex] == SparseIndex {
		e.Descriptor.Annotations = maps.Clone(e.Descriptor.Annotations)
		kept, err := l.kept(ctx, e.Descriptor)
		if err != nil {
			return l.failed("tag "+e.Name, err)
		}
		e.Descriptor.Annotations[annotationKept] = kept
	}
	made, err := newEntry(e)
	if err == nil {
		err = l.change(ctx, change{name: e.Name, entry: &made})
	}
	return l.failed("tag "+e.Name, err)
}

// kept lists the manifests of a sparse index that are there.
func (l *Layout) kept(ctx context.Context, from ocispec.Descriptor) (string, error) {
	var kept []string
	err := l.graph().Walk(ctx, from, func(n *manifest.Node) error {
		if _, err := disk.Stat(l.blob(n.Digest)); err == nil && n.Role == manifest.Child {
			kept = append(kept, n.Digest.String())
		}
		return nil
	}, nil)
	slices.Sort(kept)
	return strings.Join(kept, " "), err
}

// Untag removes a name, as Tag gives one. The blobs stay; Collect removes them.
// It is no error when there is no such name.
func (l *Layout) Untag(ctx context.Context, name string) error {
	if err := errors.Join(checkName(name), l.writable(ctx)); err != nil {
		return l.failed("untag", err)
	}
	return l.failed("untag "+name, l.change(ctx, change{name: name}))
}

// checkName refuses what another tool would not take for a reference.
func checkName(name string) error {
	if !isReference(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return fmt.Errorf("%.200q is no full reference, such as host/namespace/name:tag", name)
	}
	return nil
}

// change asks for one change of the index and waits until it is on disk. The first
// to ask starts the writer; whoever asks while it writes is in its next turn.
func (l *Layout) change(ctx context.Context, c change) error {
	c.done = make(chan error, 1)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	l.changes = append(l.changes, c)
	if !l.writing {
		l.writing = true
		l.writer.Go(l.write)
	}
	l.mu.Unlock()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write writes the index until nobody wants it changed any more.
func (l *Layout) write() {
	for {
		l.mu.Lock()
		batch := l.changes
		l.changes = nil
		if len(batch) == 0 {
			l.writing = false
			l.mu.Unlock()
			return
		}
		current := l.index
		l.mu.Unlock()
		err := l.writeIndex(current, batch)
		for _, c := range batch {
			c.done <- err
		}
	}
}

// writeIndex applies changes to the index on disk. Blobs come first, then the names that lead
// to them. Who asked for a change committed his blobs before, so that their
// folders are synced here, or were by the write before.
func (l *Layout) writeIndex(current index, batch []change) error {
	if err := l.syncFolders(); err != nil {
		return err
	}
	next, changed := current.with(batch)
	if !changed {
		return nil
	}
	content := next.encode()
	if len(content) > maxIndex {
		return fmt.Errorf("%s would be larger than %d bytes; use another folder for some of the images", ocispec.ImageIndexFile, maxIndex)
	}
	l.log.Debug("index is written", slog.String("layout", string(l.folder)), slog.Int("changes", len(batch)),
		slog.Int("images", len(next.images)), slog.Int("bytes", len(content)))
	if err := l.replace(ocispec.ImageIndexFile, content); err != nil {
		return err
	}
	if err := disk.SyncFolder(string(l.folder)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index = next
	return nil
}

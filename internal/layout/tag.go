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

// change assigns an image to a name, or removes the name.
type change struct {
	name  string
	entry *entry     // nil removes the name
	done  chan error // buffered, so that write never waits
}

// Images returns the entries on disk that have full references as names, sorted by name.
func (l *Layout) Images() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := make([]Entry, len(l.index.images))
	for i, e := range l.index.images {
		entries[i] = e.clone()
	}
	return entries
}

// Image returns the entry with a name. It returns false if none is on disk.
func (l *Layout) Image(name string) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, there := l.index.find(name)
	if !there {
		return Entry{}, false
	}
	return l.index.images[at].clone(), true
}

// clone returns an entry that the caller may change.
func (e entry) clone() Entry {
	e.Descriptor.Annotations = maps.Clone(e.Descriptor.Annotations)
	return e.Entry
}

// Tag gives an image a name, which is a full reference. The caller has stored the manifest
// and everything it lists; the error is ErrMissing if the manifest is missing. An image
// that had the name before loses it and keeps its blobs. Tag returns when the entry is on
// disk, after all blobs and manifests below it. Concurrent calls share one write. Annotations of
// the descriptor are kept: see AnnotationIndex. If ctx ends first, the entry may still be
// written.
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

// kept lists the manifests of a sparse index that are present.
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

// Untag removes a name. The blobs stay; Collect removes them. A missing name is not an error.
func (l *Layout) Untag(ctx context.Context, name string) error {
	if err := errors.Join(checkName(name), l.writable(ctx)); err != nil {
		return l.failed("untag", err)
	}
	return l.failed("untag "+name, l.change(ctx, change{name: name}))
}

// checkName returns an error for a name that other tools do not accept as a reference.
func checkName(name string) error {
	if !isReference(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return fmt.Errorf("%.200q is not a full reference such as host/namespace/name:tag", name)
	}
	return nil
}

// change queues a change of the index and waits until it is on disk. The first caller
// starts the writer; a caller that comes during a write is part of the next.
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

// write writes the index until no changes are left.
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

// writeIndex applies changes to the index on disk. It syncs the folders of new blobs
// first, because callers have committed the blobs of their images before.
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
		return fmt.Errorf("%s would exceed %d bytes; use another folder for some of the images", ocispec.ImageIndexFile, maxIndex)
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

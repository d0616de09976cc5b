// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/manifest"
)

// A Partial is a blob that is being written: a file named by the digest, and the hash of
// its content. The file stays when the process ends. Writes are not buffered. A Partial is
// for one goroutine.
type Partial struct {
	l    *Layout
	want ocispec.Descriptor
	file *os.File // nil after Close and Commit
	hash hash.Hash
	size int64
	told int64 // bytes that were passed to writeEarly
}

// early is the number of new bytes after which the system is asked to start writing them to
// disk.
const early = 512 << 10

// Partial opens the partial file of a blob, with the content that an earlier attempt or run
// left. It hashes that content until ctx ends. The error is ErrBusy if another goroutine
// has the blob open. The caller closes the Partial.
func (l *Layout) Partial(ctx context.Context, d ocispec.Descriptor) (*Partial, error) {
	if err := errors.Join(manifest.Check(d), l.writable(ctx)); err != nil {
		return nil, l.failed("begin a blob", err)
	}
	l.mu.Lock()
	busy := l.busy[d.Digest]
	l.busy[d.Digest] = true
	l.mu.Unlock()
	if busy {
		return nil, l.failed("begin "+d.Digest.String(), ErrBusy)
	}
	p := &Partial{l: l, want: d}
	if err := p.open(ctx); err != nil {
		return nil, p.failed("begin", errors.Join(err, p.release()))
	}
	return p, nil
}

// PartialSize returns the size in bytes of a blob's partial file, open or not. The content
// may be damaged.
func (l *Layout) PartialSize(d ocispec.Descriptor) int64 {
	if manifest.Check(d) != nil {
		return 0
	}
	if l.work == nil {
		return 0
	}
	info, err := l.work.Lstat(partialName(d.Digest))
	if err != nil || !disk.Alone(info) || info.Size() > d.Size { // too long: open drops it
		return 0
	}
	return info.Size()
}

// openPartial opens or makes the partial file of a blob. If the name is taken by anything
// else, the file gets another name and no later run resumes it.
func (l *Layout) openPartial(name string) (*os.File, error) {
	info, err := l.work.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l.work.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, disk.FileMode)
	case err != nil:
		return nil, err
	case !disk.Alone(info):
		return l.newFile()
	}
	file, err := l.work.OpenFile(name, os.O_RDWR|disk.NoWait, 0)
	if err == nil && !isNamed(file, file.Name()) {
		return nil, errors.Join(fmt.Errorf("%s was replaced by another process", file.Name()), file.Close())
	}
	return file, err
}

// open opens the file and hashes its content. It drops content that is longer than the
// blob.
func (p *Partial) open(ctx context.Context) error {
	file, err := p.l.openPartial(partialName(p.want.Digest))
	if err != nil {
		return err
	}
	p.file, p.hash = file, p.want.Digest.Algorithm().Hash()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() > p.want.Size {
		return p.empty()
	}
	for buffer := make([]byte, min(chunk, info.Size())); p.size < info.Size(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(file, buffer[:min(int64(len(buffer)), info.Size()-p.size)])
		if err != nil { // unreadable
			return p.empty()
		}
		p.hash.Write(buffer[:n])
		p.size += int64(n)
	}
	return nil
}

// Size returns the number of bytes written: the offset to resume from.
func (p *Partial) Size() int64 { return p.size }

// Write appends b. If that exceeds the size in the descriptor, it writes nothing and
// returns ErrCorrupt. After another error, such as a full disk, Size includes the part of b
// that was written.
func (p *Partial) Write(b []byte) (int, error) {
	if p.file == nil {
		return 0, p.failed("write", os.ErrClosed)
	}
	if int64(len(b)) > p.want.Size-p.size {
		return 0, p.failed("write", fmt.Errorf("%w: more than %d bytes received", ErrCorrupt, p.want.Size))
	}
	n, err := p.file.Write(b)
	p.hash.Write(b[:n])
	p.size += int64(n)
	if more := p.size - p.told; more >= early {
		writeEarly(p.file, p.told, more)
		p.told = p.size
	}
	return n, p.failed("write", err)
}

// Reset drops the content.
func (p *Partial) Reset() error {
	if p.file == nil {
		return p.failed("reset", os.ErrClosed)
	}
	return p.failed("reset", p.empty())
}

func (p *Partial) empty() error {
	p.hash.Reset()
	p.size, p.told = 0, 0
	_, err := p.file.Seek(0, io.SeekStart)
	return errors.Join(p.file.Truncate(0), err)
}

// Commit checks size and digest, syncs the file, and gives the blob its final name. After
// ErrCorrupt the Partial is open and empty. The same holds after a failed sync, because the
// content on disk is unknown. Other errors close the Partial. Commit waits for the disk, so
// the caller should not hold a network permit meanwhile.
func (p *Partial) Commit() error {
	if p.file == nil {
		return p.failed("commit", os.ErrClosed)
	}
	if p.size != p.want.Size {
		err := fmt.Errorf("%w: %d of %d bytes received", ErrCorrupt, p.size, p.want.Size)
		return p.failed("commit", errors.Join(err, p.empty()))
	}
	if got := digest.NewDigest(p.want.Digest.Algorithm(), p.hash); got != p.want.Digest {
		err := fmt.Errorf("%w: the content hashes to %s", ErrCorrupt, got)
		return p.failed("commit", errors.Join(err, p.empty()))
	}
	if err := p.file.Sync(); err != nil {
		// The system may have dropped pages that it could not write. Then a second
		// sync would succeed without them.
		return p.failed("commit", errors.Join(err, p.empty()))
	}
	file := p.file
	p.file = nil // Windows cannot rename an open file
	err := file.Close()
	if err == nil {
		err = p.l.install(file.Name(), p.want)
	}
	return p.failed("commit", errors.Join(err, p.release()))
}

// Close keeps the content for another attempt. After Commit it does nothing.
func (p *Partial) Close() error {
	if p.file == nil {
		return nil
	}
	return p.failed("close", p.release())
}

// release closes the file, removes it if it is empty, and allows other goroutines to open
// the blob.
func (p *Partial) release() error {
	var err error
	if p.file != nil {
		info, statErr := p.file.Stat()
		err = errors.Join(statErr, p.file.Close())
		if err == nil && info.Size() == 0 {
			err = os.Remove(p.file.Name())
		}
		p.file = nil
	}
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	delete(p.l.busy, p.want.Digest)
	return err
}

func (p *Partial) failed(what string, err error) error {
	return p.l.failed(what+" "+p.want.Digest.String(), err)
}

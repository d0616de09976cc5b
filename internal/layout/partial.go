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

// A Partial is a blob on its way in: a file, named by the digest, that stays
// when the process ends, and the hash of what is in it. For one goroutine. What
// is written goes to the file as it comes; nothing is buffered.
type Partial struct {
	l    *Layout
	want ocispec.Descriptor
	file *os.File // nil: closed or committed
	hash hash.Hash
	size int64
	told int64 // bytes that the system was told to write early
}

// early is how many bytes more make it worth while to tell the system.
const early = 512 << 10

// Partial opens the partial file of a blob, with what an earlier attempt, of
// this process or of one before, has left there. Its prefix is hashed, which ends with the
// context. ErrBusy tells that another goroutine has it open. The caller closes.
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

// Begun returns how many bytes of a blob are in its partial file, open or not.
// Whether they fit is not known.
func (l *Layout) PartialSize(d ocispec.Descriptor) int64 {
	if manifest.Check(d) != nil {
		return 0
	}
	if l.work == nil {
		return 0
	}
	info, err := l.work.Lstat(partialName(d.Digest))
	if err != nil || !disk.Alone(info) || info.Size() > d.Size { // more than the blob has is of no use
		return 0
	}
	return info.Size()
}

// openPartial opens the partial file of a blob, or makes it. If something else has
// its name, it gets another one, and no later run goes on with it.
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
		return nil, errors.Join(fmt.Errorf("%s was replaced just now", file.Name()), file.Close())
	}
	return file, err
}

// open opens the file and hashes what is there. More than the blob can have
// is of no use.
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
		if err != nil { // of no use either: it cannot be hashed
			return p.empty()
		}
		p.hash.Write(buffer[:n])
		p.size += int64(n)
	}
	return nil
}

// Size is how many bytes are there: the offset to go on from.
func (p *Partial) Size() int64 { return p.size }

// Write appends. More bytes than the descriptor says are ErrCorrupt, and none
// of b is written then. After any other error, such as a full disk, Size tells
// how much of b is there, and it stays.
func (p *Partial) Write(b []byte) (int, error) {
	if p.file == nil {
		return 0, p.failed("write", os.ErrClosed)
	}
	if int64(len(b)) > p.want.Size-p.size {
		return 0, p.failed("write", fmt.Errorf("%w: more than its %d bytes came", ErrCorrupt, p.want.Size))
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

// Reset throws away what is there.
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

// Commit checks size and digest, syncs, and gives the blob its final name. With
// ErrCorrupt the content has been thrown away, and the Partial is empty and open.
// Any other error ends the Partial for good, but one of the sync: then it is empty
// and open, for what is on disk is not known. It takes as long as the disk takes
// to sync, in which others can use the link.
func (p *Partial) Commit() error {
	if p.file == nil {
		return p.failed("commit", os.ErrClosed)
	}
	if p.size != p.want.Size {
		err := fmt.Errorf("%w: %d of %d bytes came", ErrCorrupt, p.size, p.want.Size)
		return p.failed("commit", errors.Join(err, p.empty()))
	}
	if got := digest.NewDigest(p.want.Digest.Algorithm(), p.hash); got != p.want.Digest {
		err := fmt.Errorf("%w: it hashes to %s", ErrCorrupt, got)
		return p.failed("commit", errors.Join(err, p.empty()))
	}
	if err := p.file.Sync(); err != nil {
		// The system may have given up pages that it could not write. Nothing
		// tells which, and another sync would succeed.
		return p.failed("commit", errors.Join(err, p.empty()))
	}
	file := p.file
	p.file = nil // Windows renames only what is closed
	err := file.Close()
	if err == nil {
		err = p.l.install(file.Name(), p.want)
	}
	return p.failed("commit", errors.Join(err, p.release()))
}

// Close keeps what is there for another attempt. After Commit it does nothing.
func (p *Partial) Close() error {
	if p.file == nil {
		return nil
	}
	return p.failed("close", p.release())
}

// letGo closes the file and lets others have the blob. An empty file is no use.
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

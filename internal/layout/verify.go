// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/manifest"
)

// VerifyOptions configure Verify. The zero value writes nothing.
type VerifyOptions struct {
	Repair   bool                    // remove damaged blobs, so that the next copy fetches them; needs the layout for itself
	Progress func(done, total int64) // bytes; called now and then, from one goroutine at a time
}

// VerifyReport is the result of Verify.
type VerifyReport struct {
	Images  int             // entries of the index, including other tools'
	Blobs   int             // unique blobs and manifests, including missing ones
	Bytes   int64           // hashed bytes
	Damaged []Damage        // sorted by image
	Removed []digest.Digest // with Repair
	Moved   []Moved         // with Repair
	Elapsed time.Duration
}

// Moved is what Repair moved out of a blob's place: anything but a regular file, or a file
// too large to be hashed. It may belong to a user.
type Moved struct {
	Digest digest.Digest
	What   string // "a folder", "a pipe"
	To     string // its new name
}

// Damage is a part of an image that is missing or damaged, or an invalid entry.
type Damage struct {
	Image  string // Entry.Name; the tag or the digest for an entry of another tool
	Digest digest.Digest
	Size   int64  // as the descriptor says, in bytes
	What   string // "missing", "size is 10, not 20", "content does not match its digest", "unreadable: ..."
}

// Verify hashes all blobs and manifests of a layout's images, each once, on all processors.
// The report lists the damage. The error concerns the layout as a whole: ErrNotLayout, an
// unreadable index, or ErrLocked with Repair.
//
// Without Repair, Verify writes nothing and takes no lock. It works on a read-only folder
// and during a copy, whose images it checks once they are tagged. Images that were left out
// of an index on purpose (AnnotationIndex) are not damage.
//
// Repair removes only files that do not match their digests, and moves anything but a
// regular file aside. It cannot repair a manifest that contradicts an intact blob.
func Verify(ctx context.Context, dir string, o VerifyOptions) (VerifyReport, error) {
	begin := time.Now()
	f, err := openExisting(dir)
	if err != nil {
		return VerifyReport{}, err
	}
	var ours control
	if o.Repair {
		var lock *os.File
		ours, lock, err = f.acquire()
		if err != nil {
			return VerifyReport{}, err
		}
		defer func() { _ = release(lock) }()
	}
	x, err := f.readIndex()
	if err != nil {
		return VerifyReport{}, f.failed("verify", err)
	}
	v := &verification{repairs: o.Repair, folder: f, graph: f.graph(), files: map[digest.Digest]*file{}, progress: o.Progress}
	if err := v.run(ctx, x.entries()); err != nil {
		return VerifyReport{}, f.failed("verify", err)
	}
	report := VerifyReport{Images: len(x.entries()), Blobs: len(v.files), Bytes: v.done}
	if report.Damaged, err = v.damage(ctx, x.entries()); err == nil && o.Repair {
		err = v.repair(&ours, &report)
	}
	report.Elapsed = time.Since(begin)
	return report, f.failed("verify", err)
}

// verification is one run of Verify.
type verification struct {
	folder
	graph    *manifest.Graph
	files    map[digest.Digest]*file
	repairs  bool // VerifyOptions.Repair; see find
	todo     []*file
	total    int64
	progress func(done, total int64)

	mu   sync.Mutex // while blobs are hashed
	done int64
}

// file is one blob, for all images that need it.
type file struct {
	digest digest.Digest
	size   int64  // on disk
	odd    string // its kind if it is not a regular file, such as "a pipe"
	hashed bool   // in todo
	err    error  // ErrMissing, ErrCorrupt or why it cannot be read
}

// openExisting returns the folder of an existing layout.
func openExisting(dir string) (folder, error) {
	f, err := folderAt(dir)
	if err != nil {
		return f, folder(dir).failed("open", err)
	}
	state, err := f.state()
	if err == nil && state != complete {
		err = ErrNotLayout
	}
	return f, f.failed("open", err)
}

// run finds the blobs and hashes them.
func (v *verification) run(ctx context.Context, entries []entry) error {
	for _, e := range entries {
		if e.invalid != nil {
			continue
		}
		err := v.graph.Walk(ctx, e.Descriptor, func(n *manifest.Node) error {
			v.find(e, n.Link)
			return nil
		}, nil)
		if err != nil {
			return err
		}
	}
	next := atomic.Int64{}
	group, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			buffer := make([]byte, chunk)
			for i := next.Add(1) - 1; i < int64(len(v.todo)); i = next.Add(1) - 1 {
				v.hash(ctx, v.todo[i], buffer)
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// maxDoubtful is the size in bytes up to which a file is hashed although its size
// contradicts its descriptor. If such a file matches its digest, the descriptor is wrong
// and the file stays. A larger file, such as a sparse file of a terabyte, would take hours.
const maxDoubtful = 1 << 30

// find looks for a blob once. It adds the blob to todo if its size matches a descriptor.
// With Repair it also adds a blob of another size, up to maxDoubtful.
func (v *verification) find(e entry, at manifest.Link) {
	f := v.files[at.Digest]
	if f == nil {
		f = &file{digest: at.Digest}
		info, err := disk.Stat(v.blob(at.Digest))
		switch {
		case errors.Is(err, disk.ErrNotRegular):
			f.err, f.odd = err, "not a file"
			if named, err := os.Lstat(v.blob(at.Digest)); err == nil {
				f.odd = disk.Kind(named)
			}
		case errors.Is(err, fs.ErrNotExist) && mayBeMissing(e, at):
			return
		case errors.Is(err, fs.ErrNotExist):
			f.err = ErrMissing
		case err != nil:
			f.err = err
		default:
			f.size = info.Size()
		}
		v.files[at.Digest] = f
	}
	if f.err == nil && !f.hashed && (f.size == at.Size || v.repairs && f.size <= maxDoubtful) {
		f.hashed = true
		v.todo = append(v.todo, f)
		v.total += f.size
	}
}

// mayBeMissing reports whether a blob may be missing from an intact image.
func mayBeMissing(e entry, at manifest.Link) bool {
	return at.External || at.Role == manifest.Child && e.mayLack(at.Descriptor)
}

func (v *verification) hash(ctx context.Context, f *file, buffer []byte) {
	content, _, err := v.open(f.digest)
	if err != nil {
		f.err = err
		return
	}
	defer content.Close()
	f.err = verifyContent(ctx, content, f.digest, buffer, v.count)
}

// count adds n to the hashed bytes.
func (v *verification) count(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done += int64(n)
	if v.progress != nil {
		v.progress(v.done, v.total)
	}
}

// damage lists the damage by image. Entries with the same target are walked once.
func (v *verification) damage(ctx context.Context, entries []entry) ([]Damage, error) {
	type target struct { // entries with the same target share their damage
		digest       digest.Digest
		mediaType    string
		size         int64
		sparse, kept string
	}
	known := map[target][]Damage{}
	var all []Damage
	for _, e := range entries {
		if e.invalid != nil {
			all = append(all, Damage{Image: e.label(), Digest: e.Descriptor.Digest, What: fmt.Sprintf("entry %d of %s is invalid: %v", e.place, ocispec.ImageIndexFile, e.invalid)})
			continue
		}
		d := e.Descriptor
		s := target{d.Digest, d.MediaType, d.Size, d.Annotations[AnnotationIndex], d.Annotations[annotationKept]}
		if _, ok := known[s]; !ok {
			known[s] = nil
			err := v.graph.Walk(ctx, d, func(n *manifest.Node) error {
				if what := v.what(e, n); what != "" {
					known[s] = append(known[s], Damage{Digest: n.Digest, Size: n.Size, What: what})
				}
				return nil
			}, nil)
			if err != nil {
				return nil, err
			}
			slices.SortFunc(known[s], func(a, b Damage) int { return cmp.Compare(a.Digest, b.Digest) })
		}
		for _, one := range known[s] {
			one.Image = e.label()
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b Damage) int { return cmp.Compare(a.Image, b.Image) })
	return all, nil
}

// what returns the damage of a blob or manifest of an image, or "".
func (v *verification) what(e entry, n *manifest.Node) string {
	f := v.files[n.Digest]
	switch {
	case f == nil || errors.Is(f.err, ErrMissing) && mayBeMissing(e, n.Link):
		return ""
	case f.odd != "":
		return "unreadable: it is " + f.odd + ", not a file"
	case errors.Is(f.err, ErrMissing):
		return "missing"
	case f.err != nil && !errors.Is(f.err, ErrCorrupt):
		return "unreadable: " + f.err.Error()
	case f.size != n.Size:
		return fmt.Sprintf("size is %d, not %d", f.size, n.Size)
	case f.err != nil:
		return "content does not match its digest"
	case n.Err != nil:
		return "unreadable: " + n.Err.Error()
	}
	return ""
}

// repair removes files that do not match their digests. It moves aside anything but a
// regular file, and files too large to be hashed for their descriptors.
func (v *verification) repair(ours *control, report *VerifyReport) error {
	for _, f := range v.files {
		damaged := errors.Is(f.err, ErrCorrupt)
		doubtful := f.err == nil && !f.hashed
		if f.odd == "" && !damaged && !doubtful {
			continue
		}
		name := v.blob(f.digest)
		info, err := os.Lstat(name)
		if err != nil {
			return err
		}
		if damaged && info.Mode().IsRegular() {
			if err := os.Remove(name); err != nil {
				return err
			}
			report.Removed = append(report.Removed, f.digest)
			continue
		}
		to, err := ours.moveAside(name, partialName(f.digest))
		if err != nil {
			return err
		}
		report.Moved = append(report.Moved, Moved{f.digest, disk.Kind(info), to})
	}
	slices.Sort(report.Removed)
	slices.SortFunc(report.Moved, func(a, b Moved) int { return cmp.Compare(a.Digest, b.Digest) })
	return nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// Collected is what Collect removed, or would remove.
type Collected struct {
	Blobs    []digest.Digest // blobs that no image needs, in order
	Partials int             // partial and temporary files of earlier runs
	Bytes    int64           // size of the blobs and files
	Kept     int             // blobs that stay
}

// Collect removes the blobs that no image of the layout needs, and the partial and
// temporary files of earlier runs, including files that a copy could resume. The error is
// ErrLocked if another process uses the layout.
//
// With dry, Collect removes nothing and works on a read-only folder. Then the error is
// ErrLocked only if a process is writing: its blobs look unneeded until it tags its images.
//
// Collect touches no other files: only blobs, recognized by their names, and files in the
// folder .quayside. It refuses to remove anything if a manifest is damaged or missing,
// because the image may need any blob. Missing manifests are accepted if an index is marked
// as sparse (AnnotationIndex), or if another tool added the index: then Collect cannot know
// whether they are missing on purpose. For intact content of an unknown type, Collect keeps
// every blob whose digest the content mentions.
func Collect(ctx context.Context, dir string, dry bool) (Collected, error) {
	f, err := openExisting(dir)
	if err != nil {
		return Collected{}, err
	}
	take := f.acquire
	if dry {
		take = f.share
	}
	ours, lock, err := take()
	if err != nil {
		return Collected{}, err
	}
	defer func() { _ = release(lock) }()
	blobs, err := f.openBlobs()
	if err != nil {
		return Collected{}, f.failed("collect", fmt.Errorf("nothing was removed: %w", err))
	}
	defer blobs.close()
	needed, err := f.needed(ctx)
	if err != nil {
		return Collected{}, f.failed("collect", err)
	}
	var c Collected
	err = blobs.each(ctx, func(in *os.Root, d digest.Digest, info fs.FileInfo) error {
		if needed[d] {
			c.Kept++
			return nil
		}
		if !dry {
			if err := in.Remove(info.Name()); err != nil {
				return err
			}
		}
		c.Blobs = append(c.Blobs, d)
		c.Bytes += info.Size()
		return nil
	})
	if err != nil {
		return c, f.failed("collect", err)
	}
	slices.Sort(c.Blobs)
	work, err := ours.openWork()
	if err != nil || work == nil {
		return c, f.failed("collect", err)
	}
	defer work.Close()
	err = workFiles(work, func(info fs.FileInfo) error {
		if !dry {
			if err := work.Remove(info.Name()); err != nil {
				return err
			}
		}
		c.Partials++
		c.Bytes += info.Size()
		return ctx.Err()
	})
	return c, f.failed("collect", err)
}

// needed returns the digests of all manifests and blobs below the index, including missing
// ones.
func (f folder) needed(ctx context.Context) (map[digest.Digest]bool, error) {
	x, err := f.readIndex()
	if err != nil {
		return nil, err
	}
	needed := map[digest.Digest]bool{}
	g := f.graph()
	for _, e := range x.entries() {
		if e.invalid != nil {
			why := e.invalid
			if e.Descriptor.Digest.Validate() == nil {
				why = f.mentions(ctx, e.Descriptor.Digest, needed)
			}
			if why != nil {
				return nil, fmt.Errorf("nothing was removed: the blobs of %s are unknown, because entry %d of %s is invalid: %w; copy the image again, or remove the entry",
					e.label(), e.place, ocispec.ImageIndexFile, why)
			}
			continue
		}
		err := g.Walk(ctx, e.Descriptor, func(n *manifest.Node) error {
			needed[n.Digest] = true
			missing := errors.Is(n.Err, ErrMissing)
			if n.Err == nil || missing && n.Role == manifest.Child && (!e.ours() || e.mayLack(n.Descriptor)) {
				return nil
			}
			if !missing && !errors.Is(n.Err, ErrCorrupt) && f.mentions(ctx, n.Digest, needed) == nil {
				return nil
			}
			return fmt.Errorf("nothing was removed: the blobs of %s are unknown, because its manifest %s cannot be used: %w; run verify --repair and copy the image again",
				e.label(), n.Digest, n.Err)
		}, nil)
		if err != nil {
			return nil, err
		}
	}
	return needed, nil
}

// digestText finds digests in a text.
var digestText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}`)
})

// mentions handles a blob that matches its digest and is not a known manifest. It adds to
// needed every digest in the blob's text, and every digest in the small blobs that those
// digests name. Such content cannot need any other blob.
func (f folder) mentions(ctx context.Context, from digest.Digest, needed map[digest.Digest]bool) error {
	needed[from] = true
	seen := map[digest.Digest]bool{from: true}
	for todo := []digest.Digest{from}; len(todo) > 0; todo = todo[1:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		text, err := f.read(todo[0])
		if err != nil && todo[0] == from {
			return err
		}
		for _, one := range digestText().FindAll(text, -1) {
			if d := digest.Digest(one); !seen[d] {
				seen[d], needed[d] = true, true
				todo = append(todo, d)
			}
		}
	}
	return nil
}

// blobFolders are the folders of blobs of a layout, by algorithm.
type blobFolders map[digest.Algorithm]*os.Root

// openBlobs opens the folders of blobs that exist. A symbolic link to a folder outside the
// layout is an error: images of another layout may need the blobs there.
func (f folder) openBlobs() (blobFolders, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	blobs := blobFolders{}
	for _, a := range algorithms() {
		dir, err := root.OpenRoot(path.Join(ocispec.ImageBlobsDir, string(a)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			blobs.close()
			return nil, fmt.Errorf("%w; if blobs is a symbolic link, images of another layout may need the blobs in its target", err)
		}
		blobs[a] = dir
	}
	return blobs, nil
}

func (b blobFolders) close() {
	for _, dir := range b {
		_ = dir.Close()
	}
}

// each calls do for each regular file with the name of a blob.
func (b blobFolders) each(ctx context.Context, do func(in *os.Root, d digest.Digest, info fs.FileInfo) error) error {
	for a, dir := range b {
		entries, err := fs.ReadDir(dir.FS(), ".")
		if err != nil {
			return err
		}
		for _, e := range entries {
			d := digest.NewDigestFromEncoded(a, e.Name())
			if err := ctx.Err(); err != nil {
				return err
			}
			if !e.Type().IsRegular() || d.Validate() != nil { // not a blob
				continue
			}
			info, err := e.Info()
			if err == nil {
				err = do(dir, d, info)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

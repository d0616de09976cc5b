// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/disk"
)

// maxRecords is the maximal size of a file of records, in bytes: about 50,000 images.
const maxRecords = 16 << 20

// records are the records of the images in a registry, which cannot store them itself.
// They are in a file on the user's machine. An image that is not in the file is examined
// again: if the file is lost or unreadable, this costs requests, and no signature is
// missed. Safe for concurrent use.
type records struct {
	file string // "": none

	mu      sync.Mutex
	all     map[string]recordJSON  // by the image's name at the registry
	changed map[string]*recordJSON // in this run; nil: removed
}

// recordJSON is a record in the file.
type recordJSON struct {
	Digest   digest.Digest   `json:"digest"` // of the image at the registry
	From     string          `json:"from"`   // reference at the source
	Attached []string        `json:"attached"`
	To       []digest.Digest `json:"to,omitempty"`
}

// recordsJSON is the whole file.
type recordsJSON struct {
	MadeBy string                `json:"made_by"` // madeByUs; no other file is replaced
	Images map[string]recordJSON `json:"images"`
}

const madeByUs = "quayside"

// openRecords reads the file. Any other file counts as empty.
func openRecords(file string) *records {
	r := &records{file: file, changed: map[string]*recordJSON{}}
	r.all, _ = r.read()
	return r
}

// read returns the content of the file, and whether the file may be written: only
// quayside's own file is replaced (decision 16).
func (r *records) read() (all map[string]recordJSON, own bool) {
	all = map[string]recordJSON{}
	if r.file == "" {
		return all, false
	}
	if _, err := os.Lstat(r.file); errors.Is(err, fs.ErrNotExist) {
		return all, true
	}
	f, info, err := disk.Open(r.file)
	if err != nil {
		return all, false
	}
	defer f.Close()
	var content recordsJSON
	text, err := io.ReadAll(io.LimitReader(f, maxRecords+1))
	if err != nil || len(text) > maxRecords || json.Unmarshal(text, &content) != nil || content.MadeBy != madeByUs {
		return all, false
	}
	if content.Images != nil {
		all = content.Images
	}
	return all, disk.Alone(info)
}

// get returns the record of an image with this name at the registry.
func (r *records) get(name string, s Staged) *Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.all[name]
	if !ok || one.Digest != s.Root.Digest || one.From != s.Reference() {
		return nil
	}
	return &Record{Referrers: one.Attached, To: one.To}
}

// set stores the record of an image, or removes it if the image has none now.
func (r *records) set(name string, s Staged) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Record == nil {
		delete(r.all, name)
		r.changed[name] = nil
		return
	}
	one := recordJSON{Digest: s.Root.Digest, From: s.Reference(), Attached: s.Record.Referrers, To: s.Record.To}
	r.all[name] = one
	r.changed[name] = &one
}

// save writes the changes, merged with changes that another process may have written
// meanwhile.
func (r *records) save() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == "" || len(r.changed) == 0 {
		return nil
	}
	all, own := r.read()
	before := maps.Clone(all)
	for name, one := range r.changed {
		if one == nil {
			delete(all, name)
		} else {
			all[name] = *one
		}
	}
	if !own || sameRecords(before, all) {
		return nil
	}
	text, err := json.Marshal(recordsJSON{madeByUs, all})
	if err == nil && len(text) > maxRecords { // drop the others: their images may be gone
		all = map[string]recordJSON{}
		for name, one := range r.changed {
			if one != nil {
				all[name] = *one
			}
		}
		text, err = json.Marshal(recordsJSON{madeByUs, all})
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(r.file), disk.FolderMode)
	}
	if err == nil {
		err = disk.Replace(r.file, func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("save the record of signatures in %s: %w", r.file, err)
	}
	r.changed = map[string]*recordJSON{}
	return nil
}

func sameRecords(a, b map[string]recordJSON) bool {
	return maps.EqualFunc(a, b, func(x, y recordJSON) bool {
		of := func(j recordJSON) *Record { return &Record{Referrers: j.Attached, To: j.To} }
		return x.Digest == y.Digest && x.From == y.From && of(x).Equal(of(y))
	})
}

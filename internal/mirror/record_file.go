// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

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
)

// maxRecords bounds a file of records, in bytes: some 50,000 images.
const maxRecords = 16 << 20

// records are the records of a registry, which has no place for them: a file of
// the user's. An image that is not in it is looked at again, so that a file that
// is lost or cannot be read costs requests, and no signature. Safe for concurrent
// use.
type records struct {
	file string // "": they last as long as this process

	mu      sync.Mutex
	all     map[string]recordJSON  // by the image's name at the registry
	changed map[string]*recordJSON // in this run; nil: removed
}

// recordJSON is one of them in the file.
type recordJSON struct {
	Digest   digest.Digest   `json:"digest"` // of the image at the registry
	From     string          `json:"from"`   // reference at the source
	Attached []string        `json:"attached"`
	To       []digest.Digest `json:"to,omitempty"`
}

// openRecords reads the file. What is no file of records counts as none.
func openRecords(file string) *records {
	r := &records{file: file, changed: map[string]*recordJSON{}}
	r.all = r.read()
	return r
}

func (r *records) read() map[string]recordJSON {
	all := map[string]recordJSON{}
	if r.file == "" {
		return all
	}
	f, err := openRegular(r.file)
	if err != nil {
		return all
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRecords+1))
	if err != nil || len(text) > maxRecords || json.Unmarshal(text, &all) != nil {
		return map[string]recordJSON{}
	}
	return all
}

// openRegular opens a file, and nothing that might keep its reader waiting.
func openRegular(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	return os.Open(name)
}

// get returns the record of an image that is called name at the registry.
func (r *records) get(name string, s Staged) *record {
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.all[name]
	if !ok || one.Digest != s.Root.Digest || one.From != s.Reference() {
		return nil
	}
	return &record{Attached: one.Attached, To: one.To}
}

// set enters the record of an image, or removes what was there for it.
func (r *records) set(name string, s Staged) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.record == nil {
		delete(r.all, name)
		r.changed[name] = nil
		return
	}
	one := recordJSON{Digest: s.Root.Digest, From: s.Reference(), Attached: s.record.Attached, To: s.record.To}
	r.all[name] = one
	r.changed[name] = &one
}

// save writes what has changed, together with what another process may have
// written meanwhile.
func (r *records) save() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == "" || len(r.changed) == 0 {
		return nil
	}
	all := r.read()
	before := maps.Clone(all)
	for name, one := range r.changed {
		if one == nil {
			delete(all, name)
		} else {
			all[name] = *one
		}
	}
	if sameRecords(before, all) {
		return nil
	}
	text, err := json.Marshal(all)
	if err == nil && len(text) > maxRecords { // the rest is of images that may be gone
		all = map[string]recordJSON{}
		for name, one := range r.changed {
			if one != nil {
				all[name] = *one
			}
		}
		text, err = json.Marshal(all)
	}
	if err == nil {
		err = replaceFile(r.file, text)
	}
	if err != nil {
		return fmt.Errorf("record which signatures %s has: %w", r.file, err)
	}
	r.changed = map[string]*recordJSON{}
	return nil
}

func sameRecords(a, b map[string]recordJSON) bool {
	return maps.EqualFunc(a, b, func(x, y recordJSON) bool {
		of := func(j recordJSON) *record { return &record{Attached: j.Attached, To: j.To} }
		return x.Digest == y.Digest && x.From == y.From && of(x).equal(of(y))
	})
}

// replaceFile writes a small file of our own, whole or not at all.
func replaceFile(name string, content []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

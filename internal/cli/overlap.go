// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/session"
)

// refuseOverlaps refuses a report or an events file that would destroy a file which the same
// command writes or reads: the archive, a file of a layout, a token. Links are followed.
func (a *app) refuseOverlaps(to dest, f copyFlags) error {
	type named struct{ what, name string }
	taken := []named{{"--token-file", a.flags.TokenFile}, {"--config", a.flags.config}}
	for _, file := range a.flags.CAFiles {
		taken = append(taken, named{"--ca-file", file})
	}
	if to.transport == ociArchive || to.transport == dockerArchive {
		taken = append(taken, named{"the destination", to.path})
	}
	outs := []named{{"--report", f.report}, {"--events", f.events}}
	for n, out := range outs {
		if n > 0 { // a report may replace the report of an earlier run
			taken = append(taken, named{"--failed-from", f.failedFrom})
		}
		if n > 0 && !session.Inherited(out.name) {
			taken = append(taken, outs[0])
		}
		if out.name == "" || out.name == "-" {
			continue
		}
		if info, err := os.Stat(out.name); err == nil && !info.Mode().IsRegular() {
			continue // a pipe or a device loses nothing
		}
		name := finalName(out.name)
		for _, t := range taken {
			if t.name != "" && t.name != "-" && finalName(t.name) == name {
				return usagef("%s: %s is the file of %s, which would be lost: name another file", out.what, out.name, t.what)
			}
		}
		if to.transport == ociFolder && ofLayout(finalName(to.path), name) {
			return usagef("%s: %s is a file of the layout that is copied to, which would be damaged: name another file", out.what, out.name)
		}
	}
	return nil
}

// ofLayout reports whether a file belongs to an image layout or to quayside's own folder in it.
func ofLayout(dir, name string) bool {
	rest, err := filepath.Rel(dir, name)
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(filepath.ToSlash(rest), "/")
	return slices.Contains([]string{"index.json", "oci-layout", "blobs"}, first) || strings.HasPrefix(first, ".quayside")
}

// finalName returns the name of a file without links. The file need not exist.
func finalName(name string) string {
	if followed, err := disk.Follow(name); err == nil {
		name = followed
	}
	name, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	for dir, rest := name, ""; ; dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest) {
		if resolved, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(resolved, rest)
		}
		if dir == filepath.Dir(dir) {
			return name
		}
	}
}

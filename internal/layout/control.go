// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/quayside/quayside/internal/disk"
)

// The folder .quayside and the names in it.
const (
	controlName = ".quayside"
	lockFile    = "lock"
	markFile    = "mark.json"
	aside       = "aside-" // prefix of the folders that moveAside moves files into
	temporary   = "new-"   // prefix of files to be renamed

	maxMark    = 4 << 10 // bytes of a mark
	maxFolders = 9       // names to try if the first is taken
)

// errForeign is the error for a folder that quayside did not make.
var errForeign = errors.New("not made by quayside")

// errBlank is the error for a folder that is missing or has no content. A run that was
// killed before it marked its folder leaves such a folder.
var errBlank = errors.New("not marked yet")

// A mark records that quayside made a folder. Anything without a mark is left alone,
// whatever its name. A mark is written once and synced.
type mark struct {
	MadeBy string `json:"made_by"` // "quayside"
	// Staging is the kind of a staging folder, such as "oci-archive:". It is empty in a
	// user's layout, where only the folder .quayside is quayside's own.
	Staging string `json:"staging,omitempty"`
	// Folder is the name of the staging folder, without its path. A copy of the folder under
	// another name does not count as quayside's own, because quayside would remove it.
	Folder string `json:"folder,omitempty"`
	Made   bool   `json:"made,omitempty"` // quayside made the layout's folder too
	// Work is the name of the folder of partial and temporary files. It is random, so that
	// no other program writes there by chance.
	Work string `json:"work"`
}

// control is the folder .quayside of a layout. It has the lock, the mark, and files without
// a final name. If that name is taken, it is .quayside-2, and so on.
type control struct {
	dir string
	mark
}

func (o control) marked() bool { return o.Work != "" }

// stages reports whether the layout is a staging folder of this kind and has the name in
// its mark. The comparison ignores case, as some file systems do.
func (o control) stages(staging string) bool {
	return o.Staging == staging && strings.EqualFold(o.Folder, o.folderName())
}

func (o control) folderName() string    { return filepath.Base(filepath.Dir(o.dir)) }
func (o control) at(name string) string { return filepath.Join(o.dir, name) }

// numbered returns the n-th name to try, from 0.
func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	return name + "-" + strconv.Itoa(n+1)
}

// findControl returns the first marked folder, or else the first name that is free.
func (f folder) findControl() (control, error) {
	free := control{}
	for n := range maxFolders {
		dir := f.path(numbered(controlName, n))
		m, err := readMark(dir)
		switch {
		case err == nil:
			return control{dir, m}, nil
		case errors.Is(err, errBlank):
			if free.dir == "" {
				free.dir = dir
			}
		case !errors.Is(err, errForeign):
			return control{}, err
		}
	}
	if free.dir == "" {
		return control{}, fmt.Errorf("%s and %d numbered names are taken by other files; move one of them away", f.path(controlName), maxFolders-1)
	}
	return free, nil
}

// leftByKill reports whether a folder has only an unmarked .quayside, which a killed run
// leaves.
func (f folder) leftByKill() bool {
	entries, err := os.ReadDir(string(f))
	if err != nil || len(entries) != 1 || entries[0].Name() != controlName || !entries[0].IsDir() {
		return false
	}
	_, err = readMark(f.path(controlName))
	return errors.Is(err, errBlank)
}

// readMark reads the mark of a folder. The error is errBlank or errForeign. The folder is
// foreign if its lock or mark is not a regular file or has a second name (a hard link).
func readMark(dir string) (mark, error) {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mark{}, errBlank
	case err != nil:
		return mark{}, err
	case !info.IsDir():
		return mark{}, errForeign
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return mark{}, err
	}
	blank, marked := true, false
	for _, e := range entries {
		if e.Name() != lockFile && e.Name() != markFile {
			blank = false
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return mark{}, err
		}
		if !disk.Alone(info) {
			return mark{}, errForeign
		}
		blank = blank && info.Size() == 0
		marked = marked || e.Name() == markFile
	}
	if blank {
		return mark{}, errBlank
	}
	if !marked {
		return mark{}, errForeign
	}
	content, err := readFile(filepath.Join(dir, markFile), maxMark)
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, errForeign
	} else if err != nil {
		return mark{}, err
	}
	var m mark
	if json.Unmarshal(content, &m) != nil || m.MadeBy != "quayside" || m.Work == "" || strings.ContainsFunc(m.Work, notLetter) {
		return mark{}, errForeign
	}
	return m, nil
}

// notLetter reports whether a rune cannot be in the name of a work folder.
func notLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }

// claim marks the folder, which is blank and locked.
func (o *control) claim(staging string, made bool) error {
	m := mark{MadeBy: "quayside", Staging: staging, Made: made, Work: disk.Fresh("w")}
	if staging != "" {
		m.Folder = o.folderName()
	}
	content, err := json.Marshal(m)
	if err != nil {
		return err
	}
	name := o.at(markFile)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // empty, left by a kill
		return err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, disk.FileMode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	o.mark = m
	return disk.SyncFolder(o.dir)
}

// makeWork opens the folder of partial and temporary files, and makes it if needed.
func (o control) makeWork() (*os.Root, error) {
	if err := os.Mkdir(o.at(o.Work), disk.FolderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return o.openWork()
}

// openWork opens the folder of partial and temporary files, or returns nil if the folder
// does not exist.
func (o control) openWork() (*os.Root, error) {
	if !o.marked() {
		return nil, nil
	}
	info, err := os.Lstat(o.at(o.Work))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is %s, not a folder: remove it", o.at(o.Work), disk.Kind(info))
	}
	return os.OpenRoot(o.at(o.Work))
}

// workFiles calls do for each partial and temporary file; work may be nil. It ignores
// other files, which quayside did not make.
func workFiles(work *os.Root, do func(fs.FileInfo) error) error {
	if work == nil {
		return nil
	}
	entries, err := fs.ReadDir(work.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !disk.Alone(info) || !strings.HasPrefix(e.Name(), temporary) && !isPartial(e.Name()) {
			continue
		}
		if err := do(info); err != nil {
			return err
		}
	}
	return nil
}

// newFile makes a temporary file. The caller renames it.
func (l *Layout) newFile() (*os.File, error) {
	return l.work.OpenFile(disk.Fresh(temporary), os.O_RDWR|os.O_CREATE|os.O_EXCL, disk.FileMode)
}

// Temporary makes a file in a staging folder. The caller renames it to a place beside the
// folder. The next Open removes a file that was not renamed.
func (l *Layout) Temporary() (*os.File, error) {
	if err := l.writable(context.Background()); err != nil {
		return nil, l.failed("make a file", err)
	}
	file, err := l.newFile()
	return file, l.failed("make a file", err)
}

// moveAside moves a file or folder out of a blob's place and returns its new name. No
// command removes it, because it may belong to a user.
func (o *control) moveAside(name string, as string) (string, error) {
	if !o.marked() {
		if err := o.claim("", false); err != nil {
			return "", err
		}
	}
	dir := o.at(disk.Fresh(aside))
	if err := os.Mkdir(dir, disk.FolderMode); err != nil {
		return "", err
	}
	to := filepath.Join(dir, as)
	if err := os.Rename(name, to); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	return to, nil
}

// StagingFolder returns the folder that Open uses for a staging folder named dir: the
// first of dir, dir-2 and so on that is marked for this kind, missing, or empty.
func StagingFolder(dir, staging string) (string, error) {
	for n := range maxFolders {
		name := numbered(filepath.Clean(dir), n)
		free, err := isStaging(name, staging)
		if err != nil {
			return "", err
		}
		if free {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s and %d numbered names are taken by other files; move one of them away", dir, maxFolders-1)
}

// isStaging reports whether a folder can be a staging folder.
func isStaging(dir, staging string) (bool, error) {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil || !info.IsDir() {
		return false, err
	}
	f := folder(dir)
	o, err := f.findControl()
	if errors.Is(err, fs.ErrPermission) { // this user may not read it
		return false, nil
	} else if err != nil {
		return false, err
	}
	if o.marked() {
		return o.stages(staging), nil
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries { // a killed run leaves an unmarked .quayside
		if e.Name() != filepath.Base(o.dir) {
			return false, err
		}
	}
	return true, err
}

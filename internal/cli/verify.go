// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
)

func (a *app) verifyCommand() *cobra.Command {
	var repair, allowEmpty bool
	var output string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Hash everything in an image layout",
		Long: `verify hashes every blob that the images of a layout need, in parallel, and
names what is missing or damaged, by image. It writes nothing and works beside a
copy. The exit code is 0 when the layout is whole, 3 when it is not, and 6 when it
has no images.

--repair removes what is damaged, so that the next copy fetches it again. A
folder, a pipe or a link in the place of a blob is moved away, and its new name is
printed. --repair ends with 3 as well: until that copy the layout is not whole.`,
		Example: `  # Is it whole?
  quayside verify kolla

  # Remove what is damaged, and fetch it again.
  quayside verify kolla --repair
  quayside copy 'quay.io/openstack.kolla/*:2025.1' oci:kolla`,
		Args: exactly("the folder of a layout"),
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error {
		return a.verify(ctx, args[0], repair, allowEmpty, output)
	})
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&repair, "repair", false, "remove what is damaged, so that the next copy fetches it")
	a.addAllowEmpty(cmd, &allowEmpty, "the layout has no images")
	addDocument(cmd, &output, "format")
	return cmd
}

// layoutFolder takes a folder also as copy names it, oci:DIR.
func layoutFolder(arg string) (string, error) {
	transport, dir, named := strings.Cut(arg, ":")
	switch {
	case !named || !slices.Contains(transports(), transport):
		dir = arg
	case transport != ociFolder:
		return "", usagef("%q is no folder: a layout is given as DIR or oci:DIR", arg)
	}
	if missing(dir) {
		return "", fmt.Errorf("layout %s: there is no such folder", dir)
	}
	return dir, nil
}

// A verification is what verify writes as JSON.
type verification struct {
	Layout  string         `json:"layout"`
	Whole   bool           `json:"whole"`
	Entries int            `json:"entries"`
	Blobs   int            `json:"blobs"`
	Bytes   int64          `json:"bytes"`
	Damaged []damaged      `json:"damaged"`
	Removed []string       `json:"removed"`
	Moved   []moved        `json:"moved"`
	Elapsed report.Elapsed `json:"elapsed_seconds"`
}

// moved is what was no file in the place of a blob, and where it is now.
type moved struct {
	Digest string `json:"digest"`
	What   string `json:"what"`
	To     string `json:"to"`
}

type damaged struct {
	Image  string `json:"image"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	What   string `json:"what"`
}

func (a *app) verify(ctx context.Context, arg string, repair, allowEmpty bool, output string) error {
	dir, err := layoutFolder(arg)
	if err != nil {
		return err
	}
	var done, total atomic.Int64
	begin := time.Now()
	hashed := func() mirror.Progress {
		return mirror.Progress{Fetched: done.Load(), Bytes: total.Load(), Elapsed: time.Since(begin)}
	}
	progress := &transferProgress{progress: hashed, words: func(mirror.Progress) (before, after []string) {
		return []string{"hashed"}, nil
	}}
	stop := a.console.Progress(false, progress.frame)
	defer stop()
	found, err := layout.Verify(ctx, dir, layout.VerifyOptions{Repair: repair, Progress: func(n, of int64) {
		done.Store(n)
		total.Store(of)
	}})
	stop()
	if err != nil {
		return err
	}
	v := verification{
		Layout: dir, Whole: len(found.Damaged) == 0, Entries: found.Images, Blobs: found.Blobs, Bytes: found.Bytes,
		Damaged: []damaged{}, Removed: []string{}, Moved: []moved{}, Elapsed: report.Elapsed(found.Elapsed),
	}
	for _, d := range found.Damaged {
		v.Damaged = append(v.Damaged, damaged{d.Image, d.Digest.String(), d.Size, d.What})
	}
	for _, d := range found.Removed {
		v.Removed = append(v.Removed, d.String())
	}
	for _, m := range found.Moved {
		v.Moved = append(v.Moved, moved{m.Digest.String(), m.What, m.To})
	}
	if output == "json" {
		err = printJSON(a.out, v)
	} else {
		a.printVerification(v)
	}
	if a.out.Flush() != nil {
		return nil
	} else if err != nil {
		return err
	}
	switch {
	case v.Whole && v.Entries == 0 && !allowEmpty:
		a.console.Warn("%s has no images; --allow-empty accepts that", dir)
		return &status{code: exitEmpty}
	case v.Whole:
		return nil
	}
	hint := "--repair removes what is damaged, and the next copy fetches it"
	if repair {
		hint = "copy the images again: what is missing is fetched"
	}
	a.console.Note("%s is not whole; %s", dir, hint)
	return &status{code: exitPart}
}

func (a *app) printVerification(v verification) {
	rows := a.newRows()
	for _, d := range v.Damaged {
		rows.add(d.Image, d.Digest, d.What)
	}
	rows.flush()
	for _, m := range v.Moved {
		fmt.Fprintf(a.out, "%s in the place of %s was moved to %s\n", m.What, m.Digest, redact.Escape(m.To))
	}
	state := "whole"
	if !v.Whole {
		blobs, images := map[string]bool{}, map[string]bool{}
		for _, d := range v.Damaged {
			blobs[d.Digest], images[d.Image] = true, true
		}
		state = fmt.Sprintf("%s damaged or missing, in %s", quantity(len(blobs), "blob"), quantity(len(images), "image"))
	}
	fmt.Fprintf(a.out, "%s, %s in %s, in %s: %s", quantity(v.Entries, "entry"), report.Bytes(v.Bytes), quantity(v.Blobs, "blob"),
		time.Duration(v.Elapsed).Round(time.Millisecond), state)
	if n := len(v.Removed); n > 0 {
		fmt.Fprintf(a.out, "; %s removed", quantity(n, "blob"))
	}
	fmt.Fprintln(a.out)
}

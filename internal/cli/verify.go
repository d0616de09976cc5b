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
	"github.com/quayside/quayside/internal/report"
)

func (a *app) verifyCommand() *cobra.Command {
	var repair, allowEmpty bool
	var output string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Hash everything in an image layout",
		Long: `verify hashes every blob that the images of a layout need, in parallel, and
names what is missing or damaged, by image. It writes nothing, and a copy may
run at the same time. The exit code is 0 if the layout is whole, 3 if it is
not, and 6 if it has no images.

--repair removes damaged blobs, so that the next copy fetches them again. If a
folder, a pipe or a link is in the place of a blob, it is moved away and its
new name is printed. The exit code of --repair is 3 too: the layout is not
whole before that copy.`,
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
	cmd.Flags().BoolVar(&repair, "repair", false, "remove damaged blobs, so that the next copy fetches them")
	a.addAllowEmpty(cmd, &allowEmpty, "the layout has no images")
	addDocument(cmd, &output, "format")
	return cmd
}

// layoutFolder reads the folder of a layout: DIR, or oci:DIR as copy has it.
func layoutFolder(arg string) (string, error) {
	transport, dir, named := strings.Cut(arg, ":")
	switch {
	case !named || !slices.Contains(transports(), transport):
		dir = arg
	case transport != ociFolder:
		return "", usagef("%q is not an OCI layout directory: give DIR or oci:DIR", arg)
	}
	if missing(dir) {
		return "", fmt.Errorf("layout %s: there is no such folder", dir)
	}
	return dir, nil
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
	v := report.Verification{
		Layout: dir, Whole: len(found.Damaged) == 0, Entries: found.Images, Blobs: found.Blobs, Bytes: found.Bytes,
		Damaged: []report.Damaged{}, Removed: []string{}, Moved: []report.Moved{}, Elapsed: report.Elapsed(found.Elapsed),
	}
	for _, d := range found.Damaged {
		v.Damaged = append(v.Damaged, report.Damaged{Image: d.Image, Digest: d.Digest.String(), Size: d.Size, What: d.What})
	}
	for _, d := range found.Removed {
		v.Removed = append(v.Removed, d.String())
	}
	for _, m := range found.Moved {
		v.Moved = append(v.Moved, report.Moved{Digest: m.Digest.String(), What: m.What, To: m.To})
	}
	if err := a.writeDocument(output, v); err != nil || a.out.Flush() != nil {
		return err
	}
	switch {
	case v.Whole && v.Entries == 0 && !allowEmpty:
		a.console.Warn("%s has no images; with --allow-empty that is a success", dir)
		return &status{code: exitEmpty}
	case v.Whole:
		return nil
	}
	hint := "--repair removes damaged blobs, and the next copy fetches them"
	if repair {
		hint = "copy the images again to fetch what is missing"
	}
	a.console.Note("%s is incomplete or damaged; %s", dir, hint)
	return &status{code: exitPart}
}

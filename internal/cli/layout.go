// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/report"
)

func (a *app) layoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "layout",
		Short:      "Maintain an image layout",
		SuggestFor: []string{"gc"},
		Long:       `layout has commands that maintain the folder of oci:DIR.`,
		Example:    "  quayside layout gc kolla --dry-run",
		Args:       a.subcommand,
		RunE:       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.gcCommand())
	return cmd
}

func (a *app) gcCommand() *cobra.Command {
	var dry bool
	var output string
	cmd := &cobra.Command{
		Use:   "gc DIR",
		Short: "Remove what no image of a layout needs",
		Long: `gc removes blobs that no image of a layout needs, and what killed copies left,
such as partial blobs. It removes nothing if a manifest is damaged or missing:
what its image needs is not known then.`,
		Example: "  quayside layout gc kolla --dry-run\n  quayside layout gc kolla",
		Args:    exactly("the folder of a layout"),
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.collect(ctx, args[0], dry, output) })
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print what would be removed, and remove nothing")
	addDocument(cmd, &output, "format")
	return cmd
}

func (a *app) collect(ctx context.Context, arg string, dry bool, output string) error {
	dir, err := layoutFolder(arg)
	if err != nil {
		return err
	}
	found, err := layout.Collect(ctx, dir, dry)
	if err != nil {
		return err
	}
	c := report.Collection{Layout: dir, DryRun: dry, Removed: []string{}, Partials: found.Partials, Bytes: found.Bytes, Kept: found.Kept}
	for _, d := range found.Blobs {
		c.Removed = append(c.Removed, d.String())
	}
	return a.writeDocument(output, c)
}

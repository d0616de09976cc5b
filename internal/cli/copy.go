// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"runtime"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/mirror"
)

// maxTransfers is the largest value of --transfers.
const maxTransfers = 64

// copyFlags are the flags of copy.
type copyFlags struct {
	dryRun     bool
	platforms  []string
	index      string
	signatures string
	transfers  int
	check      bool
	maps       []string
	staging    string
	labels     []string
	failedFrom string
	report     string
	events     string
	output     string
	allowEmpty bool
}

func (a *app) copyCommand() *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:        "copy PATTERN... DEST",
		Short:      "Copy the images that carry a tag",
		SuggestFor: []string{"mirror", "pull", "sync"},
		Long: `copy finds images as find does and copies them to DEST:

    oci:DIR                  an OCI image layout, a folder that all images share
    oci-archive:FILE.tar     an image layout as a tar file
    docker-archive:FILE.tar  a tar file for docker load (no signatures)
    docker://HOST/PREFIX     a registry: ORG/REPO:TAG as HOST/PREFIX/REPO:TAG

Each blob is fetched once, even if many images share it, resumed if it breaks
off, and verified. Signatures are copied with their image. What is already at
DEST is not fetched again: after a failure or an interrupt, run the same
command again. If an image fails, the others are still copied; every failure is
named. An image that a pattern names and that does not exist is named too, and
the exit code is 3. The exit code is 6 if nothing matches.

A pattern is what find accepts; HOST/ORG/REPO@sha256:... names an image by its
digest. For reading, copy uses the token of the server, or credentials stored
by docker login or podman login; for writing, the stored credentials.`,
		Example: `  # A release, into one folder.
  quayside copy 'quay.io/openstack.kolla/*:2025.1' oci:kolla

  # How much would that fetch?
  quayside copy 'quay.io/openstack.kolla/*:2025.1' oci:kolla --dry-run

  # One platform of each image, into a file for docker load.
  quayside copy 'quay.io/openstack.kolla/nova-*:2025.1' \
      docker-archive:nova.tar --platform linux/amd64

  # With a report as JSON.
  quayside copy 'quay.io/openstack.kolla/*:2025.1' oci:kolla \
      --report report.json

  # Copy what failed.
  quayside copy --failed-from report.json oci:kolla`,
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error { return f.arguments(cmd, args) }
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.copy(ctx, args, f) })
	p := cmd.Flags()
	p.SortFlags = false
	p.BoolVar(&f.dryRun, "dry-run", false, "print what would be copied; fetch manifests only")
	addLabel(cmd, &f.labels)
	p.StringSliceVar(&f.platforms, "platform", nil, "`platforms` to copy of an index, such as linux/amd64,linux/arm64 (default all; this machine's for docker-archive:)")
	addChoice(cmd, &f.index, "index", "", "how to copy an index if --platform leaves images out: sparse (the same digest) or rewrite (a new digest)",
		string(mirror.SparseIndex), string(mirror.RewrittenIndex))
	f.signatures = string(mirror.SignaturesNew)
	addChoice(cmd, &f.signatures, "signatures", "", "look for signatures: new (of new images), always or never",
		string(mirror.SignaturesNew), string(mirror.SignaturesAlways), string(mirror.SignaturesNever))
	p.IntVar(&f.transfers, "transfers", mirror.DefaultTransfers, "large blobs to fetch at once")
	p.BoolVar(&f.check, "check", false, "verify blobs that are already there")
	p.StringArrayVar(&f.maps, "map", nil, "names in the registry, as `FROM=TO`, such as 'openstack.kolla/*=mirror/*'; may be repeated")
	p.StringVar(&f.staging, "staging", "", "`folder` for blobs on their way to a registry (default quayside/staging in the user's cache folder)")
	p.StringVar(&f.failedFrom, "failed-from", "", "copy the images that the report `file` of an earlier run lists as not done")
	p.StringVar(&f.report, "report", "", "also write the report as JSON to this `file`")
	p.StringVar(&f.events, "events", "", "append events to this `file`, one JSON object a line; - is standard error")
	addDocument(cmd, &f.output, "format of the report")
	a.addAllowEmpty(cmd, &f.allowEmpty, "no image is found to copy")
	a.acceptFailEmpty(cmd)
	return cmd
}

// arguments checks the number of arguments.
func (f *copyFlags) arguments(cmd *cobra.Command, args []string) error {
	switch {
	case f.failedFrom != "" && len(args) > 1:
		return usagef("--failed-from reads the images from the report: give one destination and no pattern%s", didYouMean(cmd))
	case f.failedFrom != "" && len(args) == 0:
		return usagef("%s --failed-from needs a destination: %s%s", cmd.CommandPath(), transportList, didYouMean(cmd))
	case f.failedFrom == "" && len(args) < 2:
		return usagef("%s needs a pattern, such as 'ORG/*:TAG', and a destination: %s%s", cmd.CommandPath(), transportList, didYouMean(cmd))
	}
	return nil
}

// thisPlatform returns the platform of images that docker and podman run on this machine.
func thisPlatform() ocispec.Platform {
	return ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
}

// options returns the options of a copy to a destination.
func (f *copyFlags) options(to dest) (mirror.Options, error) {
	o := mirror.Options{
		Signatures: mirror.SignatureMode(f.signatures), Transfers: f.transfers,
		Platforms: mirror.Platforms{Index: mirror.IndexMode(f.index)},
	}
	for _, text := range f.platforms {
		p, err := mirror.ParsePlatform(strings.TrimSpace(text))
		if err != nil {
			return o, usagef("--platform: %w", err)
		}
		o.Platforms.Only = append(o.Platforms.Only, p)
	}
	chosen := len(o.Platforms.Only) > 0
	switch {
	case f.dryRun && f.report+f.events != "":
		return o, usagef("--report and --events are about a copy, and --dry-run copies nothing: -o json prints the plan")
	case f.transfers < 1 || f.transfers > maxTransfers:
		return o, usagef("--transfers is %d, and must be from 1 to %d", f.transfers, maxTransfers)
	case f.index != "" && !chosen:
		return o, usagef("--index needs --platform: it says how to copy an index if images are left out")
	case f.index != "" && to.transport == dockerArchive:
		return o, usagef("--index does not fit docker-archive:, which has no indexes")
	case chosen && to.transport == dockerArchive:
		o.Platforms.Index = mirror.SparseIndex // a tar file for docker load has one image of the index
	case to.transport == dockerArchive:
		o.Platforms.DefaultPlatform = thisPlatform()
	case chosen && f.index == "":
		return o, usagef("--platform leaves images of an index out: choose with --index how to copy the index, sparse (the same digest; " +
			"some images are missing) or rewrite (a new index with a new digest)")
	}
	return o, nil
}

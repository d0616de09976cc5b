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

// maxTransfers is how many blobs may be fetched at once.
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
		Long: `copy finds images as find does and brings them to DEST:

    oci:DIR                  a folder in the OCI image layout, shared by all images
    oci-archive:FILE.tar     such a layout as a tar file
    docker-archive:FILE.tar  a tar file for docker load and podman load
    docker://HOST/PREFIX     a registry: ORG/REPO:TAG becomes HOST/PREFIX/REPO:TAG

Each blob is fetched once however many images share it, goes on where it broke,
and is hashed before it counts. Signatures go with their image. What is there
already is not fetched again: after a failure or an interrupt the same command
goes on where it was. One image's failure does not stop the rest; every failure
is named, and so is every image that a pattern spells out and that does not exist
(exit code 3). The exit code is 6 when nothing matches at all.

A pattern is what find takes; HOST/ORG/REPO@sha256:... names one image by its
digest. To read, a server gets the token that quayside has for it, or what docker
login and podman login have stored; to write, what is stored.`,
		Example: `  # A release, into one folder.
  quayside copy 'quay.io/openstack.kolla/*:2025.1' oci:kolla

  # What would that take?
  quayside copy 'quay.io/openstack.kolla/*:2025.1' oci:kolla --dry-run

  # One platform of each image, into a file for docker load.
  quayside copy 'quay.io/openstack.kolla/nova-*:2025.1' docker-archive:nova.tar --platform linux/amd64

  # With a report, for a machine.
  quayside copy 'quay.io/openstack.kolla/*:2025.1' oci:kolla --report report.json

  # What failed, once more.
  quayside copy --failed-from report.json oci:kolla`,
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error { return f.arguments(cmd, args) }
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.copy(ctx, args, f) })
	p := cmd.Flags()
	p.SortFlags = false
	p.BoolVar(&f.dryRun, "dry-run", false, "print what would be copied, and how much, and fetch manifests only")
	addLabel(cmd, &f.labels)
	p.StringSliceVar(&f.platforms, "platform", nil, "`platforms` to take of an index, such as linux/amd64,linux/arm64 (default all; this machine's for docker-archive:)")
	addChoice(cmd, &f.index, "index", "", "how to copy an index if --platform leaves images out: sparse (the same digest) or rewrite (a new digest)",
		string(mirror.SparseIndex), string(mirror.RewrittenIndex))
	f.signatures = string(mirror.SignaturesNew)
	addChoice(cmd, &f.signatures, "signatures", "", "look for signatures: new (of new images), always or never",
		string(mirror.SignaturesNew), string(mirror.SignaturesAlways), string(mirror.SignaturesNever))
	p.IntVar(&f.transfers, "transfers", mirror.DefaultTransfers, "large blobs to fetch at once")
	p.BoolVar(&f.check, "check", false, "hash blobs that are there before they count as there")
	p.StringArrayVar(&f.maps, "map", nil, "name in the registry, as `FROM=TO`, such as 'openstack.kolla/*=mirror/*'; may be repeated")
	p.StringVar(&f.staging, "staging", "", "`folder` where blobs wait for a registry (default quayside/staging in the user's cache folder)")
	p.StringVar(&f.failedFrom, "failed-from", "", "copy what this report `file` of an earlier run names as not done, instead of a pattern")
	p.StringVar(&f.report, "report", "", "write the report as JSON to this `file`, too")
	p.StringVar(&f.events, "events", "", "append what happens to this `file`, as a JSON object a line; - is standard error")
	addDocument(cmd, &f.output, "format of the report")
	a.addAllowEmpty(cmd, &f.allowEmpty, "no image is found to copy")
	a.takeFailEmpty(cmd)
	return cmd
}

// arguments refuses a number of arguments that cannot be right.
func (f *copyFlags) arguments(cmd *cobra.Command, args []string) error {
	switch {
	case f.failedFrom != "" && len(args) > 1:
		return usagef("--failed-from takes the images from the report: give no pattern besides, and one destination%s", didYouMean(cmd))
	case f.failedFrom != "" && len(args) == 0:
		return usagef("%s --failed-from needs a destination: %s%s", cmd.CommandPath(), transportList, didYouMean(cmd))
	case f.failedFrom == "" && len(args) < 2:
		return usagef("%s needs a pattern, such as 'ORG/*:TAG', and a destination: %s%s", cmd.CommandPath(), transportList, didYouMean(cmd))
	}
	return nil
}

// thisPlatform is the one whose images docker and podman run on this machine.
func thisPlatform() ocispec.Platform {
	return ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
}

// options reads the flags into the options of a copy to a destination.
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
		return o, usagef("--report and --events tell of what was copied, and --dry-run copies nothing: -o json prints the plan")
	case f.transfers < 1 || f.transfers > maxTransfers:
		return o, usagef("--transfers is %d, and must be from 1 to %d", f.transfers, maxTransfers)
	case f.index != "" && !chosen:
		return o, usagef("--index says what becomes of an index of which --platform leaves some out: give both")
	case f.index != "" && to.transport == dockerArchive:
		return o, usagef("--index does not fit docker-archive:, which has no indexes")
	case chosen && to.transport == dockerArchive:
		o.Platforms.Index = mirror.SparseIndex // one image of it is taken out
	case to.transport == dockerArchive:
		o.Platforms.DefaultPlatform = thisPlatform()
	case chosen && f.index == "":
		return o, usagef("--platform leaves out some of an index: say with --index what becomes of it, sparse (as it is, digest and all, " +
			"though some of it is not there) or rewrite (a new one, with another digest)")
	}
	return o, nil
}

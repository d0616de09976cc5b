// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

func (a *app) hasCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "has ORG/REPO:TAG",
		Short: "Tell whether a repository carries a tag",
		Long: `has asks for one tag of one repository and prints the answer: present, with
the digest, or absent. The exit code is 0 for yes and 1 for no. It is 4 when the
server wants a token to say: to an anonymous caller a private repository and one
that does not exist look alike.`,
		Example: `  # Is the image there?
  quayside has quay.io/openstack.kolla/nova-api:2025.1

  # Nothing but the digest.
  quayside has quay.io/openstack.kolla/nova-api:2025.1 --template '{{.Digest}}'

  # On another registry.
  quayside has registry.example:8443/openstack.kolla/nova-api:2025.1`,
		Args: exactly("ORG/REPO:TAG"),
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.has(ctx, args[0]) })
	a.addOutput(cmd)
	return cmd
}

func (a *app) has(ctx context.Context, arg string) error {
	options, err := format[report.Image](a)
	if err != nil {
		return err
	}
	options.Verdicts = true
	if err := mistaken(arg); err != nil {
		return err
	}
	name, err := ref.ParseImage(arg)
	switch {
	case err != nil:
		return err
	case name.Digest != "":
		return usagef("has asks for a tag, and %s names a digest", name)
	}
	l, err := a.connect(ctx, name.Host, ref.Secret{})
	if err != nil {
		return err
	}
	f := &feed[report.Image]{a: a, options: options, link: l, namespace: name.Namespace}
	present := false
	err = f.take(ctx, func(yield func(report.Image, error) bool) {
		i, err := a.look(ctx, l, name)
		present = i.Verdict == report.Present
		yield(i, err)
	})
	if err == nil && !present {
		return &status{code: exitNo}
	}
	return err
}

// look asks for one tag.
func (a *app) look(ctx context.Context, l *link, name ref.Image) (report.Image, error) {
	i := report.Image{
		Verdict: report.Absent, Host: l.host, Namespace: name.Namespace, Repository: name.Repository, Tag: name.Tag,
	}
	repo := discover.Repository{Namespace: name.Namespace, Name: name.Repository, Unlisted: true}
	tag, present, err := l.catalog.Tag(ctx, repo, name.Tag)
	switch {
	case errors.Is(err, quay.ErrNotFound):
		a.talk.note("%s/%s does not exist", name.Namespace, name.Repository)
		return i, nil
	case err != nil:
		return report.Image{}, err
	case present:
		i.Verdict, i.Digest, i.Index, i.Size = report.Present, tag.Digest, tag.Index, tag.Size
		i.Started, i.Expires = tag.Started, tag.Expires
	}
	i.Visibility = visibility(tag.Public, true)
	return i, nil
}

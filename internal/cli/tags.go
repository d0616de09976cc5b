// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

func (a *app) tagsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tags ORG/REPO",
		Short: "List the tags of a repository",
		Long: `tags lists the tags of a repository, newest first, without tags that were
deleted or have expired.`,
		Example: `  # All tags, as a table.
  quayside tags quay.io/openstack.kolla/nova-api

  # As image names, for another tool.
  quayside tags quay.io/openstack.kolla/nova-api -o refs`,
		Args: exactly("ORG/REPO"),
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.tags(ctx, args[0]) })
	a.addFailEmpty(cmd)
	addOutput[report.Tag](a, cmd)
	return cmd
}

func (a *app) tags(ctx context.Context, arg string) error {
	options, err := format[report.Tag](a)
	if err != nil {
		return err
	}
	if err := mistaken(arg, repositoryIn); err != nil {
		return err
	}
	name, err := ref.ParseImage(arg)
	if err != nil {
		return err
	}
	if name.Digest != "" || strings.HasSuffix(arg, ":"+name.Tag) {
		return usagef("give a repository without a tag or a digest: quayside tags %s; has and info accept an image", repositoryIn(arg))
	}
	server, err := a.session.Connect(ctx, name.Host)
	if err != nil {
		return err
	}
	if err := a.session.CheckTokens(server); err != nil {
		return err
	}
	f := &lister[report.Tag]{a: a, options: options, server: server, namespace: name.Namespace}
	repo := quay.RepoName{Namespace: name.Namespace, Name: name.Repository}
	err = f.write(ctx, func(yield func(report.Tag, error) bool) {
		for t, err := range server.Finder.Tags(ctx, repo, quay.TagQuery{Invalid: true}) {
			if t.Invalid != nil {
				f.unknown(server.Host+"/"+name.Namespace+"/"+name.Repository+":"+t.Name, t.Invalid)
				continue
			}
			if !yield(report.Tag{
				Host: server.Host, Namespace: name.Namespace, Repository: name.Repository, Name: t.Name,
				Digest: t.Digest, Index: t.Index, Size: t.Size, Started: t.Start, Expires: t.End,
				Visibility: visibility(t.Public, true),
			}, err) {
				return
			}
		}
	})
	if err == nil && f.count == 0 {
		a.console.Note("%s/%s has no live tag", name.Namespace, name.Repository)
		return a.empty()
	}
	return err
}

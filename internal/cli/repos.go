// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

func (a *app) reposCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "repos ORG",
		Short:      "List the repositories of an organization or user",
		SuggestFor: []string{"list", "ls"},
		Long: `repos lists the repositories you can see: the public ones, and with a token the
private ones its user may read.`,
		Example: `  # All repositories, as a table.
  quayside repos quay.io/openstack.kolla

  # When was each pushed to last?
  quayside repos quay.io/openstack.kolla \
      --template '{{.LastModified}} {{.Name}}'

  # On another registry.
  quayside repos --server registry.example:8443 openstack.kolla`,
		Args: exactly("ORG"),
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.repos(ctx, args[0]) })
	a.addFailEmpty(cmd)
	addOutput[report.Repository](a, cmd)
	return cmd
}

func (a *app) repos(ctx context.Context, arg string) error {
	options, err := format[report.Repository](a)
	if err != nil {
		return err
	}
	host, namespace, err := parseNamespace(arg)
	if err != nil {
		return err
	}
	server, err := a.session.Connect(ctx, host)
	if err != nil {
		return err
	}
	if err := a.session.CheckTokens(server); err != nil {
		return err
	}
	f := &lister[report.Repository]{a: a, options: options, server: server, namespace: namespace}
	f.order = func(a, b report.Repository) int { return strings.Compare(a.Name, b.Name) }
	err = f.write(ctx, func(yield func(report.Repository, error) bool) {
		known := true // on every page: a token may expire between two pages
		query := quay.RepositoryQuery{Namespace: namespace, LastModified: true, Prefetch: true, Invalid: true}
		for r, err := range server.Client.Repositories(ctx, query) {
			if r.Invalid != nil {
				f.unknown(server.Host+"/"+namespace+"/"+r.Name, r.Invalid)
				continue
			}
			known = known && (r.CallerKnown || err != nil)
			if !yield(report.Repository{
				Host: server.Host, Namespace: r.Namespace, Name: r.Name, Visibility: visibility(r.Public, false),
				State: string(r.State), LastModified: r.LastModified,
			}, err) || err != nil {
				return
			}
		}
		err := a.afterListing(ctx, server, namespace, f.count, len(f.unknownRows), known)
		switch {
		case errors.Is(err, discover.ErrTokenIgnored):
			f.token = report.TokenIgnored
		case err == nil && server.Client.HasToken():
			f.token = report.TokenAccepted
		}
		if err != nil {
			yield(report.Repository{}, err)
		}
	})
	if err == nil && f.count == 0 {
		return a.empty()
	}
	return err
}

// afterListing returns an error if the namespace does not exist or the server did not know the
// token: the listing looks the same then (doc/quay-api.md section 1).
func (a *app) afterListing(ctx context.Context, server *session.Server, namespace string, listed, odd int, known bool) error {
	if listed+odd == 0 {
		exists, err := server.Finder.HasNamespace(ctx, namespace)
		switch {
		case err != nil:
			return err
		case !exists:
			return server.NoNamespace(namespace)
		}
		a.console.Note("%s exists, and shows you no repositories", namespace)
	}
	if !server.Client.HasToken() {
		return nil
	}
	if listed == 0 {
		var err error
		if known, err = server.Finder.KnowsToken(ctx); err != nil {
			return err
		}
	}
	if !known {
		return &status{exitPart, discover.ErrTokenIgnored}
	}
	return nil
}

// parseNamespace reads [HOST/]ORG. Without a host an organization may have a dot.
func parseNamespace(arg string) (host, namespace string, err error) {
	if err := mistaken(arg, namespaceIn); err != nil {
		return "", "", err
	}
	if !strings.ContainsAny(arg, "/?") {
		return "", arg, ref.ValidNamespace(arg)
	}
	p, err := ref.ParsePattern(arg)
	switch {
	case err != nil:
	case !strings.HasSuffix(p.String(), p.Namespace+"/*:latest"):
		err = usagef("repos needs an organization alone: quayside repos %s; tags lists the tags of a repository, and find finds images",
			namespaceIn(arg))
	}
	return p.Host, p.Namespace, err
}

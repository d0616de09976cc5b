// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/ref"
)

func (a *app) reposCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "repos ORG",
		Short: "List the repositories of an organization or user",
		Long: `repos lists the repositories you may see: the public ones, and with a token the
private ones its user may read.`,
		Example: `  # All repositories, as a table.
  quayside repos quay.io/openstack.kolla

  # Which were pushed to last?
  quayside repos quay.io/openstack.kolla --template '{{.LastModified}} {{.Name}}'

  # On another registry.
  quayside repos --server registry.example:8443 openstack.kolla`,
		Args: exactly("ORG"),
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.repos(ctx, args[0]) })
	a.addFailEmpty(cmd)
	a.addOutput(cmd, report.Digests)
	return cmd
}

func (a *app) repos(ctx context.Context, arg string) error {
	options, err := format[report.Repository](a, report.Digests)
	if err != nil {
		return err
	}
	host, namespace, err := parseNamespace(arg)
	if err != nil {
		return err
	}
	l, err := a.connect(ctx, host, ref.Secret{})
	if err != nil {
		return err
	}
	f := &feed[report.Repository]{a: a, options: options, link: l, namespace: namespace}
	f.order = func(a, b report.Repository) int { return strings.Compare(a.Name, b.Name) }
	known := false
	err = f.take(ctx, func(yield func(report.Repository, error) bool) {
		for r, err := range l.catalog.Repositories(ctx, namespace) {
			known = known || r.CallerKnown
			if !yield(report.Repository{
				Host: l.host, Namespace: r.Namespace, Name: r.Name, Visibility: visibility(r.Public, false),
				State: r.State, LastModified: r.LastModified,
			}, err) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if f.count == 0 {
		return a.nothingListed(ctx, l, namespace)
	}
	if l.client.HasToken() && !known {
		a.talk.warn(tokenIgnored)
	}
	return nil
}

// parseNamespace reads [HOST/]ORG. Without a host an organization may have a dot.
func parseNamespace(arg string) (host, namespace string, err error) {
	if !strings.Contains(arg, "/") {
		return "", arg, ref.ValidNamespace(arg)
	}
	p, err := ref.ParsePattern(arg)
	if err == nil && !strings.HasSuffix(p.String(), p.Namespace+"/*:latest") {
		err = usagef("repos needs an organization, and %s says more: tags lists the tags of a repository, find those of many", arg)
	}
	return p.Host, p.Namespace, err
}

// nothingListed tells a namespace without repositories to see from one that
// does not exist: the listing is the same (doc/quay-api.md section 1).
func (a *app) nothingListed(ctx context.Context, l *link, namespace string) error {
	exists, err := l.catalog.Namespace(ctx, namespace)
	switch {
	case err != nil:
		return err
	case !exists:
		return noNamespace(namespace, l)
	}
	a.talk.note("%s exists, and shows you no repositories", namespace)
	if l.client.HasToken() {
		known, err := l.catalog.TokenKnown(ctx)
		if err != nil {
			return err
		}
		if !known {
			a.talk.warn(tokenIgnored)
		}
	}
	return a.empty()
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"fmt"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
)

// load returns a store that holds the dataset.
func load(d *Dataset, o store.Options) (*store.Store, error) {
	s := store.New(o)
	if err := addDataset(s, d); err != nil {
		return nil, fmt.Errorf("quaytest: dataset: %w", err)
	}
	s.Seal()
	return s, nil
}

func addDataset(s *store.Store, d *Dataset) error {
	for _, u := range d.Users {
		if err := s.AddUser(store.User(u)); err != nil {
			return err
		}
	}
	for _, o := range d.Organizations {
		if err := s.AddOrganization(o.Name, o.Enabled, o.Owners, o.Creators); err != nil {
			return err
		}
	}
	for _, t := range d.Tokens {
		s.AddToken(store.Token(t))
	}
	if err := addRepositories(s, d.Repositories); err != nil {
		return err
	}
	for _, r := range d.Robots {
		s.AddRobot(store.Robot{Name: r.Name, Token: r.Token}, r.Reads)
	}
	manifests := make([]store.Manifest, len(d.Manifests))
	for i, m := range d.Manifests {
		manifests[i] = store.Manifest(m)
		s.AddManifest(&manifests[i])
	}
	for _, b := range d.Blobs {
		var content *store.Blob
		if n, ok := b.size(); ok {
			content = &store.Blob{Data: b.Data, Size: n, Seed: b.Seed, File: b.File}
		}
		s.AddBlob(b.Repository, b.Digest, content)
	}
	return nil
}

// addRepositories adds the repositories. Those that share the rows of their tags, as
// the repositories of a fleet do, share the index of them.
func addRepositories(s *store.Store, repositories []Repository) error {
	type rows struct {
		first *Tag
		n     int
	}
	indexes := map[rows]*store.Tags{}
	s.Grow(len(repositories))
	for i := range repositories {
		r := &repositories[i]
		var tags *store.Tags
		if len(r.Tags) > 0 {
			set := rows{&r.Tags[0], len(r.Tags)}
			if tags = indexes[set]; tags == nil {
				tags = newTags(r.Tags)
				indexes[set] = tags
			}
		}
		var permissions []store.Permission
		for _, p := range r.Permissions {
			permissions = append(permissions, store.Permission{Account: p.User, Role: store.ParseRole(p.Role)})
		}
		err := s.AddRepository(store.Repository{
			Namespace: r.Namespace, Name: r.Name, Description: r.Description, Public: r.Public, State: r.State, Tags: tags,
		}, permissions)
		if err != nil {
			return err
		}
	}
	return nil
}

func newTags(tags []Tag) *store.Tags {
	rows := make([]store.Tag, len(tags))
	for i, t := range tags {
		rows[i] = store.Tag(t)
	}
	return store.NewTags(rows)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
)

// A source is a repository that images come from.
type source struct {
	*registry.Repository
	name string // host/namespace/name
	host string
}

// sources are the registries and repositories of a run. Safe for concurrent use.
type sources struct {
	open  func(host string) (*registry.Registry, error)
	mu    sync.Mutex
	hosts map[string]func() (*registry.Registry, error)
	known map[string]*source
}

func newSources(open func(string) (*registry.Registry, error)) *sources {
	return &sources{open: open, hosts: map[string]func() (*registry.Registry, error){}, known: map[string]*source{}}
}

// registry returns the registry of a host. Options.Registry is called once for each host.
func (s *sources) registry(host string) (*registry.Registry, error) {
	s.mu.Lock()
	open := s.hosts[host]
	if open == nil {
		open = sync.OnceValues(func() (*registry.Registry, error) { return s.open(host) })
		s.hosts[host] = open
	}
	s.mu.Unlock()
	return open()
}

// willPull announces to an image's registry that its repository will be pulled from.
func (s *sources) willPull(i Image) {
	if r, err := s.registry(i.Host); err == nil {
		r.WillPull(i.Repository)
	}
}

// of returns the repository of an image.
func (s *sources) of(i Image) (*source, error) {
	r, err := s.registry(i.Host)
	if err != nil {
		return nil, err
	}
	name := i.Host + "/" + i.Repository
	s.mu.Lock()
	defer s.mu.Unlock()
	if from := s.known[name]; from != nil {
		return from, nil
	}
	repository, err := r.Repository(i.Repository)
	if err != nil {
		return nil, err
	}
	from := &source{repository, name, i.Host}
	s.known[name] = from
	return from, nil
}

// find returns the repository and the digest of an image. It resolves the tag if the
// digest is unknown.
func (s *sources) find(ctx context.Context, i Image) (from *source, d digest.Digest, err error) {
	if err := i.Validate(); err != nil {
		return nil, "", err
	}
	if from, err = s.of(i); err != nil || i.Digest != "" {
		return from, i.Digest, err
	}
	if d, err = from.resolve(ctx, i.Tag); err != nil {
		return from, "", fmt.Errorf("tag %s: %w", i.Tag, err)
	}
	return from, d, nil
}

// resolve returns the digest of a tag.
func (s *source) resolve(ctx context.Context, tag string) (d digest.Digest, err error) {
	err = retry(ctx, func() error {
		desc, err := s.Resolve(ctx, tag)
		d = desc.Digest
		return err
	})
	return d, err
}

// manifest fetches a manifest by its digest.
func (s *source) manifest(ctx context.Context, d digest.Digest) (desc ocispec.Descriptor, content []byte, err error) {
	err = retry(ctx, func() error {
		desc, content, err = s.Manifest(ctx, d)
		return err
	})
	return desc, content, err
}

// referrers lists the referrers of a manifest. It returns an error if there are more
// than maxReferrers.
func (s *source) referrers(ctx context.Context, d digest.Digest) (list []registry.Attachment, err error) {
	err = retry(ctx, func() error {
		list, err = s.Attachments(ctx, d)
		return err
	})
	if err == nil && len(list) > maxReferrers {
		err = fmt.Errorf("the %[2]d referrers of %[1]s exceed the limit of %[3]d", d, len(list), maxReferrers)
	}
	return list, err
}

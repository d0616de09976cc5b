// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// This file checks the destination after a run. It shares no code with the tool that is
// measured.

// A holder stores content by digest.
type holder interface {
	manifest(digest string) (io.ReadCloser, error)
	blob(digest string) (io.ReadCloser, error)
}

// whole reports whether a manifest and all that it refers to exist, with content that
// matches each digest. sound records what was verified.
func whole(h holder, digest string, sound map[string]bool) error {
	text, err := read(h.manifest, digest, true)
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%s: %w", digest, err)
	}
	for _, child := range m.Manifests {
		if err := whole(h, child.Digest, sound); err != nil {
			return err
		}
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, l := range m.Layers {
		if sound[l.Digest] {
			continue
		}
		if _, err := read(h.blob, l.Digest, false); err != nil {
			return err
		}
		sound[l.Digest] = true
	}
	return nil
}

// read hashes content, and returns it if asked to.
func read(open func(string) (io.ReadCloser, error), digest string, keep bool) ([]byte, error) {
	content, err := open(digest)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	hash := sha256.New()
	var kept strings.Builder
	to := io.Writer(hash)
	if keep {
		to = io.MultiWriter(hash, &kept)
	}
	if _, err := io.Copy(to, content); err != nil {
		return nil, err
	}
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != digest {
		return nil, fmt.Errorf("content of %s is %s", digest, got)
	}
	return []byte(kept.String()), nil
}

// A folder is an image layout.
type folder string

func (f folder) blob(digest string) (io.ReadCloser, error) { return os.Open(f.path(digest)) }

func (f folder) manifest(digest string) (io.ReadCloser, error) { return f.blob(digest) }

func (f folder) path(digest string) string {
	return filepath.Join(string(f), "blobs", strings.Replace(digest, ":", "/", 1))
}

// list returns the digests in the layout's index.
func (f folder) list() (map[string]bool, error) {
	text, err := os.ReadFile(filepath.Join(string(f), "index.json"))
	if err != nil {
		return nil, err
	}
	var index manifest
	err = json.Unmarshal(text, &index)
	listed := map[string]bool{}
	for _, m := range index.Manifests {
		listed[m.Digest] = true
	}
	return listed, err
}

// images counts the images that are listed in their layout and complete.
func images(s survey, folderOf func(repository string) folder) (n int, why error) {
	sound := map[folder]map[string]bool{}
	for repository, digest := range s.digests {
		f := folderOf(repository)
		listed, err := f.list()
		if err == nil && !listed[digest] {
			err = errors.New("index.json does not list it")
		}
		if sound[f] == nil {
			sound[f] = map[string]bool{}
		}
		if err == nil {
			err = whole(f, digest, sound[f])
		}
		if err != nil {
			why = fmt.Errorf("%s: %w", repository, err)
			continue
		}
		n++
	}
	return n, why
}

// images counts the images that the registry has by their tags and that are complete.
func (d *destination) images(ctx context.Context, s survey) (n int, why error) {
	client := &http.Client{}
	defer client.CloseIdleConnections()
	sound := map[string]bool{}
	for repository, digest := range s.digests {
		a := pushed{&asker{ctx: ctx, client: client, base: "http://" + d.direct, repository: pushedTo(repository)}}
		text, err := a.get("/v2/" + a.repository + "/manifests/" + tag)
		if sum := sha256.Sum256(text); err == nil && "sha256:"+hex.EncodeToString(sum[:]) != digest {
			err = errors.New("its tag is for another manifest")
		}
		if err == nil {
			err = whole(a, digest, sound)
		}
		if err != nil {
			why = fmt.Errorf("%s: %w", repository, err)
			continue
		}
		n++
	}
	return n, why
}

// pushed is a repository of the destination.
type pushed struct{ *asker }

func (p pushed) manifest(digest string) (io.ReadCloser, error) {
	return p.open("/v2/" + p.repository + "/manifests/" + digest)
}

func (p pushed) blob(digest string) (io.ReadCloser, error) {
	return p.open("/v2/" + p.repository + "/blobs/" + digest)
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// A manifest lists what an image or an index refers to.
type manifest struct {
	MediaType string       `json:"mediaType"`
	Config    *descriptor  `json:"config"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

// A survey describes the content of a release, from all its manifests.
type survey struct {
	digests map[string]string // by repository
	sizes   map[string]int64  // of all unique manifests and blobs
	largest string            // the digest of a largest blob that one image has alone
}

// unique returns the number of bytes that must be transferred.
func (s survey) unique() (n int64) {
	for _, size := range s.sizes {
		n += size
	}
	return n
}

// newSurvey fetches all manifests of a quay without limits and quirks.
func newSurvey(ctx context.Context, bins binaries, dir string, r release) (s survey, err error) {
	port, err := freePort()
	if err != nil {
		return s, err
	}
	q, err := startQuay(ctx, bins["quaytest"], dir, port, r)
	if err != nil {
		return s, err
	}
	defer func() {
		_, stopped := q.stop()
		err = errors.Join(err, stopped)
	}()
	client, err := trusting(q.caFile)
	if err != nil {
		return s, err
	}
	defer client.CloseIdleConnections()
	s = survey{digests: map[string]string{}, sizes: map[string]int64{}}
	for i := range r.images {
		repository := fmt.Sprintf("%s/image-%06d", namespace, i)
		a := asker{ctx: ctx, client: client, base: "https://" + q.host, repository: repository}
		if err := a.login(); err != nil {
			return s, err
		}
		if s.digests[repository], err = s.walk(a, tag); err != nil {
			return s, fmt.Errorf("%s: %w", repository, err)
		}
	}
	return s, nil
}

// walk adds a manifest with all that it refers to, and returns its digest.
func (s *survey) walk(a asker, reference string) (string, error) {
	text, err := a.get("/v2/" + a.repository + "/manifests/" + reference)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	s.sizes[digest] = int64(len(text))
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return "", err
	}
	for _, child := range m.Manifests {
		if _, err := s.walk(a, child.Digest); err != nil {
			return "", err
		}
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, l := range m.Layers {
		if s.sizes[l.Digest] == 0 && l.Size > 1<<20 {
			s.largest = l.Digest // the last layer that was not seen before
		}
		s.sizes[l.Digest] = l.Size
	}
	return digest, nil
}

// An asker sends requests about one repository to a registry.
type asker struct {
	ctx                     context.Context
	client                  *http.Client
	base, repository, token string
}

// login gets an anonymous token.
func (a *asker) login() error {
	text, err := a.get("/v2/auth?service=" + strings.TrimPrefix(a.base, "https://") + "&scope=repository:" + a.repository + ":pull")
	if err != nil {
		return err
	}
	var answer struct{ Token string }
	err = json.Unmarshal(text, &answer)
	a.token = answer.Token
	return err
}

func (a *asker) open(path string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(a.ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return nil, err
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	for _, kind := range []string{"manifest.v1", "index.v1"} {
		r.Header.Add("Accept", "application/vnd.oci.image."+kind+"+json")
	}
	for _, kind := range []string{"manifest", "manifest.list"} {
		r.Header.Add("Accept", "application/vnd.docker.distribution."+kind+".v2+json")
	}
	answer, err := a.client.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s: %s", path, answer.Status), answer.Body.Close())
	}
	return answer.Body, nil
}

func (a *asker) get(path string) ([]byte, error) {
	body, err := a.open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(body)
	return text, errors.Join(err, body.Close())
}

// trusting returns a client that trusts one authority.
func trusting(caFile string) (*http.Client, error) {
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}, nil
}

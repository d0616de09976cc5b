// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

const (
	// maxManifest is the largest manifest that may be pushed. On Quay its front end
	// sets the bound.
	maxManifest = 8 << 20
	// tempTagLifetime is how long a manifest that is pushed by digest is kept without
	// a tag (PUSH_TEMP_TAG_EXPIRATION_SEC).
	tempTagLifetime = time.Hour
)

// acceptedTypes are the content types of pushed manifests. Those of schema 1 are
// accepted here and fail later: the embedded server does not read schema 1.
var acceptedTypes = []string{"", "application/json", store.OCIManifest, store.OCIIndex, store.DockerManifest, store.DockerList,
	"application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws"}

// A pushed is the content of a pushed manifest. A nil pointer means that a member is
// absent.
type pushed struct {
	SchemaVersion *float64            `json:"schemaVersion"`
	MediaType     *string             `json:"mediaType"`
	Config        *pushedDescriptor   `json:"config"`
	Layers        *[]pushedDescriptor `json:"layers"`
	Manifests     *[]pushedDescriptor `json:"manifests"`
	Subject       *pushedDescriptor   `json:"subject"`
	Annotations   map[string]any      `json:"annotations"`
	ArtifactType  string              `json:"artifactType"`
}

type pushedDescriptor struct {
	MediaType *string        `json:"mediaType"`
	Digest    *digest.Digest `json:"digest"`
	Size      *float64       `json:"size"`
	URLs      []string       `json:"urls"`
	Platform  *struct {
		Architecture *string `json:"architecture"`
		OS           *string `json:"os"`
	} `json:"platform"`
}

// servePutManifest answers PUT .../manifests/REFERENCE. The checks are in Quay's
// order (endpoints/v2/manifest.py; recording registry-push).
func (a *API) servePutManifest(w http.ResponseWriter, r *http.Request, name, reference string) {
	mediaType := r.Header.Get("Content-Type")
	if !slices.Contains(acceptedTypes, mediaType) {
		manifestInvalid(w, r, http.StatusUnsupportedMediaType, "manifest schema version not supported")
		return
	}
	if a.writable(w, r, name) == nil {
		return
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifest))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			const title = "413 Request Entity Too Large"
			wire.SendNginx(w, http.StatusRequestEntityTooLarge, title, title, "")
			return
		}
		manifestInvalid(w, r, http.StatusBadRequest, "failed to parse manifest: "+err.Error())
		return
	}
	text, err := parsePushed(mediaType, content)
	if err != nil {
		manifestInvalid(w, r, http.StatusBadRequest, "failed to parse manifest: "+err.Error())
		return
	}
	d := digest.FromBytes(content)
	byDigest := digestForm().MatchString(reference)
	if byDigest && reference != d.String() {
		manifestInvalid(w, r, http.StatusBadRequest, "manifest digest mismatch")
		return
	}
	if err := a.addManifest(name, d, mediaType, content, text); err != nil {
		switch {
		case errors.Is(err, store.ErrFull):
			sendError(w, r, http.StatusForbidden, "DENIED", "Quota has been exceeded on namespace", struct{}{})
		case byDigest: // only a push by tag gets the reason
			sendError(w, r, http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid", struct{}{})
		default:
			manifestInvalid(w, r, http.StatusBadRequest, err.Error())
		}
		return
	}
	a.tagManifest(name, reference, d, text, byDigest)
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Location", "/v2/"+name+"/manifests/"+d.String())
	wire.Send(w, r, http.StatusCreated, wire.HTML, []byte("OK"))
}

// manifestInvalid refuses a manifest, with the reason in detail.message.
func manifestInvalid(w http.ResponseWriter, r *http.Request, status int, reason string) {
	sendError(w, r, status, "MANIFEST_INVALID", "manifest invalid", map[string]string{"message": reason})
}

// An invalid is Quay's message about what is wrong with a manifest.
type invalid string

func (i invalid) Error() string { return string(i) }

func invalidf(format string, a ...any) error { return invalid(fmt.Sprintf(format, a...)) }

// parsePushed parses a manifest, or returns why Quay refuses it. The reasons are
// shorter than Quay's, which contain the manifest and a schema.
func parsePushed(mediaType string, content []byte) (*pushed, error) {
	const mismatch = "manifest data does not match schema: "
	var t pushed
	if !json.Valid(content) {
		return nil, fmt.Errorf("malformed manifest data: %w", json.Unmarshal(content, &t))
	}
	if err := json.Unmarshal(content, &t); err != nil {
		return nil, fmt.Errorf(mismatch+"%w", err)
	}
	absent := func(key string) error { return fmt.Errorf(mismatch+"'%s' is a required property", key) }
	index, docker := store.IsIndex(mediaType), strings.HasPrefix(mediaType, "application/vnd.docker.")
	var descriptors []pushedDescriptor
	switch {
	case mediaType != store.OCIManifest && mediaType != store.DockerManifest && !index:
		return nil, absent("signatures") // Quay reads it as schema 1
	case t.SchemaVersion == nil:
		return nil, absent("schemaVersion")
	case *t.SchemaVersion != 2:
		return nil, fmt.Errorf(mismatch+"%v is not the version 2", *t.SchemaVersion)
	case t.MediaType == nil && docker:
		return nil, absent("mediaType")
	case t.MediaType != nil && *t.MediaType != mediaType:
		return nil, fmt.Errorf(mismatch+"'%s' is not one of ['%s']", *t.MediaType, mediaType)
	case index && t.Manifests == nil:
		return nil, absent("manifests")
	case index:
		descriptors = *t.Manifests
	case t.Config == nil:
		return nil, absent("config")
	case t.Layers == nil:
		return nil, absent("layers")
	default:
		descriptors = append([]pushedDescriptor{*t.Config}, *t.Layers...)
	}
	if t.Subject != nil {
		descriptors = append(slices.Clip(descriptors), *t.Subject)
	}
	for _, d := range descriptors {
		switch {
		case d.MediaType == nil:
			return nil, absent("mediaType")
		case d.Size == nil:
			return nil, absent("size")
		case d.Digest == nil:
			return nil, absent("digest")
		case *d.Size < 0:
			return nil, errors.New("invalid layer size")
		case !index && len(d.URLs) == 0 && store.IsRemoteLayer(*d.MediaType):
			return nil, errors.New("missing `urls` for remote layer")
		case mediaType == store.DockerList && d.Platform == nil:
			return nil, absent("platform")
		case index && d.Platform != nil && d.Platform.Architecture == nil:
			return nil, absent("architecture")
		case index && d.Platform != nil && d.Platform.OS == nil:
			return nil, absent("os")
		}
	}
	if !index {
		for _, l := range *t.Layers {
			if !digestForm().MatchString(l.Digest.String()) {
				return nil, fmt.Errorf("could not parse manifest digest: %s", *l.Digest)
			}
		}
	}
	if docker && !index && *t.Config.MediaType != store.DockerConfig {
		return nil, fmt.Errorf(mismatch+"'%s' is not one of ['%s']", *t.Config.MediaType, store.DockerConfig)
	}
	return &t, nil
}

// addManifest adds a manifest to a repository that has everything the manifest names:
// blobs, and the manifests of an index.
func (a *API) addManifest(name string, of digest.Digest, mediaType string, text []byte, t *pushed) error {
	if a.Store.Manifest(name, of) != nil {
		return nil
	}
	var children store.Children
	if store.IsIndex(mediaType) {
		for _, d := range *t.Manifests {
			child := a.Store.Manifest(name, *d.Digest)
			switch {
			case child == nil:
				return invalidf("Could not find child manifest with digest `%s`", *d.Digest)
			case float64(len(child.Content)) != *d.Size:
				return invalidf("Size of manifest does not match that retrieved: %d vs %.0f", len(child.Content), *d.Size)
			}
			children.Digests = append(children.Digests, *d.Digest)
			children.Present = append(children.Present, true)
			children.Count++
		}
	} else {
		if mediaType == store.DockerManifest {
			if err := a.checkDockerConfig(name, *t.Config); err != nil {
				return err
			}
		}
		for _, d := range append([]pushedDescriptor{*t.Config}, *t.Layers...) {
			if !store.IsRemoteLayer(*d.MediaType) && *d.Digest != store.EmptyLayer && !a.Store.HasBlob(name, *d.Digest) {
				return invalidf("Unknown blob `%s`", *d.Digest)
			}
		}
	}
	return a.Store.PushManifest(store.Manifest{Repository: name, Digest: of, MediaType: mediaType, Content: string(text)}, children)
}

// checkDockerConfig returns why Quay refuses the configuration of a Docker image,
// which it checks before the layers (image/docker/schema2/manifest.py). Quay does not
// check the configuration of an OCI image.
func (a *API) checkDockerConfig(name string, d pushedDescriptor) error {
	blob := a.Store.Content(*d.Digest)
	if blob == nil || !a.Store.HasBlob(name, *d.Digest) {
		return invalidf("Could not load config blob for manifest")
	}
	if float64(blob.Size) != *d.Size {
		return invalidf("Size of config does not match that retrieved: %d vs %.0f", blob.Size, *d.Size)
	}
	if blob.Data == nil {
		return nil // synthetic content is not checked
	}
	config, err := members(blob.Data)
	switch {
	case !json.Valid(blob.Data):
		return fmt.Errorf("malformed config data: %w", err)
	case err != nil:
		return errors.New("config data does not match schema")
	}
	for _, key := range []string{"history", "rootfs"} {
		if lookup(config, key) == nil {
			return fmt.Errorf("config data does not match schema: '%s' is a required property", key)
		}
	}
	return nil
}

// tagManifest makes a tag name a manifest. A manifest that is pushed by digest is kept
// by a hidden tag for an hour, or for ever if it has a subject.
func (a *API) tagManifest(name, reference string, of digest.Digest, t *pushed, byDigest bool) {
	now := a.Now().Truncate(time.Millisecond)
	row := store.Tag{Name: reference, Digest: of, Start: now, ManifestList: t.Manifests != nil && t.Layers == nil}
	if t.Layers != nil {
		var size int64
		for _, l := range *t.Layers {
			size += int64(*l.Size)
		}
		row.Size = &size
	}
	if !byDigest {
		a.Store.PushTag(name, row)
		return
	}
	until := now.Add(tempTagLifetime)
	row.Name, row.Hidden = "$temp-"+newUUID(), true
	if t.Subject == nil {
		row.End = until
	}
	a.Store.KeepManifest(name, row, until)
}

// serveDeleteManifest answers DELETE .../manifests/REFERENCE: it ends a tag, or all
// tags of a digest. A manifest without a live tag does not exist.
func (a *API) serveDeleteManifest(w http.ResponseWriter, r *http.Request, name, reference string) {
	if a.writable(w, r, name) == nil {
		return
	}
	pick := func(t *store.Tag) bool { return t.Name == reference }
	if digestForm().MatchString(reference) {
		pick = func(t *store.Tag) bool { return t.Digest == digest.Digest(reference) }
	}
	if !a.Store.EndTags(name, pick, a.Now().Truncate(time.Millisecond)) {
		manifestUnknown(w, r, struct{}{})
		return
	}
	wire.Send(w, r, http.StatusAccepted, wire.HTML, nil)
}

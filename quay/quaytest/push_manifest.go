// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// mostManifest is how long a manifest may be that is pushed. Quay's own
	// bound is its front end's.
	mostManifest = 8 << 20
	// tempTagLifetime is how long a manifest that is pushed by digest is kept
	// without a tag (PUSH_TEMP_TAG_EXPIRATION_SEC).
	tempTagLifetime = time.Hour
)

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	// emptyLayer is a blob that every Quay has (image/docker/schema2).
	emptyLayer = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
)

// takenTypes are the content types that a manifest may be pushed as. The ones
// of schema 1 pass here and fail later: the embedded server reads none.
var takenTypes = []string{"", "application/json", ociManifest, ociIndex, dockerManifest, dockerList,
	"application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws"}

// A pushed is a manifest as its pusher wrote it. Pointers tell what is absent.
type pushedText struct {
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
	MediaType *string  `json:"mediaType"`
	Digest    *string  `json:"digest"`
	Size      *float64 `json:"size"`
	URLs      []string `json:"urls"`
	Platform  *struct {
		Architecture *string `json:"architecture"`
		OS           *string `json:"os"`
	} `json:"platform"`
}

// servePutManifest answers PUT .../manifests/REFERENCE. The checks come in
// Quay's order (endpoints/v2/manifest.py; recording registry-push).
func (h *Handler) servePutManifest(w http.ResponseWriter, r *http.Request, name, reference string) {
	mediaType := r.Header.Get("Content-Type")
	if !slices.Contains(takenTypes, mediaType) {
		manifestInvalid(w, r, http.StatusUnsupportedMediaType, "manifest schema version not supported")
		return
	}
	if h.writable(w, r, name) == nil {
		return
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostManifest))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			const title = "413 Request Entity Too Large"
			sendNginx(w, http.StatusRequestEntityTooLarge, title, title, "")
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
	digest := digestOf(content)
	byDigest := digestForm().MatchString(reference)
	if byDigest && reference != digest {
		manifestInvalid(w, r, http.StatusBadRequest, "manifest digest mismatch")
		return
	}
	if err := h.addManifest(name, digest, mediaType, content, text); err != nil {
		switch {
		case errors.Is(err, errFull):
			refuse(w, r, http.StatusForbidden, "DENIED", "Quota has been exceeded on namespace", struct{}{})
		case byDigest: // Quay gives the reason only to a push by tag
			refuse(w, r, http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid", struct{}{})
		default:
			manifestInvalid(w, r, http.StatusBadRequest, err.Error())
		}
		return
	}
	h.tagManifest(name, reference, digest, text, byDigest)
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Location", "/v2/"+name+"/manifests/"+digest)
	sendBytes(w, r, http.StatusCreated, htmlType, []byte("OK"))
}

// manifestInvalid answers that a manifest is not taken, with the reason where
// Quay puts it.
func manifestInvalid(w http.ResponseWriter, r *http.Request, status int, reason string) {
	refuse(w, r, status, "MANIFEST_INVALID", "manifest invalid", map[string]string{"message": reason})
}

// An invalid is what Quay finds wrong with a manifest, in Quay's own words.
type invalid string

func (i invalid) Error() string { return string(i) }

func invalidf(format string, a ...any) error { return invalid(fmt.Sprintf(format, a...)) }

// parsePushed reads a manifest, and tells what in it Quay does not take. The
// reasons are shorter than Quay's, which repeat the manifest and a schema.
func parsePushed(mediaType string, content []byte) (*pushedText, error) {
	const mismatch = "manifest data does not match schema: "
	var t pushedText
	if !json.Valid(content) {
		return nil, fmt.Errorf("malformed manifest data: %w", json.Unmarshal(content, &t))
	}
	if err := json.Unmarshal(content, &t); err != nil {
		return nil, fmt.Errorf(mismatch+"%w", err)
	}
	absent := func(key string) error { return fmt.Errorf(mismatch+"'%s' is a required property", key) }
	index, docker := isIndex(mediaType), strings.HasPrefix(mediaType, "application/vnd.docker.")
	var descriptors []pushedDescriptor
	switch {
	case mediaType != ociManifest && mediaType != dockerManifest && !index:
		return nil, absent("signatures") // taken for schema 1
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
		case !index && len(d.URLs) == 0 && (wireLayer{MediaType: *d.MediaType}).remote():
			return nil, errors.New("missing `urls` for remote layer")
		case mediaType == dockerList && d.Platform == nil:
			return nil, absent("platform")
		case index && d.Platform != nil && d.Platform.Architecture == nil:
			return nil, absent("architecture")
		case index && d.Platform != nil && d.Platform.OS == nil:
			return nil, absent("os")
		}
	}
	if !index {
		for _, l := range *t.Layers {
			if !digestForm().MatchString(*l.Digest) {
				return nil, fmt.Errorf("could not parse manifest digest: %s", *l.Digest)
			}
		}
	}
	if docker && !index && *t.Config.MediaType != dockerConfig {
		return nil, fmt.Errorf(mismatch+"'%s' is not one of ['%s']", *t.Config.MediaType, dockerConfig)
	}
	return &t, nil
}

// addManifest keeps a manifest in a repository, if the repository has all that
// it names: blobs, and the manifests of an index.
func (h *Handler) addManifest(name, digest, mediaType string, text []byte, t *pushedText) error {
	if h.st.manifest(name, digest) != nil {
		return nil
	}
	p := &pushedManifest{Manifest: Manifest{Repository: name, Digest: digest, MediaType: mediaType, Content: string(text)}}
	if isIndex(mediaType) {
		for _, d := range *t.Manifests {
			child := h.st.manifest(name, *d.Digest)
			switch {
			case child == nil:
				return invalidf("Could not find child manifest with digest `%s`", *d.Digest)
			case float64(len(child.Content)) != *d.Size:
				return invalidf("Size of manifest does not match that retrieved: %d vs %.0f", len(child.Content), *d.Size)
			}
			p.children.digests = append(p.children.digests, *d.Digest)
			p.children.present = append(p.children.present, true)
			p.children.count++
		}
	} else {
		if mediaType == dockerManifest {
			if err := h.checkDockerConfig(name, *t.Config); err != nil {
				return err
			}
		}
		for _, d := range append([]pushedDescriptor{*t.Config}, *t.Layers...) {
			if !(wireLayer{MediaType: *d.MediaType}).remote() && *d.Digest != emptyLayer && !h.st.hasBlob(name, *d.Digest) {
				return invalidf("Unknown blob `%s`", *d.Digest)
			}
		}
	}
	if !h.st.pushed.reserve(int64(len(text))) {
		return errFull
	}
	namespace, repository := splitRepository(name)
	h.st.change(namespace, repository, func(v *version) bool {
		if _, had := h.st.pushed.manifests.LoadOrStore(content{name, digest}, p); had {
			h.st.pushed.release(int64(len(text))) // another request was first
			return false
		}
		v.manifests = append(v.manifests, &p.Manifest)
		return true
	})
	return nil
}

// checkDockerConfig tells what Quay finds wrong with the configuration of a
// Docker image before it looks for layers (image/docker/schema2/manifest.py). It
// does so for no OCI image.
func (h *Handler) checkDockerConfig(name string, d pushedDescriptor) error {
	blob := h.stored(*d.Digest)
	if blob == nil || !h.st.hasBlob(name, *d.Digest) {
		return invalidf("Could not load config blob for manifest")
	}
	if float64(blob.size()) != *d.Size {
		return invalidf("Size of config does not match that retrieved: %d vs %.0f", blob.size(), *d.Size)
	}
	if blob.bytes == nil {
		return nil // synthetic: not looked at
	}
	config, err := members(blob.bytes())
	switch {
	case !json.Valid(blob.bytes()):
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

// tagManifest sets a tag to a manifest. One that is pushed by digest is kept
// by a hidden tag for an hour, or for good if it has a subject.
func (h *Handler) tagManifest(name, reference, digest string, t *pushedText, byDigest bool) {
	now := h.now().Truncate(time.Millisecond)
	row := Tag{Name: reference, Digest: digest, Start: now, ManifestList: t.Manifests != nil && t.Layers == nil}
	if t.Layers != nil {
		var size int64
		for _, l := range *t.Layers {
			size += int64(*l.Size)
		}
		row.Size = &size
	}
	namespace, repository := splitRepository(name)
	h.st.change(namespace, repository, func(v *version) bool {
		if !byDigest {
			v.tagged(row)
			return true
		}
		until := now.Add(tempTagLifetime)
		if slices.ContainsFunc(v.repository.Tags, func(t Tag) bool {
			return t.Digest == digest && (t.End.IsZero() || !t.End.Before(until))
		}) {
			return false // it lives as long anyway
		}
		row.Name, row.Hidden = "$temp-"+newUUID(), true
		if t.Subject == nil {
			row.End = until
		}
		v.repository.Tags = append(v.repository.Tags, row)
		return true
	})
}

// serveDeleteManifest answers DELETE .../manifests/REFERENCE: it ends a tag, or
// all tags of a digest. What has no live tag is not there.
func (h *Handler) serveDeleteManifest(w http.ResponseWriter, r *http.Request, name, reference string) {
	if h.writable(w, r, name) == nil {
		return
	}
	pick := func(t *Tag) bool { return t.Name == reference }
	if digestForm().MatchString(reference) {
		pick = func(t *Tag) bool { return t.Digest == reference }
	}
	namespace, repository := splitRepository(name)
	if !h.st.change(namespace, repository, func(v *version) bool { return v.untagged(pick, h.now().Truncate(time.Millisecond)) }) {
		manifestUnknown(w, r, struct{}{})
		return
	}
	sendBytes(w, r, http.StatusAccepted, htmlType, nil)
}

// isCosignTag reports whether a tag is one that cosign names after a digest.
func isCosignTag(name string) bool {
	rest, ok := strings.CutPrefix(name, "sha256-")
	hex, suffix, _ := strings.Cut(rest, ".")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == "" && slices.Contains(cosignSuffixes, "."+suffix)
}

// isCosignTagOf reports whether a tag is one that cosign names after this digest.
func isCosignTagOf(name, digest string) bool {
	prefix := strings.Replace(digest, ":", "-", 1)
	return slices.ContainsFunc(cosignSuffixes, func(suffix string) bool { return name == prefix+suffix })
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"encoding/base64"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
)

// sbom adds an artifact without a tag whose subject is the image.
func (b *builder) sbom(repository string, image descriptor, out time.Time) {
	const spdx = "application/spdx+json"
	image.Platform = nil
	b.manifest(repository, store.OCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": store.OCIManifest, "artifactType": spdx, "subject": image,
		"config": b.text(repository, "application/vnd.oci.empty.v1+json", []byte("{}")),
		"layers": []descriptor{b.text(repository, spdx, marshal(map[string]any{
			"spdxVersion": "SPDX-2.3", "name": repository, "documentNamespace": "https://example.com/" + image.Digest.String(),
		}))},
		"annotations": map[string]string{"org.opencontainers.image.created": out.Format(time.RFC3339)},
	})
}

// signature adds a signature in the form of cosign and returns its tag. The signature
// itself is not valid, since there is no key.
func (b *builder) signature(repository string, image descriptor, at time.Time) Tag {
	payload := b.text(repository, "application/vnd.dev.cosign.simplesigning.v1+json", marshal(map[string]any{
		"critical": map[string]any{
			"identity": map[string]string{"docker-reference": repository},
			"image":    map[string]string{"docker-manifest-digest": image.Digest.String()},
			"type":     "cosign container image signature",
		}, "optional": nil,
	}))
	made := "made up for " + image.Digest.String()
	payload.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString([]byte(made))}
	config := b.text(repository, store.OCIConfig, marshal(map[string]any{
		"architecture": "", "os": "", "config": map[string]any{}, "created": at.Format(time.RFC3339),
		"rootfs": map[string]any{"type": "layers", "diff_ids": []digest.Digest{payload.Digest}},
	}))
	m := b.manifest(repository, store.OCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": store.OCIManifest, "config": config, "layers": []descriptor{payload},
	})
	size := payload.Size
	return Tag{Name: "sha256-" + image.Digest.Encoded() + ".sig", Digest: m.Digest, Start: at, Size: &size}
}

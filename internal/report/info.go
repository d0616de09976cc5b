// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"maps"
	"slices"
	"time"

	"github.com/quayside/quayside/internal/redact"
)

// Infos are the images of info.
type Infos []Info

// An Info is what an image is made of. If the image is absent although it was named, or
// unknown, its digest is null and its error says why.
type Info struct {
	Reference string         `json:"reference"`
	Verdict   string         `json:"verdict"`
	Digest    *string        `json:"digest"`
	MediaType *string        `json:"media_type"`
	Images    []PlatformInfo `json:"images"`
	Error     *string        `json:"error"`
}

// A PlatformInfo is the image for one platform.
type PlatformInfo struct {
	Platform string            `json:"platform"`
	Digest   string            `json:"digest"`
	Created  *time.Time        `json:"created"`
	Size     int64             `json:"size"`
	Labels   map[string]string `json:"labels"`
	Layers   []Layer           `json:"layers"`
}

// A Layer is one layer of an image, with its size as it is transferred.
type Layer struct {
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
	MediaType string `json:"media_type"`
}

// text writes a block of lines for each image that is there.
func (all Infos) text(p *printer) {
	for n, i := range all {
		if i.Digest == nil {
			continue
		}
		if n > 0 {
			p.print("\n")
		}
		p.print(redact.Escape(i.Reference), "\n")
		p.rows([][]string{{"  digest", *i.Digest}, {"  type", *i.MediaType}})
		for _, image := range i.Images {
			p.print("  ", redact.Escape(image.Platform), "\n")
			rows := [][]string{{"    digest", image.Digest}}
			if image.Created != nil {
				rows = append(rows, []string{"    created", image.Created.Format(time.RFC3339)})
			}
			rows = append(rows, []string{"    size", Bytes(image.Size) + " in " + Quantity(len(image.Layers), "layer")})
			for _, key := range slices.Sorted(maps.Keys(image.Labels)) {
				rows = append(rows, []string{"    label", key + "=" + image.Labels[key]})
			}
			for _, l := range image.Layers {
				rows = append(rows, []string{"    layer", l.Digest + " " + Bytes(l.Size)})
			}
			p.rows(rows)
		}
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
)

// sampleImages builds the images of SampleDataset.
type sampleImages struct{ *builder }

// tags builds a service's image of a release and returns the rows of its tag. The tag
// of an image that was rebuilt moved some days later, so it has two rows.
func (s sampleImages) tags(service, release string, out time.Time, rebuilt bool) []Tag {
	rows := []Tag{s.tag(service, release, 1, out)}
	if rebuilt && release == SampleTag {
		moved := out.Add(12 * 24 * time.Hour)
		rows[0].End = moved
		rows = append(rows, s.tag(service, release, 2, moved))
	}
	return rows
}

// tag builds an image, or an index of two images for nova-compute.
func (s sampleImages) tag(service, release string, build int, out time.Time) Tag {
	repository := SampleOrganization + "/" + service
	t := Tag{Name: release, Start: out}
	amd64, size := s.image(repository, release, build, "amd64", out)
	if service != "nova-compute" {
		t.Digest, t.Size = amd64.Digest, &size
		return t
	}
	arm64, _ := s.image(repository, release, build, "arm64", out)
	t.ManifestList = true
	t.Digest = s.index(repository, amd64, arm64).Digest
	return t
}

// image builds an image for one architecture from a layer that all services share, one
// that a release shares, and one of its own. It returns the image's descriptor and the
// size of its layers.
func (s sampleImages) image(repository, release string, build int, arch string, out time.Time) (descriptor, int64) {
	layers := []descriptor{
		s.layer(repository, "etc/os-release", "NAME=\"Sample Linux\"\nARCHITECTURE="+arch+"\n"+strings.Repeat("# base\n", 4000)),
		s.layer(repository, "etc/openstack-release", release+" "+arch+"\n"+strings.Repeat("# release\n", 1000)),
		s.layer(repository, "opt/"+repository, fmt.Sprintf("%s %s build %d %s\n", repository, release, build, arch)),
	}
	return s.builder.image(repository, release, arch, out, layers, []string{"base", "release", "service"})
}

// layer builds a layer of one file.
func (s sampleImages) layer(repository, name, text string) descriptor {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Format: tar.FormatUSTAR})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer accepts every write, and the names and sizes fit
	}
	return s.text(repository, store.OCILayer, b.Bytes())
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
)

// ReleaseOptions describe the images of a [Release]. The zero value is the organization
// "release" with the tag 2025.1. Its first 60 images are 193 MB, and 3.3 times that if
// each is copied alone, since they share layers.
//
// Sizes are those of layers, in bytes; [SyntheticLayer] rounds them. 0 means the
// default, which each comment names.
type ReleaseOptions struct {
	Namespace string // the organization; default release
	Tag       string // the tag of every repository; default 2025.1

	Base   int64 // size of the layer that all images share; default 4.6 MB
	Group  int64 // size of the layer that a group of images shares; default 3.3 MB
	Groups int   // number of groups; default 6
	Own    int64 // size of each image's own layer; default 2.81 MB

	Signed    int // every n-th image, beginning with the first, has a cosign signature: a tag named after its digest; 0 is none
	Referrers int // every n-th image has a referrer: an SBOM whose subject is the image; 0 is none
	Index     int // every n-th image is an index of two images, for amd64 and for arm64; 0 is none

	// Arm64 is the size of the larger layer of an image for arm64; default 64 KiB. The
	// smaller layer has 16 KiB, and all images for arm64 share it.
	Arm64 int64

	// Private is the number of repositories that only the owners of the organization
	// see, as in [FleetOptions].
	Private int
}

// withDefaults returns the options with the defaults for zero fields.
func (o ReleaseOptions) withDefaults() ReleaseOptions {
	o.Namespace, o.Tag = cmp.Or(o.Namespace, "release"), cmp.Or(o.Tag, "2025.1")
	o.Base, o.Group, o.Own = cmp.Or(o.Base, 4_600_000), cmp.Or(o.Group, 3_300_000), cmp.Or(o.Own, 2_810_000)
	o.Groups, o.Arm64 = cmp.Or(max(o.Groups, 0), 6), cmp.Or(o.Arm64, 64<<10)
	return o
}

// Release returns an organization of n repositories, image-000000 and up, each with one
// tag that names an image that can be pulled. It is for tests and benchmarks of
// copying: the options set which layers the images share and how large they are;
// [Dataset.BlobBytes] returns the sums. Image i belongs to group i modulo Groups. The
// same arguments return the same release. Release reads all layers once to compute
// their digests. It panics if n is negative.
func Release(n int, opts ReleaseOptions) *Dataset {
	opts = opts.withDefaults()
	d := &Dataset{
		About:         fmt.Sprintf("A release of %d images that share layers.", n),
		Organizations: []Organization{{Name: opts.Namespace, Enabled: true}},
		Repositories:  make([]Repository, n),
	}
	r := &release{builder: newBuilder(d), ReleaseOptions: opts, layers: map[uint64]Blob{}}
	names := fleetNames(n)
	for i := range d.Repositories {
		d.Repositories[i] = Repository{
			Namespace: opts.Namespace, Name: names[i], Public: !spread(n-1-i, n, opts.Private), State: "NORMAL",
			Tags: r.tags(i, opts.Namespace+"/"+names[i]),
		}
	}
	return d
}

// A release builds the images of Release.
type release struct {
	*builder
	ReleaseOptions
	layers map[uint64]Blob // built so far, by seed
}

// Seeds of the layers.
const (
	seedBase uint64 = (iota + 1) << 32
	seedGroup
	seedOwn
	seedArm64Base
	seedArm64
)

// layer adds a layer to a repository. It builds each layer once.
func (r *release) layer(repository, file string, size int64, seed uint64) descriptor {
	made, ok := r.layers[seed]
	if !ok {
		made = SyntheticLayer("", file, size, seed)
		r.layers[seed] = made
	}
	return r.synthetic(repository, store.OCILayer, made)
}

// tags builds image i and returns the tags of its repository.
func (r *release) tags(i int, repository string) []Tag {
	out := time.Date(2025, 4, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute)
	group := i % r.Groups
	image, size := r.image(repository, r.Tag, "amd64", out, []descriptor{
		r.layer(repository, "base", r.Base, seedBase),
		r.layer(repository, fmt.Sprintf("group-%d", group), r.Group, seedGroup+uint64(group)),
		r.layer(repository, fmt.Sprintf("image-%d", i), r.Own, seedOwn+uint64(i)),
	}, []string{"base", "group", "image"})
	tag := Tag{Name: r.Tag, Digest: image.Digest, Start: out, Size: &size}
	if among(i, r.Index) {
		arm64, _ := r.image(repository, r.Tag, "arm64", out, []descriptor{
			r.layer(repository, "base", 16<<10, seedArm64Base),
			r.layer(repository, fmt.Sprintf("image-%d", i), r.Arm64, seedArm64+uint64(i)),
		}, []string{"base", "image"})
		image = r.index(repository, image, arm64)
		tag.Digest, tag.ManifestList, tag.Size = image.Digest, true, nil
	}
	if among(i, r.Referrers) {
		r.sbom(repository, image, out)
	}
	tags := []Tag{tag}
	if among(i, r.Signed) {
		tags = append(tags, r.signature(repository, image, out.Add(time.Second)))
	}
	return tags
}

// among reports whether i is a multiple of every; 0 is none.
func among(i, every int) bool { return every > 0 && i%every == 0 }

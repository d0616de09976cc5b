// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"cmp"
	"fmt"
	"time"
)

// ReleaseOptions says what the images of a [Release] are made of. The zero
// value is the organization "release" with the tag 2025.1, whose first 60
// images are 193 MB, shared so that all of them one by one are 3.3 times that.
//
// Sizes are of layers, in bytes, and are rounded down as [SyntheticLayer] says.
// 0 is the default.
type ReleaseOptions struct {
	Namespace string // the organization; "" is release
	Tag       string // that every repository carries; "" is 2025.1

	Base   int64 // of the layer that all images share; 4.6 MB
	Group  int64 // of the layer that the images of a group share; 3.3 MB
	Groups int   // number of groups; 6
	Own    int64 // of each image's own layer; 2.81 MB

	// One in so many images, beginning with the first: is signed the way of
	// cosign, by a tag made of its digest; has a referrer, an SBOM that names
	// it as its subject; is an index of amd64, which is as the others, and of
	// arm64, which has two layers that are its own. 0 is none.
	Signed, Referrers, Index int

	// Arm64 is the size of the larger layer of an image for arm64; 64 KiB. The
	// other one is of 16 KiB, and shared by all of them.
	Arm64 int64

	// Private is how many repositories only the owners of the organization
	// see, as in [FleetOptions].
	Private int
}

// withDefaults fills in what was left out.
func (o ReleaseOptions) withDefaults() ReleaseOptions {
	o.Namespace, o.Tag = cmp.Or(o.Namespace, "release"), cmp.Or(o.Tag, "2025.1")
	o.Base, o.Group, o.Own = cmp.Or(o.Base, 4_600_000), cmp.Or(o.Group, 3_300_000), cmp.Or(o.Own, 2_810_000)
	o.Groups, o.Arm64 = cmp.Or(max(o.Groups, 0), 6), cmp.Or(o.Arm64, 64<<10)
	return o
}

// Release makes an organization of n repositories, image-000000 and on, each
// with one tag that stands for an image that can be pulled. It is for tests and
// benchmarks of copying: what the images share, and how much it is, is chosen;
// [Dataset.BlobBytes] adds it up. Image i is of group i modulo Groups. The same
// arguments give the same release. It reads through all layers once to give
// them their digests. A negative n panics.
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

// A release is what Release works with.
type release struct {
	*builder
	ReleaseOptions
	layers map[uint64]Blob // by seed, those that were made
}

// Seeds of a release's layers.
const (
	seedBase uint64 = (iota + 1) << 32
	seedGroup
	seedOwn
	seedArm64Base
	seedArm64
)

// layer gives a repository a layer, which is made when it is first asked for.
func (r *release) layer(repository, file string, size int64, seed uint64) descriptor {
	made, ok := r.layers[seed]
	if !ok {
		made = SyntheticLayer("", file, size, seed)
		r.layers[seed] = made
	}
	return r.synthetic(repository, ociLayer, made)
}

// tags makes image i, and gives the tags of its repository.
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

// among tells whether i is one in every so many.
func among(i, every int) bool { return every > 0 && i%every == 0 }

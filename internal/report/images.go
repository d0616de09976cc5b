// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Images keeps verdicts until they can be rendered in order, in some 80 bytes
// each beside the repository's name: a digest takes 32 bytes, times are seconds,
// and values that rows share are kept once. The zero value is ready for use. It
// is not safe for concurrent use.
type Images struct {
	blocks [][]packed // all but the last are full
	common []Image
	ids    map[Image]uint32 // index in common
	causes []string         // the Error of rows that have one
}

const blockLen = 4096

// A packed is one row without the values that it shares with other rows.
type packed struct {
	repository             string
	digest                 [sha256.Size]byte
	size, started, expires int64
	common                 uint32 // index in Images.common
	cause                  uint32 // index in Images.causes plus one; 0 is none
}

// inBytes is the Digest of a common Image whose rows keep theirs as bytes.
const inBytes digest.Digest = "sha256:"

// Add keeps one verdict. Times keep whole seconds, as the server sends them.
func (s *Images) Add(i Image) {
	p := packed{repository: i.Repository, size: i.Size, started: seconds(i.Started), expires: seconds(i.Expires)}
	if i.Error != "" {
		s.causes = append(s.causes, i.Error)
		p.cause = uint32(len(s.causes))
	}
	if i.Digest.Validate() == nil && i.Digest.Algorithm() == digest.SHA256 {
		if _, err := hex.Decode(p.digest[:], []byte(i.Digest.Encoded())); err == nil {
			i.Digest = inBytes
		}
	}
	i.Repository, i.Error, i.Size, i.Started, i.Expires = "", "", 0, time.Time{}, time.Time{}
	p.common = s.id(i)
	if n := len(s.blocks); n == 0 || len(s.blocks[n-1]) == blockLen {
		s.blocks = append(s.blocks, make([]packed, 0, blockLen))
	}
	last := &s.blocks[len(s.blocks)-1]
	*last = append(*last, p)
}

// id returns the index of an Image in s.common.
func (s *Images) id(i Image) uint32 {
	id, ok := s.ids[i]
	if !ok {
		if s.ids == nil {
			s.ids = map[Image]uint32{}
		}
		id = uint32(len(s.common))
		s.ids[i], s.common = id, append(s.common, i)
	}
	return id
}

// Len returns how many verdicts are kept.
func (s *Images) Len() int {
	if len(s.blocks) == 0 {
		return 0
	}
	return (len(s.blocks)-1)*blockLen + len(s.blocks[len(s.blocks)-1])
}

// Sorted returns the verdicts in the order of host, namespace, repository and
// tag, and may be ranged over again.
func (s *Images) Sorted() iter.Seq[Image] {
	order := make([]uint32, s.Len())
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortStableFunc(order, func(a, b uint32) int { return s.compare(s.at(a), s.at(b)) })
	return func(yield func(Image) bool) {
		for _, i := range order {
			if !yield(s.unpack(s.at(i))) {
				return
			}
		}
	}
}

func (s *Images) at(i uint32) *packed { return &s.blocks[i/blockLen][i%blockLen] }

func (s *Images) compare(a, b *packed) int {
	x, y := &s.common[a.common], &s.common[b.common]
	return cmp.Or(
		strings.Compare(x.Host, y.Host),
		strings.Compare(x.Namespace, y.Namespace),
		strings.Compare(a.repository, b.repository),
		strings.Compare(x.Tag, y.Tag),
	)
}

func (s *Images) unpack(p *packed) Image {
	i := s.common[p.common]
	i.Repository, i.Size, i.Started, i.Expires = p.repository, p.size, moment(p.started), moment(p.expires)
	if i.Digest == inBytes {
		i.Digest = digest.NewDigestFromBytes(digest.SHA256, p.digest[:])
	}
	if p.cause > 0 {
		i.Error = s.causes[p.cause-1]
	}
	return i
}

// noTime stands for the zero time. No valid time has this number of seconds.
const noTime = -1 << 63

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.Unix()
}

func moment(seconds int64) time.Time {
	if seconds == noTime {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"encoding/hex"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Images keeps verdicts until they can be rendered in order, in some 110 bytes
// each beside the repository's name: a digest as 32 bytes, times as seconds,
// and words that repeat once. The zero value is ready for use. It is not safe
// for concurrent use.
type Images struct {
	blocks [][]packed // all but the last are full
	words  []string
	ids    map[string]uint32
}

const blockLen = 4096

type packed struct {
	repository             string
	digest                 [32]byte
	size, started, expires int64
	verdict, host, namespace, tag,
	visibility, state, reason, cause,
	digestWord uint32 // a digest that is not sha256, as a word
	hashed, index bool // digest is set; the image is an index
}

// Add keeps one verdict. Times keep whole seconds, as the server gives them.
func (s *Images) Add(i Image) {
	p := packed{
		repository: i.Repository, size: i.Size, started: seconds(i.Started), expires: seconds(i.Expires),
		verdict: s.word(i.Verdict), host: s.word(i.Host), namespace: s.word(i.Namespace), tag: s.word(i.Tag),
		visibility: s.word(i.Visibility), state: s.word(i.State), reason: s.word(i.Reason), cause: s.word(i.Error), index: i.Index,
	}
	if text, ok := strings.CutPrefix(i.Digest.String(), "sha256:"); ok && len(text) == 64 && text == strings.ToLower(text) {
		n, err := hex.Decode(p.digest[:], []byte(text))
		p.hashed = err == nil && n == 32
	}
	if !p.hashed {
		p.digestWord = s.word(i.Digest.String())
	}
	if n := len(s.blocks); n == 0 || len(s.blocks[n-1]) == blockLen {
		s.blocks = append(s.blocks, make([]packed, 0, blockLen))
	}
	last := &s.blocks[len(s.blocks)-1]
	*last = append(*last, p)
}

// Len tells how many verdicts are kept.
func (s *Images) Len() int {
	if len(s.blocks) == 0 {
		return 0
	}
	return (len(s.blocks)-1)*blockLen + len(s.blocks[len(s.blocks)-1])
}

// Sorted gives the verdicts in the order of host, namespace, repository and
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
	return cmp.Or(
		strings.Compare(s.words[a.host], s.words[b.host]),
		strings.Compare(s.words[a.namespace], s.words[b.namespace]),
		strings.Compare(a.repository, b.repository),
		strings.Compare(s.words[a.tag], s.words[b.tag]),
	)
}

func (s *Images) unpack(p *packed) Image {
	d := digest.Digest(s.words[p.digestWord])
	if p.hashed {
		d = digest.NewDigestFromBytes(digest.SHA256, p.digest[:])
	}
	return Image{
		Verdict: s.words[p.verdict], Host: s.words[p.host], Namespace: s.words[p.namespace], Repository: p.repository,
		Tag: s.words[p.tag], Visibility: s.words[p.visibility], State: s.words[p.state], Reason: s.words[p.reason], Error: s.words[p.cause],
		Digest: d, Index: p.index, Size: p.size, Started: moment(p.started), Expires: moment(p.expires),
	}
}

// word gives the number that stands for a text. Number 0 is the empty text.
func (s *Images) word(text string) uint32 {
	if s.ids == nil {
		s.ids, s.words = map[string]uint32{"": 0}, []string{""}
	}
	id, ok := s.ids[text]
	if !ok {
		id = uint32(len(s.words))
		s.ids[text], s.words = id, append(s.words, text)
	}
	return id
}

// noTime is no second that a calendar reaches.
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

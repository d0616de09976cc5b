// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/manifest"
)

// A shop holds manifests in memory, and counts how often each is read.
type shop struct {
	content map[digest.Digest]string
	names   map[digest.Digest]string
	reads   map[digest.Digest]int
}

func newShop() *shop {
	return &shop{map[digest.Digest]string{}, map[digest.Digest]string{}, map[digest.Digest]int{}}
}

func (s *shop) add(name, mediaType, content string) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
	s.content[d.Digest], s.names[d.Digest] = content, name
	return d
}

func text(d ocispec.Descriptor) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, d.MediaType, d.Digest, d.Size)
}

func (s *shop) image(name string, layers ...ocispec.Descriptor) ocispec.Descriptor {
	config := s.add(name+".config", ocispec.MediaTypeImageConfig, name)
	var list []string
	for _, d := range layers {
		list = append(list, text(d))
	}
	return s.add(name, image, fmt.Sprintf(`{"schemaVersion":2,"config":%s,"layers":[%s]}`, text(config), strings.Join(list, ",")))
}

func (s *shop) index(name string, children ...ocispec.Descriptor) ocispec.Descriptor {
	var list []string
	for _, d := range children {
		list = append(list, text(d))
	}
	return s.add(name, index, fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s],"annotations":{"name":%q}}`, strings.Join(list, ","), name))
}

func (s *shop) source(_ context.Context, d ocispec.Descriptor) (ocispec.Descriptor, []byte, error) {
	s.reads[d.Digest]++
	content, ok := s.content[d.Digest]
	if !ok {
		return d, nil, errors.New("not there")
	}
	return d, []byte(content), nil
}

// trace returns the names in the order of enter and of leave, with the error of a
// manifest behind its name.
func (s *shop) trace(t *testing.T, g *manifest.Graph, root ocispec.Descriptor) (entered, left []string) {
	t.Helper()
	err := g.Walk(t.Context(), root, func(n *manifest.Node) error {
		name := s.names[n.Digest]
		if n.Err != nil {
			name += "!"
		}
		entered = append(entered, name)
		return nil
	}, func(n *manifest.Node) error {
		left = append(left, s.names[n.Digest])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entered, left
}

func TestWalkEntersEachNodeOnceAndLeavesItAfterWhatItLists(t *testing.T) {
	s := newShop()
	layer := s.add("layer", ocispec.MediaTypeImageLayer, "layer")
	lie := s.add("lie", image, "a layer that carries a manifest's media type")
	a, b := s.image("a", layer), s.image("b", layer, lie)
	inner := s.index("inner", b)
	root := s.index("root", a, inner, b)
	g := manifest.NewGraph(s.source)
	for range 2 {
		entered, left := s.trace(t, g, root)
		want := []string{"root", "a", "a.config", "layer", "inner", "b", "b.config", "lie"}
		if diff := cmp.Diff(want, entered); diff != "" {
			t.Errorf("entered (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"a.config", "layer", "a", "b.config", "lie", "b", "inner", "root"}, left); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
	}
	if s.reads[root.Digest] != 1 || s.reads[b.Digest] != 1 || s.reads[lie.Digest] != 0 {
		t.Errorf("read %v", s.reads)
	}
}

func TestWalkReportsWhatCannotBeRead(t *testing.T) {
	s := newShop()
	good := s.image("good")
	gone := s.image("gone")
	delete(s.content, gone.Digest)
	root := s.index("root",
		s.add("schema 1", "application/vnd.docker.distribution.manifest.v1+json", "{}"), gone,
		s.add("text", image, "just text"), s.add("chart", "application/x-tar", "chart"), good)
	entered, _ := s.trace(t, manifest.NewGraph(s.source), root)
	want := []string{"root", "schema 1!", "gone!", "text!", "chart", "good", "good.config"}
	if diff := cmp.Diff(want, entered); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// One digest with two sizes is two nodes: the visitor decides which of them is wrong. The
// content is read and followed once, so that a list of sizes is no way to make a walk long.
func TestWalkTellsDescriptorsOfOneDigestApart(t *testing.T) {
	s := newShop()
	layer := s.add("layer", ocispec.MediaTypeImageLayer, "layer")
	other := layer
	other.Size++
	var sizes []int64
	err := manifest.NewGraph(s.source).Walk(t.Context(), s.image("a", layer, other, layer), func(n *manifest.Node) error {
		if n.Digest == layer.Digest {
			sizes = append(sizes, n.Size)
		}
		return nil
	}, nil)
	if err != nil || !slices.Equal(sizes, []int64{layer.Size, layer.Size + 1}) {
		t.Errorf("sizes are %v: %v", sizes, err)
	}
	a := s.image("a", layer)
	list := []ocispec.Descriptor{a}
	for range 1000 {
		a.Size++
		list = append(list, a)
	}
	wrong := 0
	err = manifest.NewGraph(s.source).Walk(t.Context(), s.index("root", list...), func(n *manifest.Node) error {
		if n.Role == manifest.Child && n.Size != n.Read {
			wrong++
		}
		return n.Err
	}, nil)
	if err != nil || wrong != 1000 || s.reads[a.Digest] != 1 {
		t.Errorf("%d sizes are wrong, and the manifest was read %d times: %v", wrong, s.reads[a.Digest], err)
	}
}

func TestWalkFollowsWhatEnterLeaves(t *testing.T) {
	s := newShop()
	a, b := s.image("a"), s.image("b")
	root := s.index("root", a, b)
	g := manifest.NewGraph(s.source)
	var entered []string
	err := g.Walk(t.Context(), root, func(n *manifest.Node) error {
		entered = append(entered, s.names[n.Digest])
		n.Next = slices.DeleteFunc(n.Next, func(l manifest.Link) bool { return l.Digest == a.Digest || l.Role == manifest.Blob })
		return nil
	}, nil)
	if diff := cmp.Diff([]string{"root", "b"}, entered); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if entered, _ = s.trace(t, g, root); len(entered) != 5 {
		t.Errorf("the next walk entered %v", entered)
	}
}

func TestWalkEndsWithAnErrorOrTheContext(t *testing.T) {
	s := newShop()
	d := s.image("deep")
	for range 10_000 {
		d = s.index("index", d)
	}
	g := manifest.NewGraph(s.source)
	if entered, left := s.trace(t, g, d); len(entered) != 10_002 || len(left) != 10_002 {
		t.Errorf("entered %d and left %d", len(entered), len(left))
	}
	stop := errors.New("stop")
	entered := 0
	err := g.Walk(t.Context(), d, func(*manifest.Node) error {
		if entered++; entered == 3 {
			return stop
		}
		return nil
	}, nil)
	if !errors.Is(err, stop) || entered != 3 {
		t.Errorf("%v after %d", err, entered)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = g.Walk(ctx, d, func(*manifest.Node) error {
		cancel()
		return nil
	}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A source that supplies the media type decides how the root is read.
func TestWalkFromADigest(t *testing.T) {
	s := newShop()
	d := s.image("a")
	source := func(ctx context.Context, want ocispec.Descriptor) (ocispec.Descriptor, []byte, error) {
		_, content, err := s.source(ctx, want)
		return d, content, err
	}
	var got []ocispec.Descriptor
	err := manifest.NewGraph(source).Walk(t.Context(), ocispec.Descriptor{Digest: d.Digest}, func(n *manifest.Node) error {
		got = append(got, n.Descriptor)
		return n.Err
	}, nil)
	if err != nil || len(got) != 2 || got[0].MediaType != image || got[0].Size != d.Size {
		t.Errorf("%+v: %v", got, err)
	}
}

// Whatever a graph lists, and whatever cannot be read, a walk ends, enters each node
// once and leaves it after all that it lists.
func FuzzWalk(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 130, 4, 131, 9})
	f.Add([]byte("\x81\x00\x82\x00\x83\x01\x84\x02"))
	f.Fuzz(func(t *testing.T, script []byte) {
		s := newShop()
		nodes := []ocispec.Descriptor{s.add("layer", ocispec.MediaTypeImageLayer, "layer")}
		for i, b := range script[:min(len(script), 100)] {
			name := fmt.Sprint(i)
			older, newer := nodes[int(b&0x3f)%len(nodes)], nodes[len(nodes)-1]
			switch {
			case b&0xc0 == 0x80:
				nodes = append(nodes, s.index(name, older, newer, older))
			case b&0xc0 == 0x40:
				nodes = append(nodes, s.image(name, older, newer))
			case b&0xc0 == 0xc0:
				delete(s.content, older.Digest)
			default:
				older.Size++
				nodes = append(nodes, s.index(name, older, newer))
			}
		}
		type node struct {
			digest    digest.Digest
			mediaType string
			size      int64
			role      manifest.Role
		}
		of := func(l manifest.Link) node { return node{l.Digest, l.MediaType, l.Size, l.Role} }
		entered, left := map[node]bool{}, map[node]bool{}
		err := manifest.NewGraph(s.source).Walk(t.Context(), nodes[len(nodes)-1], func(n *manifest.Node) error {
			if entered[of(n.Link)] || n.Err != nil && n.Next != nil {
				t.Errorf("entered %+v", n.Link)
			}
			entered[of(n.Link)] = true
			return nil
		}, func(n *manifest.Node) error {
			for _, l := range n.Next {
				if !left[of(l)] {
					t.Errorf("left %s before %s", n.Digest, l.Digest)
				}
			}
			left[of(n.Link)] = true
			return nil
		})
		if err != nil || len(entered) != len(left) {
			t.Errorf("entered %d and left %d: %v", len(entered), len(left), err)
		}
		for d, n := range s.reads {
			if _, there := s.content[d]; there && n > 1 {
				t.Errorf("read %s %d times", d, n)
			}
		}
	})
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Command copy measures how long quayside and its peers take to copy the images of an
// organization, and compares them with the limit. The source is the embedded Quay in a
// process of its own: loopback, TLS, blobs redirected to an object storage as on quay.io,
// 100 MB/s for all answers together.
//
//	go run ./bench/copy [-runs 3] [-peer-runs 3] [-peers crane,regctl,oras,skopeo] [-only TEXT] [-kills 100]
//
// Peers and the destination registry are built once, from the module proxy, into the user's
// cache folder. skopeo is the one of the distribution; it is left out if it is not
// installed.
//
// Peers get the list of images; quayside finds the images itself. If a peer copies one image
// at a time, eight processes run at once, or one after another.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	var o options
	flag.IntVar(&o.runs, "runs", 3, "runs of quayside; the median counts")
	flag.IntVar(&o.peerRuns, "peer-runs", 3, "runs of the peers; those with faults run once at most, 0 leaves all out")
	flag.StringVar(&o.peers, "peers", "crane,regctl,oras,skopeo", "peers to compare with")
	flag.StringVar(&o.only, "only", "", "do the work whose name holds this text")
	flag.IntVar(&o.kills, "kills", 100, "how often to kill a copy")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "copy:", err)
		os.Exit(1)
	}
}

type options struct {
	runs, peerRuns int
	peers, only    string
	kills          int
}

func bench(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "quayside-copy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	own := []string{"quaytest", "quayside"}
	if o.runs == 0 {
		own = own[:1]
	}
	b := &bencher{options: o, dir: dir}
	if b.bins, err = build(ctx, dir, own, strings.Split(o.peers, ",")); err != nil {
		return err
	}
	b.header()
	for _, w := range works() {
		if !strings.Contains(w.name, o.only) {
			continue
		}
		if err := b.measure(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	if strings.Contains(killsName, o.only) {
		return kills(ctx, o.kills)
	}
	return nil
}

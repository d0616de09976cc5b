// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/quayside/quayside/quay/quaytest"
)

const usage = `quaytest serves an embedded Quay: the REST API v1 and the registry API.

Usage:
  quaytest [--listen 127.0.0.1:0]
           [--dataset FILE | --fleet N[,KEY=VALUE]... |
            --release N[,KEY=VALUE]...]
           [--clock UNIX] [--tls [--ca-out FILE]] [--object-storage]
           [--server-hostname NAME] [--push-limit 1GiB]
           [--limits none|quay.io|h2=50/100,h1=5/25]
           [--limit-key connection|address]
           [--latency 20ms] [--rate-bytes 100MB]
           [--quirk NAME[=VALUE]]... [--stats FILE]
  quaytest --list-quirks

It prints "listening on URL" as the first line of standard output, serves until
SIGINT or SIGTERM, and then writes its statistics as JSON.

Content:
  --dataset FILE    a dataset as JSON (default: a sample organization)
  --fleet N[,KEY=VALUE]...
                    a synthetic organization of N repositories, image-000000 and
                    up. Keys: namespace (fleet), tag (2025.1), every=K: one in K
                    has the tag, no-live-tag=K and private=K: numbers of
                    repositories, token=TEXT: a token of an owner
  --release N[,KEY=VALUE]...
                    a synthetic organization of N images that can be pulled and
                    share layers. Keys: namespace (release), tag (2025.1); sizes
                    of layers: base (4.6MB) of all images, group (3.3MB) of each
                    of groups=K (6), own (2.81MB) of each image; one image in K:
                    signed=K by cosign, referrers=K with an SBOM, index=K for
                    amd64 and, with a layer of arm64=BYTES (64KiB), arm64;
                    private=K: number of private repositories, token=TEXT: a
                    token of an owner
  --clock UNIX      stop the server's clock at this time, in Unix seconds; to
                    replay a recording, use its recorded_at. Limits, latency and
                    bandwidth still run by real time
  --object-storage  redirect blobs to signed URLs
  --push-limit N    bytes that clients may push, such as 500MB (1GiB); they are
                    kept in memory until the server ends

Address:
  --listen ADDRESS  host:port; port 0 is a free port (127.0.0.1:0)
  --tls             TLS and HTTP/2, with a certificate of its own authority;
                    the default is HTTP/1.1 only, as on Quay's plain port
  --ca-out FILE     write the authority's certificate as PEM
  --server-hostname NAME
                    the host, with its port, that the registry API calls itself
                    whatever name a client uses: a Quay behind an alias

Behaviour:
  --limits LIMITS   none (the default); quay.io, the published table by path and
                    protocol; or RATE/BURST by protocol, for /api/ alone
  --limit-key KEY   what shares an HTTP/2 allowance: connection (the default) or
                    address. Over HTTP/1.1 the key is always the address
  --latency D       delay of every answer, such as 20ms
  --rate-bytes N    bytes a second of all answers together: 100MB or 8MiB
  --quirk NAME[=VALUE]
                    a named fault or habit of servers; may be repeated
  --list-quirks     list the quirks, each with the fact or invention behind it

Like Quay's own front end, it closes an HTTP/1.1 connection after each answer,
any connection after 5 s idle, and sends HTTP/2 GOAWAY after 1,000 requests;
--quirk keepalive turns that off.

Output:
  --stats FILE      write the statistics to a file instead of standard output

Exit codes: 0 done, 1 failed, 2 usage.

Examples:
  quaytest
  quaytest --dataset dataset.json --clock 1795446151
  quaytest --fleet 1876,every=10,no-live-tag=188,token=abc
  quaytest --release 60 --rate-bytes 100MB
  quaytest --release 30,base=21.6MB,groups=5,group=3.48MB,own=2.2MB
  quaytest --tls --ca-out ca.pem --limits quay.io --stats stats.json
  quaytest --tls --limits h2=50/100 --quirk limits-after=30s:h2=25/50
  quaytest --quirk html-502=10 --quirk 'cut=3:/v2/**/blobs/*'
  quaytest --release 12 --quirk outage=20:429:/v2/** --quirk retry-after=5
`

// settings are the parsed arguments.
type settings struct {
	options            []quaytest.Option
	make               func() *quaytest.Dataset // --fleet or --release
	dataset            string
	caOut, stats       string
	tls, objectStorage bool
	listQuirks         bool
}

func (s *settings) add(o quaytest.Option) { s.options = append(s.options, o) }

// flags returns the flags, which set s. Their help is the usage text.
func flags(s *settings) *flag.FlagSet {
	f := flag.NewFlagSet("quaytest", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.StringVar(&s.dataset, "dataset", "", "")
	f.StringVar(&s.caOut, "ca-out", "", "")
	f.StringVar(&s.stats, "stats", "", "")
	f.BoolVar(&s.tls, "tls", false, "")
	f.BoolVar(&s.objectStorage, "object-storage", false, "")
	f.BoolVar(&s.listQuirks, "list-quirks", false, "")
	for name, parse := range map[string]func(string) (func() *quaytest.Dataset, error){"fleet": parseFleet, "release": parseRelease} {
		f.Func(name, "", func(v string) (err error) {
			if s.make != nil {
				return errors.New("--fleet or --release is given once")
			}
			s.make, err = parse(v)
			return err
		})
	}
	f.Func("listen", "", func(v string) error {
		s.add(quaytest.WithListen(v))
		_, _, err := net.SplitHostPort(v)
		return err
	})
	f.Func("clock", "", func(v string) error {
		seconds, err := strconv.ParseInt(v, 10, 64)
		s.add(quaytest.WithClock(func() time.Time { return time.Unix(seconds, 0) }))
		return err
	})
	f.Func("limits", "", func(v string) error {
		l, err := quaytest.ParseLimits(v)
		s.add(quaytest.WithLimits(l))
		return err
	})
	f.Func("limit-key", "", func(v string) error {
		s.add(quaytest.WithLimitKey(quaytest.LimitKey(v)))
		return nil
	})
	f.Func("latency", "", func(v string) error {
		d, err := time.ParseDuration(v)
		s.add(quaytest.WithLatency(d))
		return err
	})
	f.Func("rate-bytes", "", func(v string) error {
		n, err := parseBytes(v)
		s.add(quaytest.WithByteRate(n))
		return err
	})
	f.Func("push-limit", "", func(v string) error {
		n, err := parseBytes(v)
		s.add(quaytest.WithPushLimit(n))
		return err
	})
	f.Func("server-hostname", "", func(v string) error {
		s.add(quaytest.WithServerHostname(v))
		return nil
	})
	f.Func("quirk", "", func(v string) error {
		name, value, _ := strings.Cut(v, "=")
		s.add(quaytest.WithQuirk(name, value))
		return nil
	})
	return f
}

func parse(args []string) (*settings, error) {
	s := &settings{}
	f := flags(s)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if s.tls {
		s.add(quaytest.WithTLS())
	}
	if s.objectStorage {
		s.add(quaytest.WithObjectStorage())
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case s.caOut != "" && !s.tls:
		return nil, errors.New("--ca-out needs --tls")
	case s.make != nil && s.dataset != "":
		return nil, errors.New("--dataset excludes --fleet and --release")
	}
	// An option checks its value when it is applied: apply all of them to an empty dataset.
	h, err := quaytest.NewHandler(&quaytest.Dataset{}, s.options...)
	if err != nil {
		return nil, err
	}
	h.Close()
	return s, nil
}

// parseBytes parses a number of bytes such as 500, 100MB or 8MiB.
func parseBytes(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGi")
	var unit float64
	switch s[len(number):] {
	case "", "B":
		unit = 1
	case "K", "KB":
		unit = 1e3
	case "M", "MB":
		unit = 1e6
	case "G", "GB":
		unit = 1e9
	case "KiB":
		unit = 1 << 10
	case "MiB":
		unit = 1 << 20
	case "GiB":
		unit = 1 << 30
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || unit == 0 || n*unit < 1 || n*unit >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a number of bytes such as 500, 100MB or 8MiB", s)
	}
	return int64(n * unit), nil
}

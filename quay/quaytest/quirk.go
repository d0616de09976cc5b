// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A QuirkInfo describes a quirk that [WithQuirk] knows.
type QuirkInfo struct {
	Name  string
	Value string // form of the value; "" when it takes none; in brackets when it may be left out
	Help  string // one line
	Fact  string // where in doc/quay-api.md it comes from, or that it is invented
}

// Quirks gives all quirks by name. A value WHEN picks requests: N is every
// N-th one, a glob such as /v2/**/blobs/* those for the paths it matches, and
// N:GLOB every N-th of these. Without a value it is every request. A value K
// is the first K requests for each URL, and K:GLOB for each that matches.
func Quirks() []QuirkInfo {
	var infos []QuirkInfo
	for _, q := range quirks() {
		infos = append(infos, q.QuirkInfo)
	}
	return infos
}

// A quirk is a QuirkInfo, and what its value sets in a front. The ones that
// Quay's own code plays leave the front alone and only check the value.
type quirk struct {
	QuirkInfo
	set func(f *front, value string) error
}

// quirks is the table behind Quirks. Facts are of doc/quay-api.md; a quirk
// that no Quay was seen to have says that it is invented or inferred.
func quirks() []quirk {
	const (
		anyNetwork = "invented: what a network or a proxy can do to any answer"
		anyServer  = "invented: what a damaged store or a hostile server can do"
	)
	return []quirk{
		{QuirkInfo{"blob-range", "",
			"Quay's own storage honours Range: 206 and 416, as object storage does",
			"invented: section Recorded says it does not; other registries do"}, playedByQuay(noValue)},
		{QuirkInfo{"capacity", "N",
			"serve N requests a second one after another; the others queue, after 60 s for 504",
			"section 4 (measured: 78 a second), recording outage-timeout"}, setCapacity},
		{QuirkInfo{"cut", "[WHEN]",
			"break the answer off in mid body: HTTP/1.1 loses its connection, HTTP/2 its stream",
			anyNetwork}, playedOn(func(f *front) **trigger { return &f.cut })},
		{QuirkInfo{"cut-first", "K[:GLOB]",
			"break off the first K answers with each large blob, of 64 KiB and more, in mid body",
			anyNetwork}, playedFirst(func(f *front) **first { return &f.cutFirst })},
		{QuirkInfo{"database-restarts", "DURATION[:AFTER]",
			"in mid run every answer of both APIs is 500 with an HTML page; AFTER so many requests, or a duration after the first",
			"Corrections, recording outage-database"}, setDatabaseRestarts},
		{QuirkInfo{"empty-429", "",
			"refuse with an empty 429 and x-envoy-ratelimited, as a proxy does",
			"section 3, 429, inferred"}, setEmpty429},
		{QuirkInfo{"endless", "[WHEN]",
			"a blob goes on and on, without a Content-Length",
			anyServer}, playedOn(func(f *front) **trigger { return &f.endless })},
		{QuirkInfo{"html-404", "[WHEN]",
			"404 with an HTML page: an older server whose backend is gone",
			"section 3, 502"}, playedOn(func(f *front) **trigger { return &f.html404 })},
		{QuirkInfo{"html-500", "[WHEN]",
			"500 with an HTML page: the database is down",
			"Corrections, recording outage-database"}, playedOn(func(f *front) **trigger { return &f.html500 })},
		{QuirkInfo{"html-502", "[WHEN]",
			"502 with an HTML page: the backend is gone",
			"section 3, 502, recording outage-backend"}, playedOn(func(f *front) **trigger { return &f.html502 })},
		{QuirkInfo{"keepalive", "",
			"keep connections open: no close after an HTTP/1.1 answer, 5 s idle, or 1,000 requests",
			"section 6: a proxy stands before quay.io; inferred"}, setKeepalive},
		{QuirkInfo{"limits-after", "DURATION:LIMITS",
			"other limits from so long after the first request, such as 30s:h2=25/50",
			"section 6: the numbers are a guide, adapt to 429s"}, setLater},
		{QuirkInfo{"malformed", "[WHEN]",
			"200 with JSON that breaks off, on /api/",
			anyNetwork}, playedOn(func(f *front) **trigger { return &f.malformed })},
		{QuirkInfo{"mirror-registry", "",
			"no repository listing: 404, and 405 for the tag list",
			"section Recorded, the second server"}, playedByQuay(noValue)},
		{QuirkInfo{"no-anonymous", "",
			"401 to a caller without a token",
			"section 3, FEATURE_ANONYMOUS_ACCESS"}, playedByQuay(noValue)},
		{QuirkInfo{"outage", "COUNT|DURATION[:STATUS[:GLOB]]",
			"at first every answer, or every answer to GLOB, is STATUS, 400 to 599 (503)",
			"Corrections: 500 while the database is away; 502 and 504 are recorded, the others and how long are invented"}, setOutage},
		{QuirkInfo{"page-reuse", "",
			"every page of a listing holds the repositories of the first",
			"section 1: a cursor that cannot be read gives page one"}, playedByQuay(noValue)},
		{QuirkInfo{"random-401", "[WHEN]",
			"401 to a tag query; every tenth when WHEN is left out",
			"section 3: deleted between list and tag call; how often is invented"}, setRandom401},
		{QuirkInfo{"redirect-away", "[WHEN]",
			"a manifest or blob is a redirect to another host, which answers 400 when Authorization comes along",
			"invented: section Recorded has it for blobs, see WithObjectStorage"}, playedOn(func(f *front) **trigger { return &f.redirectAway })},
		{QuirkInfo{"refused", "DURATION[:AFTER]",
			"in mid run connections break and new ones are refused; AFTER as for database-restarts",
			anyNetwork}, setRefused},
		{QuirkInfo{"repeat-cursor", "",
			"every page of a listing gives the same cursor",
			"invented: section 1 has a cursor that cannot be read, which gives page one"}, playedByQuay(noValue)},
		{QuirkInfo{"retry-after", "SECONDS",
			"refusals carry Retry-After",
			"section 6: a proxy stands before quay.io; inferred"}, setRetryAfter},
		{QuirkInfo{"stall", "[WHEN]",
			"stop in mid body, and break off after 60 s",
			"section 6, proxy_read_timeout"}, playedOn(func(f *front) **trigger { return &f.stall })},
		{QuirkInfo{"stall-first", "K[:GLOB]",
			"stop the first K answers with each large blob in mid body, as stall does",
			"section 6, proxy_read_timeout; that the next try goes well is invented"}, playedFirst(func(f *front) **first { return &f.stallFirst })},
		{QuirkInfo{"storage-ignores-range", "",
			"object storage answers a Range with 200 and the whole blob",
			"section Recorded: local storage does"}, playedByQuay(noValue)},
		{QuirkInfo{"storage-lapsed", "",
			"object storage finds every signed URL lapsed",
			"section Recorded, inferred"}, playedByQuay(noValue)},
		{QuirkInfo{"truncated", "[WHEN]",
			"half of a blob, and a Content-Length that fits",
			anyServer}, playedOn(func(f *front) **trigger { return &f.truncated })},
		{QuirkInfo{"vanish", "NAMESPACE/REPOSITORY",
			"the repository is listed, and gone when its tags are asked for",
			"section 3: deleted between list and tag call"}, playedByQuay(repositoryValue)},
		{QuirkInfo{"wrong-bytes", "[WHEN]",
			"a blob of the right size with wrong bytes in it",
			anyServer}, playedOn(func(f *front) **trigger { return &f.wrongBytes })},
	}
}

// checkQuirk tells whether the quirk exists and can use the value.
func checkQuirk(name, value string) error {
	for _, q := range quirks() {
		if q.Name != name {
			continue
		}
		if err := q.set(&front{}, value); err != nil {
			return fmt.Errorf("quaytest: quirk %q: value %q: %w", name, value, err)
		}
		return nil
	}
	return fmt.Errorf("quaytest: no quirk is named %q", name)
}

// setQuirks switches on the quirks of a shape, which checkQuirk has let pass.
func (f *front) setQuirks(s shape) {
	for _, q := range quirks() {
		if value, on := s.quirk(q.Name); on {
			_ = q.set(f, value)
		}
	}
}

// playedByQuay is for the quirks that the REST API, the registry API or the
// object storage look up where they need them.
func playedByQuay(check func(string) error) func(*front, string) error {
	return func(_ *front, value string) error { return check(value) }
}

// playedOn is for the quirks that a trigger switches.
func playedOn(field func(*front) **trigger) func(*front, string) error {
	return func(f *front, value string) (err error) {
		*field(f), err = parseTrigger(value)
		return err
	}
}

func noValue(value string) error {
	if value != "" {
		return fmt.Errorf("it takes no value")
	}
	return nil
}

func repositoryValue(value string) error {
	if namespace, name, _ := strings.Cut(value, "/"); namespace == "" || name == "" {
		return fmt.Errorf("want NAMESPACE/REPOSITORY")
	}
	return nil
}

func setKeepalive(f *front, value string) error {
	f.keepalive = true
	return noValue(value)
}

func setEmpty429(f *front, value string) error {
	f.empty429 = true
	return noValue(value)
}

// setRandom401 plays the quirk now and then, unlike the others, when no value
// says how often: a run in which every check fails shows nothing.
func setRandom401(f *front, value string) (err error) {
	if value == "" {
		value = "10"
	}
	f.random401, err = parseTrigger(value)
	return err
}

// setCapacity makes a line in which each request takes its share of a second.
func setCapacity(f *front, value string) error {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= 0.001 && n <= 1e6) {
		return fmt.Errorf("want 0.001 to 1000000 requests a second")
	}
	f.backend, f.cost = &line{}, time.Duration(float64(time.Second)/n)
	return nil
}

func setRetryAfter(f *front, value string) error {
	// 31 bits of seconds: what a client may be expected to hold.
	if _, err := strconv.ParseUint(value, 10, 31); err != nil {
		return fmt.Errorf("want whole seconds")
	}
	f.retryAfter = value
	return nil
}

// setLater reads limits-after. The time runs from the first request, so that
// a benchmark need not hurry after starting its server.
func setLater(f *front, value string) error {
	text, rest, ok := strings.Cut(value, ":")
	after, err := time.ParseDuration(text)
	if !ok || err != nil || after < 0 {
		return fmt.Errorf("want DURATION:LIMITS, such as 30s:h2=25/50")
	}
	limits, err := parseLimits(rest)
	f.limiter.later = &laterLimits{after: after, limits: limits}
	return err
}

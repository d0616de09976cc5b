// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A QuirkInfo describes a quirk that [WithQuirk] knows by name. At least one of Fact
// and Invented is not empty.
type QuirkInfo struct {
	Name     string
	Value    string // form of the value; "" if it has none; in brackets if it may be left out
	Help     string // one line
	Fact     string // what doc/quay-api.md says of servers that behave so
	Line     int    // line of Fact in doc/quay-api.md
	Invented string // what no server was seen to do
}

// QuirkList returns all quirks, sorted by name. A value WHEN selects answers: N is one
// in N, a glob such as /v2/**/blobs/* those for the paths it matches, and N:GLOB one
// in N of these. Without a value it is every answer. A value K is the first K answers
// for each URL, and K:GLOB for each URL whose path matches.
func QuirkList() []QuirkInfo {
	var infos []QuirkInfo
	for _, q := range quirkTable {
		infos = append(infos, q.QuirkInfo)
	}
	return infos
}

// A quirk is a row of the table of quirks: parse sets the quirk to a value.
type quirk struct {
	QuirkInfo
	parse func(q *Quirks, value string) error
}

const (
	anyNetwork = "a network or a proxy can do this to any answer"
	anyServer  = "a damaged store or a hostile server can do this"
)

// quirkTable has every quirk, sorted by name.
var quirkTable = []quirk{
	{QuirkInfo{"blob-range", "", "Quay's own storage honours Range with 206 and 416, as object storage does",
		"", 0, "other registries do this; Quay's own storage ignores Range"},
		parseBool(func(q *Quirks) *bool { return &q.BlobRange })},
	{QuirkInfo{"capacity", "N", "answer N requests a second, one after another; the others queue, and get 504 after 60 s",
		"one tag query 295 ms with a token, 30 ms without; 6.8 against 78 requests/s at full load", 186, ""},
		parseCapacity},
	{QuirkInfo{"cut", "[WHEN]", "break an answer off in mid body: HTTP/1.1 loses its connection, HTTP/2 its stream",
		"", 0, anyNetwork},
		parseWhen(func(q *Quirks) **When { return &q.Cut })},
	{QuirkInfo{"cut-first", "K[:GLOB]", "break off in mid body the first K answers with each blob of 64 KiB or more",
		"", 0, anyNetwork},
		parseFirst(func(q *Quirks) **First { return &q.CutFirst })},
	{QuirkInfo{"database-restarts", "DURATION[:AFTER]",
		"for a time every answer of both APIs is 500 with an HTML page; begins after AFTER, a number of requests or a time from the first one",
		"500 `text/html`, title `Internal Server Error`, on the REST API and on /v2/ alike, at once and for every request", 251, ""},
		parseInterruption(func(q *Quirks) **Interruption { return &q.DatabaseRestarts })},
	{QuirkInfo{"empty-429", "", "429 has no body and the header X-Envoy-Ratelimited, as from a proxy",
		"429 may come with an empty body and `x-envoy-ratelimited` [I]", 175, "inferred from the proxy before quay.io, not recorded"},
		parseBool(func(q *Quirks) *bool { return &q.Empty429 })},
	{QuirkInfo{"endless", "[WHEN]", "a blob never ends, and has no Content-Length",
		"", 0, anyServer},
		parseWhen(func(q *Quirks) **When { return &q.Endless })},
	{QuirkInfo{"html-404", "[WHEN]", "404 with an HTML page, as from an older server whose backend is gone",
		"a dead backend produced a **404** HTML page", 176, ""},
		parseWhen(func(q *Quirks) **When { return &q.HTML404 })},
	{QuirkInfo{"html-500", "[WHEN]", "500 with an HTML page, as while the database is down",
		"500 `text/html`, title `Internal Server Error`, on the REST API and on /v2/ alike, at once and for every request", 251, ""},
		parseWhen(func(q *Quirks) **When { return &q.HTML500 })},
	{QuirkInfo{"html-502", "[WHEN]", "502 with an HTML page, as while the backend is gone",
		"502: static HTML `/502.html`", 176, ""},
		parseWhen(func(q *Quirks) **When { return &q.HTML502 })},
	{QuirkInfo{"keepalive", "", "connections stay open after an HTTP/1.1 answer, 5 s idle, or 1,000 requests",
		"deploy templates add **Envoy v1.35 + envoyproxy/ratelimit (Redis)**", 229, "that this proxy keeps connections open is inferred"},
		parseBool(func(q *Quirks) *bool { return &q.Keepalive })},
	{QuirkInfo{"limits-after", "DURATION:LIMITS", "other limits some time after the first request, such as 30s:h2=25/50",
		"nginx numbers are a guide, not the truth", 229, ""},
		parseLimitsAfter},
	{QuirkInfo{"malformed", "[WHEN]", "200 with JSON that breaks off, below /api/",
		"", 0, anyNetwork},
		parseWhen(func(q *Quirks) **When { return &q.Malformed })},
	{QuirkInfo{"mirror-registry", "", "no repository listing: 404, and 405 for the tag list",
		`A second server, the Go "mirror registry" in the same tree, has no repository listing at all`, 25, ""},
		parseBool(func(q *Quirks) *bool { return &q.MirrorRegistry })},
	{QuirkInfo{"no-anonymous", "", "401 to callers without a token",
		"FEATURE_ANONYMOUS_ACCESS=false (default true, config.py:336): anonymous → 401", 174, ""},
		parseBool(func(q *Quirks) *bool { return &q.NoAnonymous })},
	{QuirkInfo{"outage", "COUNT|DURATION[:STATUS[:GLOB]]", "the first COUNT answers, or all answers for DURATION, are STATUS, 400 to 599 (503), for paths that GLOB matches",
		"A database outage is 500 with an HTML page on both APIs; a dead backend 502 HTML; a stuck one 504 HTML", 20,
		"other statuses, an outage of some paths, and how long it lasts"},
		parseOutage},
	{QuirkInfo{"page-reuse", "", "every page of a listing has the repositories of the first one",
		"token treated as absent → **page 1 again, 200**", 69, ""},
		parseBool(func(q *Quirks) *bool { return &q.PageReuse })},
	{QuirkInfo{"random-401", "[WHEN]", "401 to a query of tags; without WHEN, to one in ten",
		"deleted between list and tag call | 401/403/404 per the rows above", 164, "how often"},
		parseRandom401},
	{QuirkInfo{"redirect-away", "[WHEN]", "a manifest or blob is a redirect to another host, which answers 400 to an Authorization header",
		"The Authorization header must not follow the redirect.", 15, "redirects of manifests"},
		parseWhen(func(q *Quirks) **When { return &q.RedirectAway })},
	{QuirkInfo{"refused", "DURATION[:AFTER]", "for a time connections break and new ones are refused; AFTER as for database-restarts",
		"", 0, anyNetwork},
		parseInterruption(func(q *Quirks) **Interruption { return &q.Refused })},
	{QuirkInfo{"repeat-cursor", "", "every page of a listing has the same cursor",
		"", 0, anyServer},
		parseBool(func(q *Quirks) *bool { return &q.RepeatCursor })},
	{QuirkInfo{"retry-after", "SECONDS", "429 has the header Retry-After",
		"maybe `x-ratelimit-*`/`retry-after`", 229, "inferred from the proxy before quay.io, not recorded"},
		parseRetryAfter},
	{QuirkInfo{"stall", "[WHEN]", "an answer stops in mid body and breaks off after 60 s",
		"proxy_read_timeout 60 s for /api/", 233, ""},
		parseWhen(func(q *Quirks) **When { return &q.Stall })},
	{QuirkInfo{"stall-first", "K[:GLOB]", "the first K answers with each blob of 64 KiB or more stop in mid body, as with stall",
		"proxy_read_timeout 60 s for /api/", 233, "that a later try succeeds"},
		parseFirst(func(q *Quirks) **First { return &q.StallFirst })},
	{QuirkInfo{"storage-ignores-range", "", "object storage answers a Range with 200 and the whole blob",
		"Local storage ignores `Range` on a blob", 12, "object storage that does this"},
		parseBool(func(q *Quirks) *bool { return &q.StorageIgnoresRange })},
	{QuirkInfo{"storage-lapsed", "", "object storage refuses every signed URL as expired",
		"a lapsed one is 403 XML on S3 [I]", 14, "inferred, not recorded"},
		parseBool(func(q *Quirks) *bool { return &q.StorageLapsed })},
	{QuirkInfo{"truncated", "[WHEN]", "half of a blob, with a Content-Length to match",
		"", 0, anyServer},
		parseWhen(func(q *Quirks) **When { return &q.Truncated })},
	{QuirkInfo{"vanish", "NAMESPACE/REPOSITORY", "a repository is listed and then cannot be found",
		"deleted between list and tag call | 401/403/404 per the rows above", 164, ""},
		parseVanish},
	{QuirkInfo{"wrong-bytes", "[WHEN]", "a blob of the right size with wrong bytes in it",
		"", 0, anyServer},
		parseWhen(func(q *Quirks) **When { return &q.WrongBytes })},
}

// set switches on a quirk by its name.
func (q *Quirks) set(name, value string) error {
	for _, row := range quirkTable {
		if row.Name != name {
			continue
		}
		if err := row.parse(q, value); err != nil {
			return fmt.Errorf("quaytest: quirk %q: value %q: %w", name, value, err)
		}
		if err := q.check(); err != nil {
			return fmt.Errorf("quaytest: %w", err)
		}
		return nil
	}
	return fmt.Errorf("quaytest: no quirk is named %q", name)
}

var errNoValue = errors.New("this quirk has no value")

func parseBool(field func(*Quirks) *bool) func(*Quirks, string) error {
	return func(q *Quirks, value string) error {
		if value != "" {
			return errNoValue
		}
		*field(q) = true
		return nil
	}
}

// checkGlob returns what is wrong with a glob of paths.
func checkGlob(glob string) error {
	if !strings.HasPrefix(glob, "/") {
		return fmt.Errorf("glob %q does not begin with a slash", glob)
	}
	return nil
}

// parseWhen parses N, GLOB, N:GLOB or nothing. A glob may contain a colon, as digests
// do; it begins with a slash, and a number does not.
func parseWhen(field func(*Quirks) **When) func(*Quirks, string) error {
	return func(q *Quirks, value string) error {
		w := &When{Every: 1}
		count, glob, globbed := strings.Cut(value, ":")
		if strings.HasPrefix(value, "/") {
			count, glob, globbed = "", value, true
		}
		if globbed && glob != "" {
			if err := checkGlob(glob); err != nil {
				return err
			}
			w.Path = glob
		}
		if count != "" {
			n, err := strconv.Atoi(count)
			if err != nil || n < 1 {
				return errors.New("want a count, a glob that begins with a slash, or COUNT:GLOB")
			}
			w.Every = n
		}
		*field(q) = w
		return nil
	}
}

// parseRandom401 plays the quirk on every tenth request if no value says how often: a
// run in which every check fails shows nothing.
func parseRandom401(q *Quirks, value string) error {
	return parseWhen(func(q *Quirks) **When { return &q.Random401 })(q, cmp.Or(value, "10"))
}

// parseFirst parses K or K:GLOB.
func parseFirst(field func(*Quirks) **First) func(*Quirks, string) error {
	return func(q *Quirks, value string) error {
		count, glob, globbed := strings.Cut(value, ":")
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			return fmt.Errorf("count %q: want how many requests for each URL", count)
		}
		if globbed {
			if err := checkGlob(glob); err != nil {
				return err
			}
		}
		*field(q) = &First{Count: n, Path: glob}
		return nil
	}
}

// parseOutage parses COUNT or DURATION, a status and a glob, with colons between them.
func parseOutage(q *Quirks, value string) error {
	length, rest, hasStatus := strings.Cut(value, ":")
	status, glob, globbed := strings.Cut(rest, ":")
	o := &Outage{Path: glob}
	var err error
	if o.Requests, err = strconv.Atoi(length); err != nil {
		o.Lasts, err = time.ParseDuration(length)
	}
	if err != nil || o.Requests < 0 || o.Lasts < 0 {
		return fmt.Errorf("%q is neither a count nor a duration", length)
	}
	if hasStatus {
		if o.Status, err = strconv.Atoi(status); err != nil || o.Status < 400 || o.Status > 599 {
			return fmt.Errorf("status %q is not one of 400 to 599", status)
		}
	}
	if globbed {
		if err := checkGlob(glob); err != nil {
			return err
		}
	}
	q.Outage = o
	return nil
}

// parseInterruption parses DURATION, and a count or a duration after a colon.
func parseInterruption(field func(*Quirks) **Interruption) func(*Quirks, string) error {
	return func(q *Quirks, value string) error {
		length, after, given := strings.Cut(value, ":")
		i := &Interruption{}
		var err error
		if i.Lasts, err = time.ParseDuration(length); err != nil || i.Lasts <= 0 {
			return fmt.Errorf("%q is not a duration", length)
		}
		if given {
			if i.AfterRequests, err = strconv.Atoi(after); err != nil {
				i.After, err = time.ParseDuration(after)
			}
			if err != nil || i.AfterRequests < 0 || i.After < 0 {
				return fmt.Errorf("%q is neither a count nor a duration", after)
			}
		}
		*field(q) = i
		return nil
	}
}

func parseCapacity(q *Quirks, value string) error {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= 0.001 && n <= 1e6) {
		return errCapacity
	}
	q.Capacity = n
	return nil
}

// parseRetryAfter parses seconds of up to 31 bits, which every client can be expected
// to hold. 0 sends no header.
func parseRetryAfter(q *Quirks, value string) error {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return errors.New("want whole seconds")
	}
	q.RetryAfter = time.Duration(n) * time.Second
	return nil
}

// parseLimitsAfter parses DURATION:LIMITS. The time runs from the first request, so
// that a benchmark need not hurry after starting its server.
func parseLimitsAfter(q *Quirks, value string) error {
	text, rest, ok := strings.Cut(value, ":")
	after, err := time.ParseDuration(text)
	if !ok || err != nil || after < 0 {
		return errors.New("want DURATION:LIMITS, such as 30s:h2=25/50")
	}
	limits, err := parseLimits(rest)
	q.LimitsAfter = &LimitsAfter{After: after, Limits: limits}
	return err
}

func parseVanish(q *Quirks, value string) error {
	if namespace, name, _ := strings.Cut(value, "/"); namespace == "" || name == "" {
		return errors.New("want NAMESPACE/REPOSITORY")
	}
	q.Vanish = value
	return nil
}

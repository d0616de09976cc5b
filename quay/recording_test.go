// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

// TestRecordings asks a server that answers as a real Quay did, for every
// scenario with requests this client sends.
func TestRecordings(t *testing.T) {
	names := func(namespace string) func(*quay.Client) (any, error) {
		return func(c *quay.Client) (any, error) {
			names, err := c.RepositoryNames(context.Background(), namespace)
			return strings.Join(names, " "), err
		}
	}
	tag := func(repository, name string) func(*quay.Client) (any, error) {
		return func(c *quay.Client) (any, error) {
			tag, err := c.Tag(context.Background(), repo(repository), name)
			return fmt.Sprintf("%.15s %d %s", tag.Digest, tag.Size, tag.Start.Format("2006-01-02")), err
		}
	}
	check := func(c *quay.Client) (any, error) { return c.CheckToken(context.Background()) }
	namespace := func(name string) func(*quay.Client) (any, error) {
		return func(c *quay.Client) (any, error) { return c.Namespace(context.Background(), name) }
	}
	const secrets = "secret-0 secret-1 secret-2"
	const jwt = "${made-up-jwt}"

	for _, c := range []struct {
		scenario, token string
		ask             func(*quay.Client) (any, error)
		want            string // or the error's kind
	}{
		{"list-unknown-namespace", "", names("no-such-harbour"), ""},
		{"list-unknown-namespace", ownerToken, names("no-such-harbour"), ""},
		{"list-empty-namespace", "", names("emptyharbour"), ""},
		{"list-empty-namespace", "", names("closedharbour"), ""},
		{"list-empty-namespace", ownerToken, names("closedharbour"), secrets},
		{"list-disabled-namespace", "", names("offharbour"), "left-behind"},
		{"list-namespace-case", "", names("HarbourLine"), ""},
		{"list-namespace-case", "", names("Alice"), ""},
		{"http-redirect", "", names("alice"), "unavailable"},
		{"outage-backend", "", names("alice"), "unavailable"},
		{"outage-backend", "", tag("harbourline/plain", "2025.1"), "unavailable"},
		{"outage-database", "", names("alice"), "unavailable"},
		{"outage-database", "", tag("harbourline/plain", "2025.1"), "unavailable"},
		{"outage-timeout", "", names("alice"), "unavailable"},
		{"namespace-organization", "", namespace("harbourline"), "{harbourline organization}"},
		{"namespace-organization", outsiderToken, namespace("closedharbour"), "{closedharbour organization}"},
		{"namespace-organization", "", namespace("offharbour"), "{offharbour organization}"},

		{"tag-found", "", tag("harbourline/plain", "2025.1"), "sha256:84e97400 2000 2025-12-02"},
		{"tag-found", ownerToken, tag("harbourline/plain", "2025.1"), "sha256:84e97400 2000 2025-12-02"},
		{"tag-found", outsiderToken, tag("harbourline/plain", "2025.1"), "sha256:84e97400 2000 2025-12-02"},
		{"tag-found", "", tag("harbourline/multi-arch", "2025.1"), "sha256:f543ce80 -1 2026-11-23"},
		{"tag-found", "", tag("harbourline/pushed", "2025.1"), "sha256:9adc950e 23387 2026-11-23"},
		{"tag-found", "", tag("harbourline/tools/inner/deep", "2025.1"), "sha256:ae01e3f8 1000 2025-12-01"},
		{"tag-found", "", tag("harbourline/zero-size", "2025.1"), "sha256:0aede9e4 -1 2025-12-01"},
		{"tag-not-found", "", tag("harbourline/plain", "9999.9"), "tag not found"},
		{"tag-not-found", "", tag("harbourline/no-tags", "2025.1"), "tag not found"},
		{"tag-not-found", "", tag("harbourline/plain", "2025"), "tag not found"},
		{"tag-not-found", "", tag("harbourline/dots.and_under--scores", "mixed_case.tag-1"), "tag not found"},
		{"tag-lifetimes", "", tag("harbourline/all-deleted", "2025.1"), "tag not found"},
		{"tag-lifetimes", "", tag("harbourline/all-expired", "2025.1"), "tag not found"},
		{"tag-lifetimes", "", tag("harbourline/expiring", "2025.1"), "sha256:cf54a032 1000 2025-12-01"},
		{"tag-lifetimes", "", tag("harbourline/moved", "2025.1"), "sha256:4e95c456 1000 2025-12-03"},
		{"tag-lifetimes", "", tag("harbourline/reverted", "2025.1"), "sha256:06501059 1000 2025-12-03"},
		{"tag-lifetimes", "", tag("harbourline/hidden-tag", "2025.1"), "tag not found"},
		{"tag-missing-repository", "", tag("harbourline/no-such-image", "2025.1"), "unauthenticated"},
		{"tag-missing-repository", outsiderToken, tag("harbourline/no-such-image", "2025.1"), "forbidden"},
		{"tag-missing-repository", ownerToken, tag("harbourline/no-such-image", "2025.1"), "not found"},
		{"tag-missing-repository", "", tag("no-such-harbour/x", "2025.1"), "unauthenticated"},
		{"tag-missing-repository", ownerToken, tag("no-such-harbour/x", "2025.1"), "forbidden"},
		{"tag-missing-repository", ownerToken, tag("alice/none", "2025.1"), "not found"},
		{"tag-private", "", tag("harbourline/private-one", "2025.1"), "unauthenticated"},
		{"tag-private", outsiderToken, tag("harbourline/private-one", "2025.1"), "forbidden"},
		{"tag-private", ownerToken, tag("harbourline/private-one", "2025.1"), "sha256:c0c82b16 1000 2025-12-01"},
		{"tag-private", "${alice-user-read}", tag("harbourline/private-one", "2025.1"), "forbidden"},
		{"tag-private", unknownToken, tag("harbourline/private-one", "2025.1"), "unauthenticated"},
		{"tag-private", outsiderToken, tag("harbourline/private-shared", "2025.1"), "sha256:e55f29c0 1000 2025-12-01"},
		{"tag-states", "", tag("harbourline/marked-deleted", "2025.1"), "unauthenticated"},
		{"tag-states", "", tag("harbourline/read-only", "2025.1"), "sha256:4830e51a 1000 2025-12-01"},
		{"tag-states", "", tag("harbourline/mirrored", "2025.1"), "sha256:bf0e5d04 1000 2025-12-01"},
		{"tag-states", ownerToken, tag("harbourline/marked-deleted", "2025.1"), "not found"},
		{"tag-states", "", tag("offharbour/left-behind", "2025.1"), "sha256:290a1ebf 1000 2025-12-01"},

		{"token-ignored", unknownToken, names("alice"), "own-public"},
		{"token-ignored", "${alice-expired}", names("alice"), "own-public"},
		{"token-ignored", "${gone-repo-read}", names("alice"), "own-public"},
		{"token-ignored", "abc", names("alice"), "own-public"},
		{"token-jwt", jwt, names("alice"), "unauthenticated"},
		{"token-jwt", jwt, tag("alice/own-public", "2025.1"), "unauthenticated"},
		{"token-robot", "${robot}", names("closedharbour"), ""},
		{"token-robot", "${robot}", tag("harbourline/private-one", "2025.1"), "unauthenticated"},
		{"token-scopes", "${alice-user-read}", names("closedharbour"), secrets},
		{"token-scopes", "${alice-user-read}", tag("closedharbour/secret-0", "2025.1"), "forbidden"},
		{"token-scopes", "${alice-org-admin}", tag("closedharbour/secret-0", "2025.1"), "forbidden"},
		{"token-scopes", "${alice-repo-admin}", tag("closedharbour/secret-0", "2025.1"), "sha256:cd7adb55 1000 2025-12-01"},
		{"token-scopes", "${alice-both}", tag("closedharbour/secret-0", "2025.1"), "sha256:cd7adb55 1000 2025-12-01"},
		{"token-scopes", "${alice-user-read}", tag("harbourline/plain", "2025.1"), "sha256:84e97400 2000 2025-12-02"},
		{"token-bad-scope", "${alice-bad-scope}", names("closedharbour"), secrets},
		{"token-bad-scope", "${alice-bad-scope}", tag("closedharbour/secret-0", "2025.1"), "unavailable"},
		{"token-bad-scope", "${alice-bad-scope}", tag("harbourline/plain", "2025.1"), "unavailable"},
		{"token-probe", ownerToken, check, "accepted"},
		{"token-probe", "${alice-user-read}", check, "accepted"},
		{"token-probe", "${alice-expired}", check, "ignored"},
		{"token-probe", unknownToken, check, "ignored"},
		{"token-probe", "${robot}", check, "ignored"},
		{"token-probe", "${gone-repo-read}", check, "ignored"},
		{"token-probe", "", check, "absent"},
	} {
		got, err := c.ask(client(t, replay(t, c.scenario), quay.WithToken(c.token)))
		s := fmt.Sprint(got)
		if err != nil {
			s = kind(err)
		}
		if s != c.want {
			t.Errorf("%s with token %q: %s, want %s (%v)", c.scenario, c.token, s, c.want, err)
		}
	}
}

// TestRecordedRefusal replays the first of too many requests that is refused.
func TestRecordedRefusal(t *testing.T) {
	// The recording has the same request twice; the second is the refusal,
	// whose page and status are what limit-http1 shows.
	url := canned(t, say(429, "text/html", "<html>\n<head><title>429 Too Many Requests</title></head>\n</html>\n"))
	_, err := drain(t, list(client(t, url), "emptyharbour"))
	e := wantError(t, err, "rate limited", "quay: list repositories emptyharbour: 429: Too Many Requests (")
	if e.Status != 429 || e.RetryAfter != 0 {
		t.Errorf("status %d, retry after %v", e.Status, e.RetryAfter)
	}
}

// TestRecordedPages replays a listing of three pages, as an anonymous caller
// and as an owner of the organization.
func TestRecordedPages(t *testing.T) {
	d, err := dataset()
	if err != nil {
		t.Fatal(err)
	}
	for scenario, token := range map[string]string{"list-pages-anonymous": "", "list-pages-owner": ownerToken} {
		c := client(t, replay(t, scenario), quay.WithToken(token))
		query := quay.RepositoryQuery{Namespace: "harbourline", LastModified: true}
		got, err := drain(t, c.Repositories(context.Background(), query))
		if err != nil {
			t.Errorf("%s: %v", scenario, err)
		}
		var want, have []string
		for _, r := range d.Repositories {
			if r.Namespace == "harbourline" && r.State != "MARKED_FOR_DELETION" && (r.Public || token != "") {
				want = append(want, fmt.Sprint(r.Name, r.Description, r.Public, r.State, newestLive(r)))
			}
		}
		for _, r := range got {
			have = append(have, fmt.Sprint(r.Name, r.Description, r.Public, r.State, r.LastModified))
			if r.CallerKnown != (token != "") || r.Starred || r.Kind != "image" {
				t.Errorf("%s: %+v", scenario, r)
			}
		}
		if a, b := strings.Join(have, "\n"), strings.Join(want, "\n"); a != b {
			t.Errorf("%s: got\n%s\nwant\n%s", scenario, a, b)
		}
		if s := c.Stats(); s.Requests != 3 {
			t.Errorf("%s: %d requests for %d repositories, want 3", scenario, s.Requests, len(got))
		}
	}
}

// newestLive is when the newest of a repository's live tags started, to the
// second, or the zero time (doc/quay-api.md section 1, last_modified).
func newestLive(r quaytest.Repository) time.Time {
	newest := time.Time{}
	for _, tag := range r.Tags {
		live := !tag.Hidden && (tag.End.IsZero() || tag.End.After(time.Unix(recordedAt, 0)))
		if start := tag.Start.Truncate(time.Second).UTC(); live && start.After(newest) {
			newest = start
		}
	}
	return newest
}

// TestRecordedTagPages replays 230 tags in pages of 100.
func TestRecordedTagPages(t *testing.T) {
	c := client(t, replay(t, "tag-pages"))
	got, err := drain(t, c.Tags(context.Background(), repo("harbourline/many-tags"), quay.TagQuery{}))
	if err != nil || len(got) != 230 {
		t.Fatalf("%d tags, %v, want 230", len(got), err)
	}
	for i, tag := range got {
		if want := fmt.Sprintf("v1.%d.0", 229-i); tag.Name != want {
			t.Errorf("tag %d is %s, want %s", i, tag.Name, want)
		}
	}
	if s := c.Stats(); s.Requests != 3 {
		t.Errorf("%d requests, want 3", s.Requests)
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

// The tokens of the recorded dataset.
const (
	owner    = "${alice-repo-read}" // owns every organization
	noScope  = "${alice-user-read}" // the same user, without repo:read
	badScope = "${alice-bad-scope}" // the same user, with a word no Quay knows
	outsider = "${bob-repo-read}"   // may read harbourline/private-shared
	nobody   = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
)

// recordedAt is when the dataset was recorded: some of its tags expire.
var recordedAt = time.Unix(1795446141, 0)

func recorded(t *testing.T) *quaytest.Dataset {
	t.Helper()
	f, err := os.Open(filepath.FromSlash("../quay/testdata/recordings/dataset.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := quaytest.ReadDataset(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// serve starts an embedded Quay, and returns a client of it.
func serve(t *testing.T, d *quaytest.Dataset, token string, opts ...quaytest.Option) (*quaytest.Server, *quay.Client) {
	t.Helper()
	opts = append([]quaytest.Option{quaytest.WithClock(func() time.Time { return recordedAt }), quaytest.WithTLS()}, opts...)
	s, err := quaytest.NewServer(d, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := quay.New(quay.WithServer(s.URL()), quay.WithRootCAs(s.CertPool()), quay.WithToken(token), quay.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c
}

// sent is how many requests of each class a server saw, and how many of them
// carried the token.
type sent struct{ List, ListToken, Tags, TagsToken, Namespace int64 }

func sentTo(s *quaytest.Server) sent {
	c := s.Stats().Classes
	return sent{
		c["list"].Requests, c["list"].WithToken,
		c["tags"].Requests, c["tags"].WithToken,
		c["namespace"].Requests,
	}
}

// One request for 100 repositories, one for each with a live tag, and no more.
func TestRequestsAreCounted(t *testing.T) {
	for _, c := range []struct {
		token string
		want  sent
	}{
		{"", sent{List: 19, Tags: 1688}},
		{"demo-token", sent{List: 19, ListToken: 19, Tags: 1688}},
	} {
		d := quaytest.Fleet(1876, quaytest.FleetOptions{Namespace: "fleet", Tag: "2025.1", NoLiveTag: 188})
		d.Users = append(d.Users, quaytest.User{Name: "someone", Enabled: true})
		d.Tokens = append(d.Tokens, quaytest.Token{Name: "demo-token", User: "someone", Scope: "repo:read"})
		s, client := serve(t, d, c.token)
		_, sum, err := discover.Collect(t.Context(), client, pattern(t, "fleet/*:2025.1"), discover.Options{})
		if err != nil || !sum.Complete {
			t.Fatalf("error %v, summary %+v", err, sum)
		}
		if diff := cmp.Diff(c.want, sentTo(s)); diff != "" {
			t.Errorf("token %q: sent (-want +got):\n%s", c.token, diff)
		}
		if got := s.Stats(); sum.Stats.Requests != 19+1688 || sum.Stats.Requests != got.Requests ||
			sum.Stats.WithToken != got.WithToken || sum.Stats.WithoutToken != got.WithoutToken {
			t.Errorf("token %q: summary %+v, server saw %+v", c.token, sum, got)
		}
		if sum.Listed != 1876 || sum.Skipped[discover.NoLiveTag] != 188 || sum.Checked != 1688 {
			t.Errorf("token %q: summary %+v", c.token, sum)
		}
		known := discover.No
		if c.token != "" {
			known = discover.Yes
		}
		if sum.CallerKnown != known || sum.TokenIgnored {
			t.Errorf("token %q: caller known %v, token ignored %v", c.token, sum.CallerKnown, sum.TokenIgnored)
		}
		if len(sum.Hints) > 0 {
			t.Errorf("token %q: nothing surprises, and hints are %q", c.token, sum.Hints)
		}
		// The next run counts its own.
		_, sum, err = discover.Collect(t.Context(), client, pattern(t, "fleet/image-000000:2025.1"), discover.Options{})
		if err != nil || sum.Stats.Requests != 1 || sum.Stats.WithToken+sum.Stats.WithoutToken != 1 {
			t.Errorf("token %q: error %v, summary %+v", c.token, err, sum)
		}
	}
}

func TestPrivateRepositoriesGetTheToken(t *testing.T) {
	s, client := serve(t, recorded(t), owner)
	results, _, err := discover.Collect(t.Context(), client, pattern(t, "harbourline/{private-*,plain,moved}:2025.1"), discover.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"present moved:2025.1", "present plain:2025.1", "present private-one:2025.1", "present private-shared:2025.1"}
	if diff := cmp.Diff(want, short(results)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if got := sentTo(s); got.Tags != 4 || got.TagsToken != 2 {
		t.Errorf("sent %+v", got)
	}
	moved := discover.Result{
		Verdict: discover.Present, Host: discover.NewFinder(client).Host(), Namespace: "harbourline", Repository: "moved", Tag: "2025.1",
		Digest: results[0].Digest, Size: results[0].Size, Public: true, State: "NORMAL", Named: true,
		Started: time.UnixMilli(1764720000456).UTC().Truncate(time.Second),
	}
	if diff := cmp.Diff(moved, results[0]); diff != "" || len(moved.Digest) != 71 || moved.Size <= 0 {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if results[2].Public {
		t.Error("private-one is public")
	}
}

// A server that admits no anonymous caller says so to the first request. The
// others wait for that, and all go with the token.
func TestServerWithoutAnonymousAccess(t *testing.T) {
	s, client := serve(t, recorded(t), owner, quaytest.WithQuirk("no-anonymous", ""))
	_, sum, err := discover.Collect(t.Context(), client, pattern(t, "harbourline/image-0*:2025.1"), discover.Options{})
	if err != nil || sum.Unknown > 0 || sum.Present == 0 {
		t.Fatalf("error %v, summary %+v", err, sum)
	}
	got := sentTo(s)
	if want := (sent{List: 3, ListToken: 3, Tags: int64(sum.Checked) + 1, TagsToken: int64(sum.Checked)}); got != want {
		t.Errorf("sent %+v, want %+v", got, want)
	}
}

// Without a token there is nothing to fall back to: not even the listing works.
func TestServerWithoutAnonymousAccessNorToken(t *testing.T) {
	_, client := serve(t, recorded(t), "", quaytest.WithQuirk("no-anonymous", ""))
	_, sum, err := discover.Collect(t.Context(), client, pattern(t, "harbourline/*:2025.1"), discover.Options{})
	if !errors.Is(err, quay.ErrUnauthenticated) || sum.Complete {
		t.Errorf("error %v, complete %v", err, sum.Complete)
	}
}

// The request about a deleted repository is repeated once with the token. Other requests stay
// without it.
func TestVanishedRepositoryChangesNothing(t *testing.T) {
	for _, gone := range []string{"image-001", "image-050"} {
		s, client := serve(t, recorded(t), owner, quaytest.WithQuirk("vanish", "harbourline/"+gone))
		results, sum, err := discover.Collect(t.Context(), client, pattern(t, "harbourline/image-0*:2025.1"), discover.Options{})
		if err != nil || !sum.Finished || sum.Complete || sum.Unknown != 1 || sum.Denied {
			t.Fatalf("error %v, summary %+v", err, sum)
		}
		for _, r := range results {
			if (r.Verdict == discover.Unknown) != (r.Repository == gone) {
				t.Errorf("%s is %s: %v", r.Repository, r.Verdict, r.Err)
			}
		}
		got := sentTo(s)
		if got.Tags != int64(sum.Checked)+1 || got.TagsToken != 1 {
			t.Errorf("%s: sent %+v for %d checks", gone, got, sum.Checked)
		}
	}
}

// A request with the token shows the cause of a 401.
func TestStray401IsAskedAgainWithTheToken(t *testing.T) {
	s, client := serve(t, recorded(t), owner, quaytest.WithQuirk("random-401", "10"))
	_, sum, err := discover.Collect(t.Context(), client, pattern(t, "harbourline/image-*:2025.1"), discover.Options{Jobs: 1})
	if err != nil || sum.Unknown > 0 {
		t.Fatalf("error %v, summary %+v", err, sum)
	}
	got := sentTo(s)
	if again := got.Tags - int64(sum.Checked); again < 15 || got.TagsToken != again {
		t.Errorf("sent %+v for %d checks", got, sum.Checked)
	}
}

func TestTokenWithoutScopeIsSaid(t *testing.T) {
	for token, reason := range map[string]discover.Reason{noScope: discover.GoneOrPrivate, badScope: discover.ServerError} {
		_, client := serve(t, recorded(t), token)
		results, sum, err := discover.Collect(t.Context(), client, pattern(t, "closedharbour/*:2025.1"), discover.Options{})
		if err != nil || len(results) != 3 || sum.Unknowns[reason] != 3 || len(sum.Hints) != 1 {
			t.Errorf("%s: error %v, summary %+v", token, err, sum)
		}
		if sum.Denied != (reason == discover.GoneOrPrivate) {
			t.Errorf("%s: denied %v", token, sum.Denied)
		}
	}
}

func TestNothingToSeeIsExplained(t *testing.T) {
	for _, c := range []struct {
		namespace, token string
		want             discover.NamespaceStatus
		known            discover.Answer
		requests         int64 // at most
	}{
		{"no-such-harbour", "", discover.NamespaceNotFound, discover.NotAsked, 3},
		{"no-such-harbour", owner, discover.NamespaceNotFound, discover.Yes, 4},
		{"emptyharbour", "", discover.NamespaceNothingVisible, discover.NotAsked, 2},
		{"emptyharbour", outsider, discover.NamespaceNothingVisible, discover.Yes, 4},
		{"emptyharbour", nobody, discover.NamespaceNothingVisible, discover.No, 3},
		{"emptyharbour", owner, discover.NamespaceEmpty, discover.Yes, 4},
		{"emptyharbour", badScope, discover.NamespaceNothingVisible, discover.Yes, 4}, // 500 to the question whose it is
		{"closedharbour", "", discover.NamespaceNothingVisible, discover.NotAsked, 2},
		{"bob", outsider, discover.NamespaceEmpty, discover.Yes, 5},
		{"harbourline", nobody, discover.NamespaceFound, discover.No, 1000},
	} {
		_, client := serve(t, recorded(t), c.token)
		_, sum, err := discover.Collect(t.Context(), client, pattern(t, c.namespace+"/**:none"), discover.Options{})
		var want error
		switch {
		case c.want == discover.NamespaceNotFound:
			want = discover.ErrNoNamespace
		case c.token == nobody:
			want = discover.ErrTokenIgnored
		}
		if !errors.Is(err, want) || !sum.Finished || sum.Complete != (want == nil) {
			t.Fatalf("%s as %q: error %v, complete %v", c.namespace, c.token, err, sum.Complete)
		}
		if sum.Namespace != c.want || sum.CallerKnown != c.known || sum.Stats.Requests > c.requests {
			t.Errorf("%s as %q: %s, caller known: %s, %d requests; want %s, %s, at most %d",
				c.namespace, c.token, sum.Namespace, sum.CallerKnown, sum.Stats.Requests, c.want, c.known, c.requests)
		}
		if sum.TokenIgnored != (c.token == nobody) {
			t.Errorf("%s as %q: token ignored: %v", c.namespace, c.token, sum.TokenIgnored)
		}
		if surprising := c.want != discover.NamespaceFound || c.token == nobody; surprising != (len(sum.Hints) > 0) {
			t.Errorf("%s as %q: hints %q", c.namespace, c.token, sum.Hints)
		}
	}
}

// A single repository is looked up by name, without a listing.
func TestOneRepositoryIsNotListed(t *testing.T) {
	for _, c := range []struct {
		pattern, token string
		want           []string
		public         bool
		sent           sent
		namespace      discover.NamespaceStatus
	}{
		{"harbourline/plain:2025.1", "", []string{"present plain:2025.1"}, true,
			sent{Tags: 1}, discover.NamespaceFound},
		{"harbourline/plain:none", owner, []string{"absent plain:none (no such tag)"}, true,
			sent{Tags: 1}, discover.NamespaceFound},
		{"harbourline/tools/inner/deep:2025.1", owner, []string{"present tools/inner/deep:2025.1"}, true,
			sent{Tags: 1}, discover.NamespaceFound},
		{"harbourline/private-one:2025.1", owner, []string{"present private-one:2025.1"}, false,
			sent{Tags: 2, TagsToken: 1}, discover.NamespaceFound},
		{"harbourline/private-one:{2025.1,a,b}", owner,
			[]string{"present private-one:2025.1", "absent private-one:a (no such tag)", "absent private-one:b (no such tag)"}, false,
			sent{Tags: 4, TagsToken: 3}, discover.NamespaceFound},
		{"harbourline/private-one:2025.1", "", []string{"unknown private-one:2025.1 (gone or private)"}, false,
			sent{Tags: 1, Namespace: 1}, discover.NamespaceFound},
		{"no-such-harbour/plain:2025.1", "", []string{"unknown plain:2025.1 (gone or private)"}, false,
			sent{Tags: 1, Namespace: 2}, discover.NamespaceNotFound},
		{"harbourline/many-tags:v1.9.*", "", []string{"present many-tags:v1.9.0"}, true,
			sent{Tags: 1}, discover.NamespaceFound},
		{"harbourline/many-tags:1.9.*", "", []string{"absent many-tags:1.9.* (no such tag)"}, true, // v1.9.0 shows that it is public
			sent{Tags: 1}, discover.NamespaceFound},
	} {
		s, client := serve(t, recorded(t), c.token)
		results, sum, err := discover.Collect(t.Context(), client, pattern(t, c.pattern), discover.Options{})
		if (err != nil) != (c.namespace == discover.NamespaceNotFound) || !sum.Finished || !sum.ByName || sum.Denied || sum.Namespace != c.namespace {
			t.Errorf("%s: error %v, summary %+v", c.pattern, err, sum)
		}
		if diff := cmp.Diff(c.want, short(results)); diff != "" {
			t.Errorf("%s: results (-want +got):\n%s", c.pattern, diff)
		}
		if complete := err == nil && sum.Unknown+sum.Missing == 0; sum.Complete != complete {
			t.Errorf("%s: complete %v, summary %+v", c.pattern, sum.Complete, sum)
		}
		if results[0].Public != c.public || !results[0].Unlisted {
			t.Errorf("%s: public %v, unlisted %v", c.pattern, results[0].Public, results[0].Unlisted)
		}
		if diff := cmp.Diff(c.sent, sentTo(s)); diff != "" {
			t.Errorf("%s: sent (-want +got):\n%s", c.pattern, diff)
		}
	}
}

func TestTagGlobAsksOnceForEachRepository(t *testing.T) {
	s, client := serve(t, recorded(t), "")
	results, sum, err := discover.Collect(t.Context(), client, pattern(t, "harbourline/{many-tags,same-second,no-tags}:v1.?.0"), discover.Options{})
	if err != nil || sum.Checked != 2 || sum.Skipped[discover.NoLiveTag] != 1 {
		t.Fatalf("error %v, summary %+v", err, sum)
	}
	if sum.Present != 10 || sum.Absent != 1 || len(results) != 11 {
		t.Errorf("results %v", short(results))
	}
	if got := sentTo(s); got.Tags > 4 {
		t.Errorf("sent %+v", got)
	}
}

func TestMirrorRegistryHasNoListing(t *testing.T) {
	_, client := serve(t, recorded(t), "", quaytest.WithQuirk("mirror-registry", ""))
	for _, p := range []string{"harbourline/*:2025.1", "harbourline/plain:2025.1", "harbourline/plain:*"} {
		_, sum, err := discover.Collect(t.Context(), client, pattern(t, p), discover.Options{})
		if !errors.Is(err, quay.ErrNoListing) || sum.Complete {
			t.Errorf("%s: error %v, complete %v", p, err, sum.Complete)
		}
	}
}

func TestPatternForAnotherHost(t *testing.T) {
	s, client := serve(t, recorded(t), "")
	_, _, err := discover.Collect(t.Context(), client, pattern(t, "quay.io/harbourline/*:2025.1"), discover.Options{})
	if !errors.Is(err, quay.ErrInvalid) || s.Stats().Requests > 0 {
		t.Errorf("error %v", err)
	}
	// Nothing is sent: the context has ended.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	elsewhere, err := quay.New(quay.WithServer("https://Quay.Example:443/prefix"))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]error{
		"quay.example": context.Canceled, "quay.example:443": context.Canceled,
		"quay.example:8443": quay.ErrInvalid, "quay.example.org": quay.ErrInvalid,
	} {
		_, _, err := discover.Collect(ctx, elsewhere, pattern(t, "quay://"+host+"/ns/*:1"), discover.Options{})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", host, err)
		}
	}
	_, sum, err := discover.Collect(t.Context(), client, pattern(t, "quay://"+discover.NewFinder(client).Host()+"/harbourline/plain:2025.1"), discover.Options{})
	if err != nil || sum.Present != 1 || sum.Host != discover.NewFinder(client).Host() {
		t.Errorf("error %v, summary %+v", err, sum)
	}
}

// A tag list that breaks off is not repeated, because its tags were already yielded.
func TestTagListThatBreaksOff(t *testing.T) {
	for _, token := range []string{"", owner} {
		s, client := serve(t, recorded(t), token, quaytest.WithQuirk("random-401", "2"))
		results, sum, err := discover.Collect(t.Context(), client, pattern(t, "harbourline/many-tags:*"), discover.Options{})
		if err != nil || sum.Present != 100 || sum.Unknown != 1 {
			t.Fatalf("error %v, summary %+v", err, sum)
		}
		last := results[0] // "*" sorts first
		if last.Verdict != discover.Unknown || last.Tag != "*" || !errors.Is(last.Err, quay.ErrUnauthenticated) {
			t.Errorf("%s %s: %v", last.Verdict, last.Tag, last.Err)
		}
		if got := sentTo(s); got.Tags != 2 || got.TagsToken != 0 {
			t.Errorf("sent %+v", got)
		}
	}
}

// If the server admits no anonymous caller, the request about the namespace carries the token
// too.
func TestEmptyNamespaceWithoutAnonymousAccess(t *testing.T) {
	_, client := serve(t, recorded(t), owner, quaytest.WithQuirk("no-anonymous", ""))
	_, sum, err := discover.Collect(t.Context(), client, pattern(t, "emptyharbour/*:1"), discover.Options{})
	if err != nil || sum.Namespace != discover.NamespaceEmpty {
		t.Errorf("error %v, summary %+v", err, sum)
	}
}

// A list of tags is read down to the first that is too old.
func TestTagGlobReadsNoFurtherThanSince(t *testing.T) {
	s, client := serve(t, recorded(t), "")
	// many-tags has 230, an hour apart, and the last of them 229 hours after the first.
	p := pattern(t, "quay://harbourline/many-tags:v*?since="+time.UnixMilli(1764547200000).Add(200*time.Hour).UTC().Format(time.RFC3339))
	_, sum, err := discover.Collect(t.Context(), client, p, discover.Options{})
	if err != nil || sum.Present != 30 {
		t.Fatalf("error %v, summary %+v", err, sum)
	}
	if got := sentTo(s); got.Tags != 1 {
		t.Errorf("sent %+v", got)
	}
}

// A token that looks like a JWT is refused, not ignored.
func TestTokenThatIsAJWT(t *testing.T) {
	jwt := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + ".e30.e30"
	_, client := serve(t, recorded(t), jwt)
	_, sum, err := discover.Collect(t.Context(), client, pattern(t, "harbourline/private-one:2025.1"), discover.Options{})
	if !errors.Is(err, discover.ErrTokenIgnored) || sum.Unknown != 1 || !sum.TokenIgnored || sum.CallerKnown != discover.No {
		t.Errorf("error %v, summary %+v", err, sum)
	}
	if _, _, err := discover.Collect(t.Context(), client, pattern(t, "harbourline/*:2025.1"), discover.Options{}); !errors.Is(err, quay.ErrUnauthenticated) {
		t.Errorf("listing: %v", err)
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay"
)

func logged(t *testing.T, level slog.Level, use func(*quay.Client)) []string {
	t.Helper()
	var log bytes.Buffer
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level, ReplaceAttr: drop}))
	use(client(t, embedded(t).URL(), quay.WithLogger(logger), quay.WithToken(ownerToken)))
	return strings.Split(strings.TrimSpace(log.String()), "\n")
}

func TestProgressIsLoggedAtInfo(t *testing.T) {
	got := logged(t, slog.LevelInfo, func(c *quay.Client) {
		drain(t, list(c, "harbourline"))
		c.HasTag(t.Context(), repo("harbourline/plain"), "2025.1")
		c.HasTag(t.Context(), repo("harbourline/plain"), "9999.9")
		c.HasTag(t.Context(), repo("harbourline/no-such-image"), "2025.1") // its caller has the error
		drain(t, c.Tags(t.Context(), repo("harbourline/plain"), quay.TagQuery{}))
	})
	want := []string{
		`level=INFO msg="listed a page" namespace=harbourline page=1 repositories=100`,
		`level=INFO msg="listed a page" namespace=harbourline page=2 repositories=200`,
		`level=INFO msg="listed a page" namespace=harbourline page=3 repositories=261`,
		`level=INFO msg="looked up a tag" repository=harbourline/plain tag=2025.1 present=true`,
		`level=INFO msg="looked up a tag" repository=harbourline/plain tag=9999.9 present=false`,
		`level=INFO msg="listed a page" repository=harbourline/plain page=1 tags=3`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExchangesAreLoggedAtDebug(t *testing.T) {
	got := logged(t, slog.LevelDebug, func(c *quay.Client) {
		c.HasTag(t.Context(), repo("harbourline/no-such-image"), "2025.1")
	})
	want := regexp.MustCompile(`^level=DEBUG msg="http exchange" method=GET url="http://127\.0\.0\.1:\d+/api/v1/repository/harbourline/no-such-image/tag/\?specificTag=2025\.1&onlyActiveTags=true&limit=1" status=404 duration=\S+ protocol=HTTP/1\.1$`)
	if len(got) != 1 || !want.MatchString(got[0]) {
		t.Errorf("logged %q", got)
	}
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A row is one repository of a listing of the namespace harbour.
type row struct {
	name    string
	private bool
	state   string    // "" is NORMAL
	changed time.Time // zero is noon
	empty   bool      // no live tag
	known   bool      // the server knows the caller
	odd     bool      // is_public is missing
}

// A tag is one live tag.
type tag struct {
	name    string
	started time.Time
	odd     bool // the digest is missing
}

// A fake is a Quay that plays its answers in memory, so that a test can use virtual
// time. A nil function has a plain answer: every repository has every tag. The
// shapes of the answers are those of doc/quay-api.md sections 1 to 3.
type fake struct {
	rows   iter.Seq2[row, error]
	page   int // rows on a page; 0 is 100
	lookUp func(ctx context.Context, repo, name string) (t tag, found bool, err error)
	list   func(ctx context.Context, repo string, page int) (tags []tag, more bool, err error)
	// missing is set if the namespace does not exist.
	missing bool
	silent  bool // record nothing

	mu    sync.Mutex
	next  func() (row, error, bool)
	asked []string // "tag REPO:NAME", "tags REPO~CONTAINS", "namespace NAME"
	ended error    // of the listing, for the next page
}

// client returns a client of the fake.
func (f *fake) client(t testing.TB, opts ...quay.Option) *quay.Client {
	t.Helper()
	if f.rows != nil {
		next, stop := iter.Pull2(f.rows)
		f.next = next
		t.Cleanup(stop)
	}
	opts = append([]quay.Option{quay.WithServer("http://quay.test"), quay.WithTransport(f), quay.WithRetries(0), quay.WithRate(1e6, 1e6)}, opts...)
	c, err := quay.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fake) note(what string) {
	if f.silent {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := f.answer(r)
	status := http.StatusOK
	if err != nil {
		if status, body = failure(err); status == 0 {
			return nil, err
		}
	}
	header := http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

// failure returns the answer that stands for a kind of error, or 0 for no answer.
func failure(err error) (status int, body string) {
	switch {
	case errors.Is(err, quay.ErrUnauthenticated):
		return 401, refused401
	case errors.Is(err, quay.ErrForbidden):
		return 403, refused403
	case errors.Is(err, quay.ErrNotFound):
		return 404, `{"detail": "Not Found", "error_message": "Not Found", "error_type": "not_found", "status": 404}`
	case errors.Is(err, quay.ErrRateLimited):
		return 429, ""
	case errors.Is(err, quay.ErrUnavailable):
		return 502, ""
	case errors.Is(err, quay.ErrMalformed):
		return 200, `{"tags": 5}`
	case errors.Is(err, quay.ErrNoListing):
		return 405, `{"error": "Method Not Allowed"}`
	case errors.Is(err, errOdd):
		return 418, ""
	}
	return 0, ""
}

var errOdd = errors.New("an answer of no kind")

func (f *fake) answer(r *http.Request) (string, error) {
	q := r.URL.Query()
	switch path := r.URL.Path; {
	case path == "/api/v1/repository" && q.Get("starred") != "":
		return `{"repositories": []}`, nil
	case path == "/api/v1/repository":
		return f.listing(q.Get("namespace"))
	case strings.HasPrefix(path, "/api/v1/organization/"):
		name := strings.TrimPrefix(path, "/api/v1/organization/")
		f.note("namespace " + name)
		if f.missing {
			return "", quay.ErrNotFound
		}
		return fmt.Sprintf(`{"name": %q}`, name), nil
	case strings.HasPrefix(path, "/api/v1/users/"):
		return "", quay.ErrNotFound
	default:
		path, _ = strings.CutSuffix(strings.TrimPrefix(path, "/api/v1/repository/"), "/tag/")
		_, repo, _ := strings.Cut(path, "/")
		page, _ := strconv.Atoi(q.Get("page"))
		return f.tags(r.Context(), repo, q.Get("specificTag"), strings.TrimPrefix(q.Get("filter_tag_name"), "like:"), max(page, 1))
	}
}

func (f *fake) listing(namespace string) (string, error) {
	if f.ended != nil {
		return "", f.ended
	}
	var rows []map[string]any
	more := true
	for more && len(rows) < max(f.page, 1) || f.page == 0 && more && len(rows) < 100 {
		r, err, ok := f.next()
		if err != nil {
			if f.ended = err; len(rows) == 0 {
				return "", err
			}
			break
		}
		if more = ok; !ok {
			break
		}
		w := map[string]any{"namespace": namespace, "name": r.name, "is_public": !r.private, "state": "NORMAL", "last_modified": noon.Unix()}
		if r.state != "" {
			w["state"] = r.state
		}
		if !r.changed.IsZero() {
			w["last_modified"] = r.changed.Unix()
		}
		if r.empty {
			w["last_modified"] = nil
		}
		if r.known {
			w["is_starred"] = false
		}
		if r.odd {
			delete(w, "is_public")
		}
		rows = append(rows, w)
	}
	if rows == nil {
		return `{"repositories": []}`, nil
	}
	answer := map[string]any{"repositories": rows}
	if more {
		answer["next_page"] = fmt.Sprint("after ", rows[len(rows)-1]["name"])
	}
	text, err := json.Marshal(answer)
	return string(text), err
}

func (f *fake) tags(ctx context.Context, repo, exact, contains string, page int) (string, error) {
	var tags []tag
	var more bool
	var err error
	if exact != "" {
		f.note("tag " + repo + ":" + exact)
		t, found := tag{name: exact}, true
		if f.lookUp != nil {
			t, found, err = f.lookUp(ctx, repo, exact)
		}
		if t.name = exact; found {
			tags = []tag{t}
		}
	} else {
		if page == 1 {
			f.note("tags " + repo + "~" + contains)
		}
		if f.list != nil {
			tags, more, err = f.list(ctx, repo, page)
		}
	}
	if err != nil {
		return "", err
	}
	rows := []map[string]any{}
	for _, t := range tags {
		w := map[string]any{"name": t.name, "is_manifest_list": false, "manifest_digest": "sha256:" + strings.Repeat("0", 64)}
		if !t.started.IsZero() {
			w["start_ts"] = t.started.Unix()
		}
		if t.odd {
			delete(w, "manifest_digest")
		}
		rows = append(rows, w)
	}
	text, err := json.Marshal(map[string]any{"tags": rows, "page": page, "has_additional": more})
	return string(text), err
}

// carrying lists the tags of each repository on one page.
func carrying(tags map[string][]tag) func(context.Context, string, int) ([]tag, bool, error) {
	return func(_ context.Context, repo string, _ int) ([]tag, bool, error) { return tags[repo], false, nil }
}

// rows lists repositories, and then err unless it is nil.
func rows(err error, repos ...row) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for _, r := range repos {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(row{}, err)
		}
	}
}

// named returns a public repository for each name.
func named(names ...string) []row {
	repos := make([]row, len(names))
	for i, name := range names {
		repos[i] = row{name: name}
	}
	return repos
}

func pattern(t testing.TB, s string) ref.Pattern {
	t.Helper()
	p, err := ref.ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// short writes results as "VERDICT REPOSITORY:TAG[ (REASON)]".
func short(results []discover.Result) []string {
	var lines []string
	for _, r := range results {
		line := string(r.Verdict) + " " + r.Repository + ":" + r.Tag
		if r.Reason != "" {
			line += " (" + r.Reason.Text() + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

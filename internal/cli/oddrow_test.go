// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/quayside/quayside/quay/quaytest"
)

// oddRows plays a Quay that lists rows among two good ones: repositories and tags
// (doc/quay-api.md sections 1 and 2).
func oddRows(t *testing.T, repositories, tags []string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/repository" {
			fmt.Fprintf(w, `{"repositories": [%s]}`, strings.Join(repositories, ","))
			return
		}
		fmt.Fprintf(w, `{"page": 1, "has_additional": false, "tags": [%s]}`, strings.Join(tags, ","))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// An invalid row becomes one unknown image, which is named. It does not end the listing.
func TestOddRowsOfListsAreUnknown(t *testing.T) {
	repository := `{"namespace": "org", "name": "%s", "is_public": true, "kind": "image", "state": "NORMAL", "last_modified": 1764633600}`
	tag := `{"name": "%s", "manifest_digest": "sha256:` + strings.Repeat("a", 64) + `", "is_manifest_list": false, "start_ts": 1764633600}`
	for what, edit := range map[string][2]string{
		"a control character":   {`"odd`, `"odd\u001b[31m`},
		"a space":               {`"odd`, `"odd odd`},
		"too long":              {`"odd`, `"odd` + strings.Repeat("x", 300)},
		"no name":               {`"name": "odd", `, ``},
		"a name of wrong type":  {`"odd"`, `["odd"]`},
		"null":                  {"", "null"},
		"a number":              {"", "7"},
		"a flag of wrong type":  {`true|false`, `"yes"`},
		"a time before 1970":    {`1764633600`, `-5`},
		"a time after 9999":     {`1764633600`, `99999999999999`},
		"a number beyond int64": {`1764633600`, `1e400`},
		"a time as text":        {`1764633600`, `"Tue, 02 Dec 2025"`},
		"a state of wrong type": {`"NORMAL"|1764633600`, `{"a": 5}`},
		"no flag":               {`"is_public": true, |"is_manifest_list": false, `, ``},
	} {
		t.Run(what, func(t *testing.T) {
			odd := func(form string) string {
				row := fmt.Sprintf(form, "odd")
				if edit[0] == "" {
					return edit[1]
				}
				for old := range strings.SplitSeq(edit[0], "|") {
					row = strings.Replace(row, old, edit[1], 1)
				}
				return row
			}
			url := oddRows(t,
				[]string{fmt.Sprintf(repository, "ant"), odd(repository), fmt.Sprintf(repository, "bee")},
				[]string{fmt.Sprintf(tag, "ant"), odd(tag), fmt.Sprintf(tag, "bee")})
			for _, args := range [][]string{{"repos", "org"}, {"tags", "org/repo"}} {
				var stdout, stderr bytes.Buffer
				code := command(t.Context(), &stdout, &stderr, nil, append(args, "--server", url, "-o", "json")...)
				var answer struct {
					Complete bool
					Results  []struct{ Repository, Tag string }
					Summary  struct {
						Results int
						Unknown []struct{ Reference, Reason, Error string }
					}
				}
				if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
					t.Fatal(err)
				}
				if code != 3 || answer.Complete || answer.Summary.Results != 2 || len(answer.Summary.Unknown) != 1 {
					t.Errorf("%v: exit code %d, %+v, stderr %q", args, code, answer, &stderr)
				}
				if !strings.Contains(stderr.String(), "unknown: ") || strings.ContainsRune(stderr.String(), '\x1b') {
					t.Errorf("%v: stderr %q", args, &stderr)
				}
			}
			var stdout, stderr bytes.Buffer
			if code := command(t.Context(), &stdout, &stderr, nil, "repos", "org", "--server", oddRows(t, []string{odd(repository)}, nil)); code != 3 || !strings.Contains(stderr.String(), "unknown: ") {
				t.Errorf("odd rows alone: exit code %d, stderr %q", code, &stderr)
			}
		})
	}
}

// A name that a server chose cannot begin a message of its own.
func TestLineBreakInANameBeginsNoMessage(t *testing.T) {
	const odd = `"odd\nquayside: all is well"`
	url := oddRows(t,
		[]string{`{"namespace": "org", "name": ` + odd + `, "is_public": true, "kind": "image", "state": "NORMAL", "last_modified": 1764633600}`},
		[]string{`{"name": ` + odd + `, "manifest_digest": "sha256:` + strings.Repeat("a", 64) + `", "is_manifest_list": false, "start_ts": 1764633600}`})
	for _, args := range [][]string{{"repos", "org"}, {"tags", "org/repo"}, {"find", "org/*:1"}, {"find", "org/repo:*"}} {
		for _, format := range []string{"text", "json"} {
			var stdout, stderr bytes.Buffer
			command(t.Context(), &stdout, &stderr, nil, append(args, "--server", url, "--quiet", "--log-format", format)...)
			if text := stderr.String(); !strings.Contains(text, "unknown: ") || strings.Contains(text, "\nquayside: all") || strings.Contains(text, "odd; ") {
				t.Errorf("%v, %s: stderr %q", args, format, text)
			}
		}
	}
}

// Nothing is known of a repository whose row makes no sense, not even who may read it.
func TestVisibilityOfAnOddRowIsNotKnown(t *testing.T) {
	url := oddRows(t, []string{`{"namespace": "org", "name": "odd", "is_public": true, "state": "NORMAL", "last_modified": "soon"}`}, nil)
	var stdout, stderr bytes.Buffer
	code := command(t.Context(), &stdout, &stderr, nil, "find", "org/*:1", "--all", "--server", url, "-o", "json")
	var answer struct {
		Results []struct{ Verdict, Repository, Visibility string }
	}
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if code != 3 || len(answer.Results) != 1 || answer.Results[0].Verdict != "unknown" || answer.Results[0].Visibility != "" {
		t.Errorf("exit code %d, %+v, stderr %q", code, answer, &stderr)
	}
}

// Servers are asked side by side: the time of a search is not the sum of theirs.
func TestElapsedIsNotTheSumOfServers(t *testing.T) {
	var urls []string
	for range 2 {
		s := quaytest.Start(t, quaytest.SampleDataset(), quaytest.WithLatency(300*time.Millisecond))
		urls = append(urls, strings.TrimPrefix(s.URL(), "http://"))
	}
	var stdout, stderr bytes.Buffer
	command(t.Context(), &stdout, &stderr, nil, "find", urls[0]+"/stackfleet/none*:1", urls[1]+"/stackfleet/none*:1", "--plain-http", "-o", "json")
	var answer struct {
		Summary struct {
			Elapsed  float64 `json:"elapsed_seconds"`
			Patterns []struct {
				Elapsed float64 `json:"elapsed_seconds"`
			}
		}
	}
	if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if p := answer.Summary.Patterns; len(p) != 2 || answer.Summary.Elapsed > p[0].Elapsed+p[1].Elapsed-0.1 {
		t.Errorf("%+v, stderr %q", answer, &stderr)
	}
}

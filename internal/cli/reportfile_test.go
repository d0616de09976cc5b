// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/quay/quaytest"
)

// A run that is killed between the making of its temporary file and the renaming leaves that
// file. The next run of the same report removes that file, and no other.
func TestNextRunRemovesTheTemporaryReportOfAKilledOne(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	a := newApp(strings.NewReader(""), discard{}, discard{}, noEnvironment)
	a.cacheFolder = func() (string, error) { return cache, nil }
	open := func(name string) *reportFile {
		t.Helper()
		f, err := a.newReportFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	foreign := filepath.Join(dir, ".quayside-report-somebody")
	if err := os.WriteFile(foreign, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", `{"complete":`} { // killed before the report was written, or after
		temp, err := open("a.json").create()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := temp.WriteString(content); err != nil {
			t.Fatal(err)
		}
		_ = temp.Close()
		open("b.json") // another report, whose run leaves it alone
		if _, err := os.Stat(temp.Name()); err != nil {
			t.Errorf("the run of another report removed it: %v", err)
		}
		if err := open("a.json").write(t.Context(), mirror.Report{}); err != nil {
			t.Fatal(err)
		}
		if got := names(t, dir); !slices.Equal(got, []string{".quayside-report-somebody", "a.json"}) {
			t.Errorf("the next run leaves %q", got)
		}
		if got := names(t, filepath.Join(cache, "quayside", "reports")); len(got) > 0 {
			t.Errorf("the next run leaves records: %q", got)
		}
	}

	// A run writes its report even if another run begins meanwhile.
	f := open("a.json")
	temp, err := f.create()
	if err != nil {
		t.Fatal(err)
	}
	defer temp.Close()
	other := open("a.json")
	if err := f.write(t.Context(), mirror.Report{}); err != nil {
		t.Error(err)
	}
	if err := other.write(t.Context(), mirror.Report{}); err != nil {
		t.Error(err)
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// copyFailedFrom runs copy --failed-from with the report of an earlier run.
func copyFailedFrom(t *testing.T, s *quaytest.Server, earlier mirror.Report) (code exitCode, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "report.json")
	text, err := json.Marshal(earlier)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	code = exitCode(Main(context.Background(), []string{"copy", "--failed-from", file, "oci:" + filepath.Join(dir, "x"), "-o", "json", "--config", os.DevNull,
		"--server", s.URL()}, strings.NewReader(""), &out, &errs, noEnvironment))
	return code, out.String(), errs.String()
}

// The name of an unknown repository is literal in --failed-from, whatever characters a
// server listed. Otherwise the next run would copy what nobody asked for.
func TestFailedFromReadsRepositoriesLiterally(t *testing.T) {
	s, err := quaytest.NewServer(quaytest.SampleDataset())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	host := strings.TrimPrefix(s.URL(), "http://")
	for _, repository := range []string{"nova-*", "**", "nova-ap?", "{nova,heat}-api", "[n]ova-api", "!x", "nova-api,heat-api", " nova-api", "nova%2Dapi",
		"nova-*?since=30d", "nova-api:*", "nova-api@x", ""} {
		for _, reason := range []string{"malformed_answer", "no_answer"} {
			code, stdout, stderr := copyFailedFrom(t, s, mirror.Report{Destination: "oci:x", Unknown: []mirror.UnknownReport{
				{Reference: host + "/stackfleet/" + repository + ":2025.1", Reason: reason, Error: "odd"},
			}})
			if code != exitPart || strings.Contains(stdout, `"copied": 1`) || !strings.Contains(stderr, "unknown: "+host+"/stackfleet/") {
				t.Errorf("%q, %s: exit code %d\n%s%s", repository, reason, code, stdout, stderr)
			}
		}
	}
}

// An image of the report that did not arrive and whose name is not valid is unknown, and
// the copy is not complete.
func TestFailedFromNamesInvalidImages(t *testing.T) {
	s, err := quaytest.NewServer(quaytest.SampleDataset())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, reference := range []string{"../../x:1", "x", "odd\nquayside: all is well"} {
		code, stdout, stderr := copyFailedFrom(t, s, mirror.Report{Destination: "oci:x", Images: []mirror.ImageReport{
			{Reference: reference, Status: mirror.Failed},
			{Reference: strings.TrimPrefix(s.URL(), "http://") + "/stackfleet/nova-api:2025.1", Status: mirror.Failed},
		}})
		if code != exitPart || !strings.Contains(stdout, `"copied": 1`) || !strings.Contains(stderr, "unknown: ") ||
			strings.Contains(stderr, "\nquayside: all") {
			t.Errorf("%q: exit code %d\n%s%s", reference, code, stdout, stderr)
		}
	}
}

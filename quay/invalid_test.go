// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/quayside/quayside/quay"
)

// Rows of a listing that no Quay should send: what a damaged database or a proxy can do to one.
var invalidRows = map[string]string{
	"no name":           repositoryRow("name", ""),
	"null name":         repositoryRow("name", "null"),
	"empty name":        repositoryRow("name", `""`),
	"name a number":     repositoryRow("name", "5"),
	"name a list":       repositoryRow("name", `["x"]`),
	"other namespace":   repositoryRow("namespace", `"other"`),
	"no namespace":      repositoryRow("namespace", ""),
	"is_public a text":  repositoryRow("is_public", `"yes"`),
	"no last_modified":  repositoryRow("last_modified", ""),
	"negative time":     repositoryRow("last_modified", "-1"),
	"state a number":    repositoryRow("state", "7"),
	"null":              "null",
	"a list":            "[]",
	"starred, a number": repositoryRow("is_starred", "1"),
	"name of another":   repositoryRow("name", `"a"`),
}

// repositoryRow is one repository as a server sends it (doc/quay-api.md section 1), with changes.
func repositoryRow(changes ...string) string {
	return object([]string{"namespace", `"org"`, "name", `"odd"`, "description", `""`, "is_public", "true",
		"kind", `"image"`, "state", `"NORMAL"`, "last_modified", "1764633600"}, changes)
}

// One row that makes no sense costs itself, if the caller asks for such rows, and not the listing.
func TestListingWithAnInvalidRow(t *testing.T) {
	list := func(t *testing.T, rows []string, q quay.RepositoryQuery) ([]quay.Repository, error) {
		url := canned(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"repositories": [%s]}`, strings.Join(rows, ", "))
		})
		var repos []quay.Repository
		for r, err := range client(t, url).Repositories(t.Context(), q) {
			if err != nil {
				return repos, err
			}
			repos = append(repos, r)
		}
		return repos, nil
	}
	q := quay.RepositoryQuery{Namespace: "org", LastModified: true, Invalid: true}
	for what, bad := range invalidRows {
		t.Run(what, func(t *testing.T) {
			rows := []string{repositoryRow("name", `"a"`), bad, bad, repositoryRow("name", `"b"`)}
			repos, err := list(t, rows, q)
			if err != nil || len(repos) != 4 {
				t.Fatalf("%v, %v", repos, err)
			}
			for i, r := range repos {
				if wrong := errors.Is(r.Invalid, quay.ErrMalformed); wrong != (i == 1 || i == 2) || r.Namespace != "org" {
					t.Errorf("%d: %+v", i, r)
				}
			}
			if repos[0].Name+repos[3].Name != "ab" || repos[1].Name != "" && repos[1].Name != "odd" && repos[1].Name != "a" {
				t.Errorf("names %q", repos)
			}
			// Nobody asked for invalid rows: no listing.
			if repos, err := list(t, rows, quay.RepositoryQuery{Namespace: "org", LastModified: true}); kind(err) != "malformed" || len(repos) > 0 {
				t.Errorf("%v, %v", repos, err)
			}
			repos, err = list(t, []string{bad}, q)
			if what == "other namespace" { // the server lists something else
				if kind(err) != "malformed" || len(repos) > 0 {
					t.Errorf("%v, %v", repos, err)
				}
			} else if what == "name of another" { // alone it is good
				if err != nil || len(repos) != 1 || repos[0].Invalid != nil {
					t.Errorf("alone: %v, %v", repos, err)
				}
			} else if err != nil || len(repos) != 1 || repos[0].Invalid == nil {
				t.Errorf("alone: %v, %v", repos, err)
			}
		})
	}
}

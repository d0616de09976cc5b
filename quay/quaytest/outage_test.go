// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/quay/quaytest"
)

// Both APIs answer 500 with a page for a time in mid run.
func TestDatabaseRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, quaytest.WithQuirk("database-restarts", "10s:2"))
		for i, want := range []int{200, 200, 500, 500} {
			path := tagPath
			if i%2 == 1 {
				path = "/v2/"
			}
			if w := ask(h, 2, h1Address, path); w.Code != want && !(want == 200 && w.Code == 401) {
				t.Errorf("request %d: %d, want %d", i, w.Code, want)
			} else if want == 500 && !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
				t.Errorf("request %d: %v", i, w.Header())
			}
		}
		time.Sleep(10 * time.Second)
		if w := ask(h, 2, h1Address, tagPath); w.Code != 200 {
			t.Errorf("afterwards: %d", w.Code)
		}
	})
}

// Nothing listens for a time in mid run, and connections break.
func TestRefused(t *testing.T) {
	for _, options := range [][]quaytest.Option{nil, {quaytest.WithTLS()}} {
		s := newServer(t, append(options, quaytest.WithQuirk("refused", "300ms:1"))...)
		get := func() error {
			resp, err := s.Client().Get(s.URL() + tagPath)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		}
		if err := get(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := get(); err == nil {
			t.Error("the connection did not break")
		}
		refused := false
		for get() != nil {
			refused = true
			if time.Since(begin) > time.Minute {
				t.Fatal("it does not come back")
			}
		}
		if took := time.Since(begin); took < 300*time.Millisecond || !refused {
			t.Errorf("it was back after %v, refused %v", took, refused)
		}
	}
}

func TestSpellsThatAreNone(t *testing.T) {
	for _, value := range []string{"", "10", "0s", "-1s", "10s:", "10s:-1", "10s:x"} {
		for _, quirk := range []string{"database-restarts", "refused"} {
			if _, err := quaytest.NewHandler(&quaytest.Dataset{}, quaytest.WithQuirk(quirk, value)); err == nil {
				t.Errorf("%s=%s is taken", quirk, value)
			}
		}
	}
}

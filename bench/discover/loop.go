// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// loop is a client as one writes it in an afternoon: it lists, then asks for every repository
// with a fixed number of requests at once on one HTTP/2 connection, and retries refused
// requests.
func loop(concurrency int) runner {
	return func(ctx context.Context, at target) (int, error) {
		return naiveLoop{at: at, concurrency: concurrency}.run(ctx)
	}
}

// fixed is the same loop with checks that begin while the listing runs. It shows the speed of
// a server without limits for a fixed number of requests at once.
func fixed(concurrency int) client {
	return client{
		name: fmt.Sprintf("fixed, %d at once", concurrency), ceiling: true,
		run: func(ctx context.Context, at target) (int, error) {
			return naiveLoop{at: at, concurrency: concurrency, overlap: true}.run(ctx)
		},
	}
}

type naiveLoop struct {
	at          target
	concurrency int
	overlap     bool
	http        *http.Client
	refusals    int // tries before giving up on one request
}

func (l naiveLoop) run(ctx context.Context) (int, error) {
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: l.at.roots},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: l.concurrency,
	}
	defer transport.CloseIdleConnections()
	l.http, l.refusals = &http.Client{Transport: transport, Timeout: time.Minute}, 10

	var found atomic.Int64
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group sync.WaitGroup
	do := func(f func() error) {
		group.Go(func() {
			if err := f(); err != nil {
				stop(err)
			}
		})
	}
	names := make(chan string, l.at.repositories)
	do(func() error {
		defer close(names)
		return l.list(ctx, names)
	})
	if !l.overlap {
		group.Wait()
	}
	for range l.concurrency {
		do(func() error {
			for name := range names {
				var answer struct{ Tags []json.RawMessage }
				path := "/api/v1/repository/" + l.at.namespace + "/" + name + "/tag/?specificTag=" + l.at.tag + "&onlyActiveTags=true&limit=1"
				if err := l.get(ctx, path, &answer); err != nil {
					return err
				}
				found.Add(int64(len(answer.Tags)))
			}
			return nil
		})
	}
	group.Wait()
	return int(found.Load()), context.Cause(ctx)
}

func (l naiveLoop) list(ctx context.Context, names chan<- string) error {
	for cursor := ""; ; {
		var page struct {
			Repositories []struct{ Name string }
			NextPage     string `json:"next_page"`
		}
		query := url.Values{"namespace": {l.at.namespace}, "public": {"true"}}
		if cursor != "" {
			query.Set("next_page", cursor)
		}
		if err := l.get(ctx, "/api/v1/repository?"+query.Encode(), &page); err != nil {
			return err
		}
		for _, r := range page.Repositories {
			names <- r.Name
		}
		if cursor = page.NextPage; cursor == "" {
			return nil
		}
	}
}

func (l naiveLoop) get(ctx context.Context, path string, into any) error {
	for try := range l.refusals {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.at.url+path, nil)
		if err != nil {
			return err
		}
		response, err := l.http.Do(request)
		if err != nil {
			return err
		}
		if response.StatusCode == http.StatusOK {
			err = json.NewDecoder(response.Body).Decode(into)
			return errors.Join(err, response.Body.Close())
		}
		response.Body.Close()
		if response.StatusCode != http.StatusTooManyRequests {
			return fmt.Errorf("%s: %s", path, response.Status)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second << min(try, 3)):
		}
	}
	return fmt.Errorf("%s: refused %d times", path, l.refusals)
}

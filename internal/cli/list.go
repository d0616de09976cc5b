// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
)

// partly is the warning about results that were printed before a failure.
const partly = "the answer is not complete: it holds what was known by then"

// A lister writes the records of a list: as they come or at the end, as the format needs.
type lister[R report.Record] struct {
	a           *app
	options     report.Options
	server      *session.Server
	namespace   string
	order       func(a, b R) int // of formats that are written at the end; nil keeps the order
	count       int
	token       report.TokenState // "" is the state before an answer
	kept        []R
	unknownRows []report.Missing // rows that cannot be understood
}

// unknown records a row of the list that cannot be understood.
func (f *lister[R]) unknown(reference string, err error) {
	reason := discover.ReasonOf(err)
	f.unknownRows = append(f.unknownRows, report.Missing{Reference: reference, Reason: string(reason), Error: f.a.cause(err, reason)})
}

// listSummary is the summary of a list in JSON.
type listSummary struct {
	tally
	UnknownImages []report.Missing `json:"unknown"`
}

// A tally counts results and requests.
type tally struct {
	Results   int               `json:"results"`
	Requests  report.Requests   `json:"requests"`
	Token     report.TokenState `json:"token"`
	TokenHost *string           `json:"token_host"`
}

// tallyOf returns the tally of an answer of some servers.
func tallyOf(results int, servers ...*session.Server) tally {
	t := tally{Results: results, Token: report.TokenNone}
	counted := map[*session.Server]bool{}
	for _, server := range servers {
		t.Token = t.Token.Worse(server.Token())
		t.TokenHost = cmp.Or(t.TokenHost, server.TokenHost())
		if s := server.Client.Stats(); !counted[server] {
			counted[server] = true
			t.Requests.Total += s.Requests
			t.Requests.WithToken += s.WithToken
			t.Requests.WithoutToken += s.WithoutToken
			t.Requests.Refused += s.RateLimited
			t.Requests.Retries += s.Retries
		}
	}
	return t
}

// write writes all records and the ending. It returns the error that ended them, with advice.
func (f *lister[R]) write(ctx context.Context, records iter.Seq2[R, error]) error {
	streams := f.options.Format.Streams()
	progress := &searchProgress{more: delays(f.server)}
	stop := progress.show(f.a, streams)
	defer stop()
	var failed error
	for r, err := range records {
		if err != nil {
			failed = f.server.Explain(ctx, f.namespace, err)
			break
		}
		f.count++
		if !streams {
			f.kept = append(f.kept, r)
		} else if !stream(f.a, r) {
			break
		}
		if f.count%100 == 0 {
			progress.set(discover.Progress{Listing: true, Listed: f.count})
		}
	}
	stop()
	if err := f.end(ctx, failed); err != nil {
		return err
	}
	if f.a.out.Flush() != nil { // the table comes before the messages
		return failed
	}
	for _, m := range f.unknownRows {
		f.a.console.Unknown(m)
	}
	switch {
	case failed != nil && f.count > 0:
		f.a.console.Warn(partly)
	case failed == nil && len(f.unknownRows) > 0:
		failed = &status{code: exitPart}
	}
	return failed
}

// delays returns why requests to some servers wait.
func delays(servers ...*session.Server) func() []string {
	return func() (all []string) {
		for _, s := range servers {
			if why := s.Delay(); why != "" && !slices.Contains(all, why) {
				all = append(all, why)
			}
		}
		return all
	}
}

func (f *lister[R]) end(ctx context.Context, failed error) error {
	summary := listSummary{tallyOf(f.count, f.server), append([]report.Missing{}, f.unknownRows...)}
	summary.Token = cmp.Or(f.token, summary.Token)
	end := report.Ending{Complete: failed == nil && len(f.unknownRows) == 0, Summary: summary}
	end.Error = f.a.ending(ctx, failed)
	if f.options.Format.Streams() {
		_ = report.End(f.a.out, end) // a.out keeps the error, and run reports it
		return nil
	}
	if f.order != nil {
		slices.SortFunc(f.kept, f.order)
	}
	return render(f.a, slices.Values(f.kept), end, f.options)
}

// ending returns the text of the error that ended an answer, or "".
func (a *app) ending(ctx context.Context, failed error) string {
	var late *timeoutError
	switch {
	case failed == nil:
		return ""
	case errors.As(context.Cause(ctx), &late):
		return a.hidden(late)
	case errors.Is(failed, context.Canceled):
		return interrupted
	}
	return a.hidden(failed)
}

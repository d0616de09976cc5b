// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/quay"
)

// partly goes with what was printed before something failed.
const partly = "the answer is not complete: it holds what was known by then"

// A feed takes the records of a plain list and writes them: as they come, or
// at the end, as the format wants it.
type feed[R report.Record] struct {
	a         *app
	options   report.Options
	link      *link
	namespace string
	order     func(a, b R) int // of what is written at the end; nil: as it came
	count     int
	kept      []R
}

// tally closes the answer of a plain list.
type tally struct {
	Results  int             `json:"results"`
	Requests report.Requests `json:"requests"`
}

// take writes all the records, and the ending. It returns the error that ended
// them, in words that help.
func (f *feed[R]) take(ctx context.Context, records iter.Seq2[R, error]) error {
	streams := f.options.Format.Streams()
	meter := f.a.meter(streams, f.aside)
	defer meter.stop()
	var failed error
	for r, err := range records {
		if err != nil {
			failed = f.explain(ctx, err)
			break
		}
		f.count++
		if !streams {
			f.kept = append(f.kept, r)
		} else if !stream(f.a, r) {
			break
		}
		if f.count%100 == 0 {
			meter.show(discover.Progress{Listing: true, Listed: f.count})
		}
	}
	meter.stop()
	if err := f.end(ctx, failed); err != nil {
		return err
	}
	if failed != nil && f.count > 0 {
		f.a.talk.warn(partly)
	}
	return failed
}

// aside tells why requests wait.
func (f *feed[R]) aside() []string {
	if why := holdUp(f.link.catalog.Pace()); why != "" {
		return []string{why}
	}
	return nil
}

func (f *feed[R]) end(ctx context.Context, failed error) error {
	s := f.link.client.Stats()
	end := report.Ending{Complete: failed == nil, Summary: tally{f.count, report.Requests{
		Total: s.Requests, WithToken: s.WithToken, WithoutToken: s.WithoutToken, Refused: s.Refused, Retries: s.Retries,
	}}}
	var late *timeoutError
	switch {
	case failed == nil:
	case errors.As(context.Cause(ctx), &late):
		end.Error = f.a.hidden(late)
	case errors.Is(failed, context.Canceled):
		end.Error = interrupted
	default:
		end.Error = f.a.hidden(failed)
	}
	if f.options.Format.Streams() {
		_ = report.End(f.a.out, end) // the output keeps its error
		return nil
	}
	if f.order != nil {
		slices.SortFunc(f.kept, f.order)
	}
	return render(f.a, slices.Values(f.kept), end, f.options)
}

// explain tells a namespace that does not exist from a repository that is
// private or missing: to those who may not read it, the answer is the same
// (doc/quay-api.md section 3).
func (f *feed[R]) explain(ctx context.Context, err error) error {
	if errors.Is(err, quay.ErrUnauthenticated) || errors.Is(err, quay.ErrForbidden) {
		if exists, asked := f.link.catalog.Namespace(ctx, f.namespace); asked == nil && !exists {
			return noNamespace(f.namespace, f.link)
		}
	}
	return f.link.advise(err)
}

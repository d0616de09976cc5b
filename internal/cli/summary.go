// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/quay"
)

// An outcome is the result of searching a target. It is zero until the search has ended.
type outcome struct {
	ended   bool
	search  report.Search
	code    exitCode
	err     error // why it failed; nil when the code is 0 or 3
	ignored bool  // the server did not know the token
	hints   []discover.Hint

	complete bool // nothing is missing from the answer
}

// outcomeOf returns the outcome of a run that has ended.
func (a *app) outcomeOf(ctx context.Context, namespace string, s discover.Summary, err error, server *session.Server) outcome {
	if errors.Is(err, discover.ErrTokenIgnored) {
		err = nil // there is an answer, and ignored says what it lacks
	}
	o := outcome{ended: true, search: searchOf(s, server), ignored: s.TokenIgnored, hints: s.Hints, err: err, complete: s.Complete && err == nil}
	var late *timeoutError
	switch {
	case err != nil && errors.As(context.Cause(ctx), &late):
		o.err, o.code = late, exitFailed
	case errors.Is(err, context.Canceled):
		o.err, o.code = errors.New(interrupted), exitInterrupted
	case errors.Is(err, discover.ErrNoNamespace):
		o.err, o.code = server.NoNamespace(namespace), exitFailed
		o.hints = nil // the error has the same advice
	case err != nil:
		o.err, o.code = server.Advise(err), exitCodeOf(err)
	case s.Denied:
		o.err, o.code = fmt.Errorf("%s: the server refused every repository", s.Pattern), exitAuth
	case s.ByName && s.Unknowns[discover.NoAnswer] > 0 && s.Present+s.Absent == 0:
		o.err, o.code = fmt.Errorf("%s: the server %s does not answer", s.Pattern, server.Name()), exitFailed
	case s.Unknown > 0, s.TokenIgnored:
		o.code = exitPart
	}
	if o.err != nil {
		o.search.Error = a.hidden(o.err)
	}
	return o
}

// withUnknown returns the outcome of a search that left images unknown, if any is.
func (o outcome) withUnknown(counts report.Counts) outcome {
	if counts.Unknown > 0 {
		o.complete = false
		if o.code == exitDone {
			o.code = exitPart
		}
	}
	return o
}

// searchOf converts the summary of a run.
func searchOf(s discover.Summary, server *session.Server) report.Search {
	pruned := map[string]int{}
	for reason, n := range s.Skipped {
		pruned[string(reason)] = n
	}
	token := server.Token()
	switch {
	case !server.Client.HasToken():
	case s.TokenIgnored:
		token = report.TokenIgnored
	case s.CallerKnown == discover.Yes:
		token = report.TokenAccepted
	}
	return report.Search{
		Pattern: s.Pattern, Host: server.Host, Pace: paceOf(s.Pace), Namespace: string(s.Namespace), Token: token, TokenHost: server.TokenHost(), Finished: s.Finished,
		Counts: report.Counts{
			Listed: s.Listed, Unlisted: s.Unlisted, Pruned: pruned, Candidates: s.Candidates, Checked: s.Checked,
			Present: s.Present, Absent: s.Absent, Unknown: s.Unknown,
			Requests: report.Requests{Total: s.Stats.Requests, WithToken: s.Stats.WithToken, WithoutToken: s.Stats.WithoutToken,
				Refused: s.Stats.RateLimited, Retries: s.Stats.Retries},
			Elapsed: report.Elapsed(s.Elapsed),
		},
	}
}

func paceOf(p quay.Pace) report.Pace {
	return report.Pace{Protocol: p.Protocol, Connections: p.Connections, Limit: p.Limit, Rate: p.Rate}
}

// print reports on standard error why a search failed and, with --verbose, what it cost.
func (o outcome) print(t *console.Console) {
	if o.err != nil {
		t.Fail("%v", o.err)
	}
	if t.Verbose() && o.search.Namespace != string(discover.NamespaceNotFound) {
		s := o.search
		t.Print(console.Search, s.String(), append(countFields(s.Counts),
			slog.String("pattern", s.Pattern), slog.String("host", s.Host), slog.String("token", string(s.Token)), slog.Bool("finished", s.Finished),
			slog.Int64("requests", s.Requests.Total), slog.Int64("with_token", s.Requests.WithToken),
			slog.Int64("without_token", s.Requests.WithoutToken), slog.Int64("refused", s.Requests.Refused),
			slog.Int64("retries", s.Requests.Retries), slog.String("protocol", s.Pace.Protocol),
			slog.Int("connections", s.Pace.Connections), slog.String("limit", s.Pace.Limit), slog.Float64("rate", s.Pace.Rate))...)
	}
	if o.ignored {
		t.Warn("%v", discover.ErrTokenIgnored)
	}
	for _, hint := range o.hints {
		if hint.Code != discover.HintTokenIgnored {
			t.Print(console.Hint, "hint: "+hint.Text, slog.String("code", string(hint.Code)))
		}
	}
}

func countFields(c report.Counts) []slog.Attr {
	return []slog.Attr{slog.Int("listed", c.Listed), slog.Int("checked", c.Checked), slog.Int("present", c.Present),
		slog.Int("absent", c.Absent), slog.Int("unknown", c.Unknown), slog.Float64("elapsed_seconds", time.Duration(c.Elapsed).Round(time.Millisecond).Seconds())}
}

// printSummary writes the line that sums up a search. There is no line for a single image
// that has been printed, nor if no search had a result.
func (s *search) printSummary() {
	c := s.summary.Counts
	finished, searched := true, false
	for _, o := range s.outcomes {
		if o.search.Pattern != "" {
			finished = finished && o.search.Finished
			searched = searched || o.search.Namespace != string(discover.NamespaceNotFound) && (o.err == nil || o.search.Listed+o.search.Checked > 0)
		}
	}
	lines := s.found + len(s.summary.UnknownImages) + len(s.absent)
	if !searched || c.Listed == 0 && c.Checked <= 1 && len(s.summary.Patterns) == 1 && lines > 0 {
		return
	}
	s.a.console.Print(console.Summary, c.Line(finished), append(countFields(c), slog.Bool("finished", finished))...)
}

// worst returns the exit code of all patterns together, and the first error. If only some
// patterns failed, the command is done in part.
func worst(outcomes []outcome) (code exitCode, first string) {
	failed, ended := 0, 0
	for _, o := range outcomes {
		if o.ended {
			ended++
		}
		switch {
		case o.code == exitInterrupted:
			return exitInterrupted, o.search.Error
		case o.err != nil:
			failed++
			if first == "" {
				first, code = o.search.Error, o.code
			}
		case o.code == exitPart && code == exitDone:
			code = exitPart
		}
	}
	if failed > 0 && failed < ended && ended == len(outcomes) {
		code = exitPart
	}
	return code, first
}

// printTraffic reports, with --verbose, what was sent to registries.
func (s *search) printTraffic() {
	if !s.a.console.Verbose() {
		return
	}
	for _, t := range s.registries.Traffic() {
		s.a.console.Print(console.Registry, t.String(), slog.String("registry", t.Registry), slog.String("host", cmp.Or(t.Host, t.Registry)),
			slog.Int64("requests", t.Requests.Total), slog.Int64("refused", t.Requests.Refused), slog.Int64("retries", t.Requests.Retries),
			slog.String("protocol", t.Pace.Protocol), slog.Int("connections", t.Pace.Connections),
			slog.String("limit", t.Pace.Limit), slog.Float64("rate", t.Pace.Rate))
	}
}

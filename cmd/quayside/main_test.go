// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/quayside/quayside/quay/quaytest"
)

func TestMain(m *testing.M) {
	// Scripts mostly wait for servers that are slow or gone: more of them run at once
	// than there are processors. A flag of the command line overrides this.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"quayside": main})
}

// TestScripts runs the scripts of testdata, one for each topic. Besides testscript's own
// they have these commands:
//
//	quaytest [flags]       start an embedded Quay with the sample dataset, set $SERVER to its
//	                       URL and $HOST to its host, and write its certificate to $CA with --tls.
//	                       With --name X the variables are $X_SERVER and so on; with --release N
//	                       it has the organization release, with N images of some 2 MB.
//	answers NAME FILE      start a server that answers every request with the bytes of a file, and
//	                       set $NAME to its host; {auth} in the file stands for the request's
//	                       Authorization or Proxy-Authorization
//	stats [NAME]           print what the server has counted, as JSON
//	exits CODE COMMAND...  run a command and check its exit code
//	interrupt CODE REGEXP COMMAND...  run a command, interrupt it when its output matches,
//	                       and check its exit code
//	awaits FILE REGEXP      wait until a file that is being written matches
//	envsubst FROM TO       copy a file, with variables replaced
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TOKEN", quaytest.SampleToken)
			e.Setenv("VANISHING", quaytest.SampleVanishing)
			e.Values[servers{}] = map[string]*quaytest.Server{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"quaytest": startServer, "stats": printStats, "exits": exits,
			"interrupt": interrupt, "awaits": waitFor, "envsubst": substitute, "answers": startAnswers,
		},
	})
}

type servers struct{}

func startServer(ts *testscript.TestScript, _ bool, args []string) {
	flags := flag.NewFlagSet("quaytest", flag.ContinueOnError)
	var options []quaytest.Option
	name := flags.String("name", "", "")
	tls := flags.Bool("tls", false, "")
	latency := flags.Duration("latency", 0, "")
	clock := flags.Int64("clock", 0, "")
	dataset := flags.String("dataset", "", "")
	limits := flags.String("limits", "none", "")
	images := flags.Int("release", 0, "")
	rate := flags.Int64("rate-bytes", 0, "")
	flags.Func("quirk", "", func(s string) error {
		name, value, _ := strings.Cut(s, "=")
		options = append(options, quaytest.WithQuirk(name, value))
		return nil
	})
	ts.Check(flags.Parse(args))
	data := quaytest.SampleDataset()
	if *dataset != "" {
		var err error
		data, err = quaytest.ReadDataset(strings.NewReader(ts.ReadFile(*dataset)))
		ts.Check(err)
	}
	if *images > 0 {
		data = quaytest.Release(*images, quaytest.ReleaseOptions{
			Base: 1_000_000, Group: 600_000, Own: 300_000, Groups: 3, Index: 4, Signed: 4, Referrers: 4,
		})
	}
	if *rate > 0 {
		options = append(options, quaytest.WithByteRate(*rate))
	}
	allowed, err := quaytest.ParseLimits(*limits)
	ts.Check(err)
	options = append(options, quaytest.WithLimits(allowed), quaytest.WithLatency(*latency))
	if *tls {
		options = append(options, quaytest.WithTLS())
	}
	if *clock != 0 {
		options = append(options, quaytest.WithClock(func() time.Time { return time.Unix(*clock, 0) }))
	}
	s, err := quaytest.NewServer(data, options...)
	ts.Check(err)
	ts.Defer(s.Close)
	ts.Value(servers{}).(map[string]*quaytest.Server)[*name] = s

	prefix := ""
	if *name != "" {
		prefix = *name + "_"
	}
	u, err := url.Parse(s.URL())
	ts.Check(err)
	ts.Setenv(prefix+"SERVER", s.URL())
	ts.Setenv(prefix+"HOST", u.Host)
	if *tls {
		ca := filepath.Join(ts.Getenv("WORK"), prefix+"ca.pem")
		ts.Check(os.WriteFile(ca, s.CAPEM(), 0o600))
		ts.Setenv(prefix+"CA", ca)
	}
}

func printStats(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(servers{}).(map[string]*quaytest.Server)[strings.Join(args, "")]
	if s == nil {
		ts.Fatalf("stats: no such server")
	}
	ts.Check(json.NewEncoder(ts.Stdout()).Encode(s.Stats()))
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	check(ts, ts.Exec(args[1], args[2:]...), want)
}

func check(ts *testscript.TestScript, err error, want int) {
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: interrupt CODE REGEXP COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	cmd := exec.Command(args[2], args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "QUAYSIDE_SERVER="+ts.Getenv("QUAYSIDE_SERVER"))
	out := &watched{pattern: regexp.MustCompile(args[1]), seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, ts.Stderr()
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-out.seen:
	case err := <-ended:
		ts.Fatalf("it ended by itself: %v\n%s", err, out.String())
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	select {
	case err = <-ended:
	case <-time.After(10 * time.Second): // without the interrupt it would wait for a minute
		_ = cmd.Process.Kill()
		ts.Fatalf("it goes on after the interrupt")
	}
	_, _ = ts.Stdout().Write([]byte(out.String()))
	check(ts, err, want)
}

func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: awaits FILE REGEXP")
	}
	pattern := regexp.MustCompile(args[1])
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && pattern.Match(text) {
			return
		}
	}
	ts.Fatalf("%s does not come to match %s", args[0], args[1])
}

// watched is an output that signals when it matches a pattern.
type watched struct {
	pattern *regexp.Regexp
	seen    chan struct{}

	mu   sync.Mutex
	text strings.Builder
	once sync.Once
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.pattern.MatchString(w.text.String()) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func substitute(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: envsubst FROM TO")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

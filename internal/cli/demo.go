// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/quay/quaytest"
)

func (a *app) demoCommand() *cobra.Command {
	var serve bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show how quayside works, with a built-in server",
		Long: `demo starts a small Quay inside this program, on a port of this machine that is
not open to others, with a sample organization modelled on an OpenStack
release. It shows and runs real commands against that server over HTTP. It
needs no network, no account and no config file, and removes all its files.

With --serve the server runs until it is interrupted, so that you can try it.`,
		Example: "  quayside demo\n  quayside demo --serve",
		Args:    exactly(),
	}
	cmd.Flags().BoolVar(&serve, "serve", false, "run the server until interrupted")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := quaytest.NewServer(quaytest.SampleDataset(), quaytest.WithQuirk("vanish", quaytest.SampleVanishing))
		if err != nil {
			return err
		}
		defer server.Close()
		if serve {
			return a.demoServe(cmd.Context(), server.URL())
		}
		return a.demo(cmd.Context(), server.URL())
	}
	return cmd
}

// A scene is a command of the demo.
type scene struct {
	about string
	token bool
	args  []string
	code  exitCode // that the command must end with
}

// asks reports whether the command asks a server.
func (s scene) asks() bool { return s.args[0] != "verify" }

// scenes lists the scenes. They copy into a folder.
func scenes(folder string) []scene {
	const org, tag = quaytest.SampleOrganization, quaytest.SampleTag
	layout := filepath.Join(folder, "layout")
	return []scene{
		{"Does a repository carry a tag? The exit code is the answer.", false, []string{"has", org + "/nova-api:" + tag}, exitDone},
		{"This one stopped before the release: the answer is no.", false, []string{"has", org + "/sahara-api:" + tag}, exitNo},
		{"All the repositories of the organization.", false, []string{"repos", org}, exitDone},
		{"The tags of one of them, newest first.", false, []string{"tags", org + "/nova-api"}, exitDone},
		{"Which images carry the tag? One listing, and one request for each candidate.", false,
			[]string{"find", org + "/{nova,neutron}-*:" + tag}, exitDone},
		{"The same by name, for another tool.", false, []string{"find", org + "/nova-*:" + tag, "--output", "refs"}, exitDone},
		{"As JSON, with a summary that says whether the answer is complete.", false,
			[]string{"find", org + "/keystone*:" + tag, "--output", "json"}, exitDone},
		{"With a token the private repository is found. The token is sent with the listing and that repository only.", true,
			[]string{"find", org + "/keystone*:" + tag}, exitDone},
		{"The whole release. One repository vanishes between the listing and its check: it is unknown, not absent, and the exit code says so.", false,
			[]string{"find", org + "/**:" + tag}, exitPart},
		{"Copy some of it into a folder that all images share: common layers are fetched once.", false,
			[]string{"copy", org + "/nova-*:" + tag, "oci:" + layout}, exitDone},
		{"A second run fetches nothing.", false, []string{"copy", org + "/nova-*:" + tag, "oci:" + layout, "--quiet"}, exitDone},
		{"Verify every byte against its digest.", false, []string{"verify", layout}, exitDone},
		{"A typo is not an empty organization.", false, []string{"find", "stackfleat/*:" + tag}, exitFailed},
	}
}

// demo plays all scenes. The whole transcript goes to standard output.
func (a *app) demo(ctx context.Context, url string) (err error) {
	folder, err := os.MkdirTemp("", "quayside-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	fmt.Fprintf(a.out, "A sample Quay listens on %s. Its organization is %s.\n", url, quaytest.SampleOrganization)
	for _, s := range scenes(folder) {
		code := a.play(ctx, s, url)
		if err := a.out.Flush(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if code != s.code {
			return fmt.Errorf("demo: %s ended with exit code %d, and should have with %d", s.args[0], code, s.code)
		}
	}
	fmt.Fprintf(a.out, `
# Now on quay.io, for instance:
$ quayside repos prometheus
$ quayside has prometheus/node-exporter:latest
$ quayside find 'quay.io/openstack.kolla/*:2025.1-ubuntu-noble'
$ quayside copy 'quay.io/openstack.kolla/*:2025.1-ubuntu-noble' oci:kolla --dry-run

# To explore the sample at leisure: quayside demo --serve
`)
	return nil
}

// play prints a command as it would be typed, and runs it without the user's environment
// and config file.
func (a *app) play(ctx context.Context, s scene, url string) exitCode {
	args := s.args
	if s.asks() {
		args = append([]string{s.args[0], "--server", url}, s.args[1:]...)
	}
	line := "quayside"
	if s.token {
		line = "QUAYSIDE_TOKEN=" + quaytest.SampleToken + " " + line
	}
	for _, arg := range args {
		line += " " + quoted(arg)
	}
	fmt.Fprintf(a.out, "\n# %s\n$ %s\n", s.about, line)
	player := newApp(strings.NewReader(""), a.out, a.out, func(name string) (string, bool) {
		if s.token && name == "QUAYSIDE_TOKEN" {
			return quaytest.SampleToken, true
		}
		return "", false
	})
	player.stdoutTTY = true
	code := player.run(ctx, args)
	if code != exitDone {
		fmt.Fprintf(a.out, "(exit code %d)\n", code)
	}
	return code
}

// demoServe prints how to use the sample server and waits until ctx ends.
func (a *app) demoServe(ctx context.Context, url string) error {
	const org, tag = quaytest.SampleOrganization, quaytest.SampleTag
	fmt.Fprintf(a.out, `listening on %[1]s until interrupted

  export QUAYSIDE_SERVER=%[1]s
  quayside repos %[2]s
  quayside find '%[2]s/*:%[3]s'
  QUAYSIDE_TOKEN=%[4]s quayside find '%[2]s/**:%[3]s'
`, url, org, tag, quaytest.SampleToken)
	if err := a.out.Flush(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// quoted writes an argument as a shell reads it.
func quoted(arg string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:@%+=,", c)
	}
	if arg != "" && strings.IndexFunc(arg, func(c rune) bool { return !plain(c) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

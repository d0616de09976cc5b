// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// A version identifies the program.
type version struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	Date      string `json:"date"` // of the commit
	GoVersion string `json:"go_version"`
	Platform  string `json:"platform"`
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "version prints the version, the commit, the version of Go and the platform.",
		Example: "  quayside version\n  quayside version --output json",
		Args:    exactly(),
	}
	var format string
	addDocument(cmd, &format, "format")
	cmd.RunE = func(*cobra.Command, []string) error { return a.printVersion(format) }
	return cmd
}

func (a *app) printVersion(format string) error {
	info, _ := debug.ReadBuildInfo()
	v := versionOf(info)
	if format == "json" {
		return json.NewEncoder(a.out).Encode(v)
	}
	fmt.Fprintf(a.out, "quayside %s\ncommit   %s\ngo       %s\nplatform %s\n",
		v.Version, strings.TrimSpace(v.Commit+" "+v.Date), v.GoVersion, v.Platform)
	return nil
}

// versionOf returns the version that the Go tool recorded.
func versionOf(info *debug.BuildInfo) version {
	v := version{
		Version: "devel", Commit: "unknown", GoVersion: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info == nil {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	modified := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Date = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				modified = "+dirty"
			}
		}
	}
	v.Commit += modified
	return v
}

// userAgent returns the User-Agent of requests to registries.
func userAgent() string {
	info, _ := debug.ReadBuildInfo()
	return "quayside/" + versionOf(info).Version + " (+https://github.com/quayside/quayside)"
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// A config is the config file: what to know of servers, and defaults.
// It holds no secret, only where secrets are.
type config struct {
	Servers  map[string]configServer `yaml:"servers"`
	Defaults struct {
		Server    *string        `yaml:"server"`
		Output    *string        `yaml:"output"`
		Jobs      *int           `yaml:"jobs"`
		Timeout   *time.Duration `yaml:"timeout"`
		LogFormat *string        `yaml:"log_format"`
	} `yaml:"defaults"`
}

// A configServer is one server. Its name in the file is its host or an alias.
type configServer struct {
	URL       string `yaml:"url"`
	TokenFile string `yaml:"token_file"`
	TokenEnv  string `yaml:"token_env"`
	CAFile    string `yaml:"ca_file"`
	PlainHTTP bool   `yaml:"plain_http"`
}

// loadConfig reads the config file: the one named by --config, which must
// exist, or the one in the user's config folder, which need not.
func (a *app) loadConfig(ctx context.Context) error {
	name := a.flags.config
	if name == "" {
		folder, err := a.configFolder()
		if err != nil {
			return nil // no home, no config
		}
		name = filepath.Join(folder, "quayside", "config.yaml")
	}
	text, _, err := readFile(ctx, name, maxConfig)
	if errors.Is(err, fs.ErrNotExist) && a.flags.config == "" {
		return nil
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return usagef("config: %w", err)
	}
	c, err := parseConfig(text)
	if err != nil {
		return usagef("config %s: %w", name, err)
	}
	for key, s := range c.Servers {
		s.TokenFile = beside(name, s.TokenFile)
		s.CAFile = beside(name, s.CAFile)
		c.Servers[key] = s
	}
	a.config = c
	return nil
}

// beside makes a path of the config file relative to the file's folder.
func beside(config, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(config), path)
}

// parseConfig reads the text of a config file. Errors tell the line.
func parseConfig(text []byte) (config, error) {
	var c config
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err := dec.Decode(&c)
	if errors.Is(err, io.EOF) {
		return config{}, nil
	}
	if err != nil {
		return config{}, explainYAML(err)
	}
	if err := dec.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return config{}, errors.New("more than one document in the file")
	}
	for name, s := range c.Servers {
		if s.TokenFile != "" && s.TokenEnv != "" {
			return config{}, fmt.Errorf("server %q: both token_file and token_env: keep one", name)
		}
		if s.PlainHTTP && strings.HasPrefix(s.URL, "https:") {
			return config{}, fmt.Errorf("server %q: plain_http contradicts its https URL", name)
		}
		if s.URL == "" && !strings.ContainsAny(name, ".:") && name != "localhost" {
			return config{}, fmt.Errorf("server %q: an alias needs a url", name)
		}
	}
	return c, nil
}

// explainYAML rewords the decoder's errors, which speak of Go types.
func explainYAML(err error) error {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var lines []string
	for _, line := range wrong.Errors {
		place, rest, _ := strings.Cut(line, ": field ")
		key, _, unknown := strings.Cut(rest, " not found in type ")
		switch {
		case unknown && key == "token":
			line = place + ": a token does not belong in this file: use token_file or token_env"
		case unknown:
			line = fmt.Sprintf("%s: unknown key %q", place, key)
		}
		// What stands there is not repeated: it may be a token in a wrong place.
		if place, rest, wrong := strings.Cut(line, ": cannot unmarshal "); wrong {
			_, kind, _ := strings.Cut(rest, " into ")
			line = fmt.Sprintf("%s: want %s", place, wanted(kind))
		}
		lines = append(lines, line)
	}
	return errors.New(strings.Join(lines, "; "))
}

// wanted says what the file has to hold where the decoder wants a Go type.
func wanted(kind string) string {
	switch kind {
	case "string":
		return "a text"
	case "int":
		return "a whole number"
	case "bool":
		return "true or false"
	case "time.Duration":
		return "a time with its unit, such as 90s or 5m"
	}
	return "keys with values"
}

// applyDefaults fills the flags the command line is silent about: from the
// environment first, then from the config file.
func (a *app) applyDefaults(cmd *cobra.Command) {
	d := a.config.Defaults
	if name, _ := a.env("QUAYSIDE_SERVER"); name != "" {
		d.Server = &name
	}
	fill(cmd, "server", &a.flags.server, d.Server)
	fill(cmd, "jobs", &a.flags.jobs, d.Jobs)
	fill(cmd, "timeout", &a.flags.timeout, d.Timeout)
	fill(cmd, "log-format", &a.flags.logFormat, d.LogFormat)
	if cmd.Flags().Lookup("template") != nil && !cmd.Flags().Changed("template") {
		fill(cmd, "output", &a.flags.output, d.Output)
	}
}

func fill[T any](cmd *cobra.Command, flag string, to, from *T) {
	if from != nil && !cmd.Flags().Changed(flag) {
		*to = *from
	}
}

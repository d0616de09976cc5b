// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

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

	"go.yaml.in/yaml/v3"
)

// A Config is the config file: servers, and defaults of flags.
// It holds no secret, only where secrets are.
type Config struct {
	Servers  map[string]ConfigServer `yaml:"servers"`
	Defaults Defaults                `yaml:"defaults"`
}

// Defaults are for flags that the command line does not set; nil is none.
type Defaults struct {
	Server    *string        `yaml:"server"`
	Output    *string        `yaml:"output"`
	Jobs      *int           `yaml:"jobs"`
	Timeout   *time.Duration `yaml:"timeout"`
	LogFormat *string        `yaml:"log_format"`
}

// A ConfigServer is one server. Its name in the file is its host or an alias.
type ConfigServer struct {
	URL       string `yaml:"url"`
	TokenFile string `yaml:"token_file"`
	TokenEnv  string `yaml:"token_env"`
	CAFile    string `yaml:"ca_file"`
	PlainHTTP bool   `yaml:"plain_http"`
}

// ReadConfig reads the config file: the file of --config, which must exist, or the one in
// the user's config folder, which need not.
func ReadConfig(ctx context.Context, file string, userFolder func() (string, error)) (Config, error) {
	name := file
	if name == "" {
		folder, err := userFolder()
		if err != nil {
			return Config{}, nil // no home, no config
		}
		name = filepath.Join(folder, "quayside", "config.yaml")
	}
	text, _, err := ReadFile(ctx, name, maxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist) && file == "":
		return Config{}, nil
	case err != nil && ctx.Err() != nil:
		return Config{}, err
	case err != nil:
		return Config{}, Usagef("config: %w", err)
	}
	c, err := parseConfig(text)
	if err != nil {
		return Config{}, Usagef("config %s: %w", name, err)
	}
	for key, s := range c.Servers {
		s.TokenFile = beside(name, s.TokenFile)
		s.CAFile = beside(name, s.CAFile)
		c.Servers[key] = s
	}
	return c, nil
}

// beside makes a path of the config file relative to the file's folder.
func beside(config, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(config), path)
}

// parseConfig reads the text of a config file. Errors name the line.
func parseConfig(text []byte) (Config, error) {
	var c Config
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err := dec.Decode(&c)
	if errors.Is(err, io.EOF) {
		return Config{}, nil
	}
	if err != nil {
		return Config{}, explainYAML(err)
	}
	if err := dec.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("more than one document in the file")
	}
	for name, s := range c.Servers {
		if s.TokenFile != "" && s.TokenEnv != "" {
			return Config{}, fmt.Errorf("server %q: both token_file and token_env: keep one", name)
		}
		if s.PlainHTTP && strings.HasPrefix(s.URL, "https:") {
			return Config{}, fmt.Errorf("server %q: plain_http contradicts its https URL", name)
		}
		if s.URL == "" && !strings.ContainsAny(name, ".:") && name != "localhost" {
			return Config{}, fmt.Errorf("server %q: an alias needs a url", name)
		}
	}
	return c, nil
}

// explainYAML rewords the errors of the decoder, which mention Go types.
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
		// The value is not repeated: it may be a token in a wrong place.
		if place, rest, wrong := strings.Cut(line, ": cannot unmarshal "); wrong {
			_, kind, _ := strings.Cut(rest, " into ")
			line = fmt.Sprintf("%s: want %s", place, wanted(kind))
		}
		lines = append(lines, line)
	}
	return errors.New(strings.Join(lines, "; "))
}

// wanted describes the value that the decoder wants for a Go type.
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

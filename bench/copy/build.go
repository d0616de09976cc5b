// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// peerModules are the peers that are built from source, with their versions.
var peerModules = map[string]string{
	"crane":  "github.com/google/go-containerregistry/cmd/crane@v0.22.1",
	"regctl": "github.com/regclient/regclient/cmd/regctl@v0.11.7",
	"oras":   "oras.land/oras/cmd/oras@v1.3.6",
}

const registryModule = "github.com/distribution/distribution/v3/cmd/registry@v3.1.2"

// binaries are the paths of commands by their names.
type binaries map[string]string

// build builds our own commands, and those of peers that are missing.
func build(ctx context.Context, dir string, own, peers []string) (binaries, error) {
	b := binaries{}
	for _, name := range own {
		b[name] = filepath.Join(dir, name)
		if err := goCommand(ctx, nil, "build", "-trimpath", "-o", b[name], "./cmd/"+name); err != nil {
			return nil, fmt.Errorf("build %s: %w", name, err)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	cache = filepath.Join(cache, "quayside-bench")
	if b["registry"], err = install(ctx, cache, registryModule); err != nil {
		return nil, err
	}
	for name, module := range peerModules {
		if !slices.Contains(peers, name) {
			continue
		}
		if b[name], err = install(ctx, cache, module); err != nil {
			return nil, err
		}
	}
	if found, err := exec.LookPath("skopeo"); err == nil && slices.Contains(peers, "skopeo") {
		b["skopeo"] = found
	}
	return b, nil
}

// install builds a command of another module into a cache folder named after its
// version.
func install(ctx context.Context, cache, module string) (string, error) {
	pkg, version, _ := strings.Cut(module, "@")
	name := path.Base(pkg)
	folder := filepath.Join(cache, name+"-"+version)
	binary := filepath.Join(folder, name)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := goCommand(ctx, []string{"GOBIN=" + folder}, "install", "-trimpath", module); err != nil {
		return "", fmt.Errorf("install %s: %w", module, err)
	}
	return binary, nil
}

// goCommand runs the go command.
func goCommand(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

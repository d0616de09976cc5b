// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registrytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// Override names a binary to use in place of one that is built.
	Override = "QUAYSIDE_TEST_REGISTRY"

	command = "github.com/distribution/distribution/v3/cmd/registry"
	// Version is that of the module, as tools/go.mod has it.
	Version = "v3.1.2"
)

// errOffline is met by the error of a build that could not get its modules.
var errOffline = errors.New("modules of the registry cannot be had here")

// built is the binary, or why there is none: once for each process.
var built = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "quayside")
	binary := filepath.Join(dir, "registry-"+Version+"-"+runtime.GOOS+"-"+runtime.GOARCH)
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if testing.Short() {
		return "", errors.New("it is not built yet, and -short does not build it")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return binary, build(binary)
})

// build builds the registry in the module of the tools, and puts it in place
// when it is whole. One process at a time does so.
func build(binary string) error {
	f, err := os.OpenFile(binary+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer f.Close() // which unlocks
	if err := lock(f); err != nil {
		return err
	}
	if _, err := os.Stat(binary); err == nil {
		return nil // by another process, meanwhile
	}
	tools, err := toolsModule()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Minute) // go test ends after ten
	defer cancel()
	unfinished := binary + ".new"
	cmd := exec.CommandContext(ctx, "go", "-C", tools, "build", "-ldflags=-s -w", "-o", unfinished, command)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		_ = os.Remove(unfinished)
		if network.Match(out) {
			return fmt.Errorf("%w: %s", errOffline, tail(out))
		}
		return fmt.Errorf("build the registry: %w\n%s", err, tail(out))
	}
	return os.Rename(unfinished, binary)
}

// network is what the go command says when it cannot get a module.
var network = regexp.MustCompile(`dial tcp|no such host|i/o timeout|TLS handshake timeout|module lookup disabled|network is unreachable|proxyconnect`)

// toolsModule finds the folder of the module that requires the registry, from
// the working directory of the test.
func toolsModule() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	tools := filepath.Join(root, "tools")
	if _, err := os.Stat(filepath.Join(tools, "go.mod")); err != nil {
		return "", fmt.Errorf("no module of tools beside the one of the test: %w", err)
	}
	return tools, nil
}

// tail gives the end of what a command has written.
func tail(out []byte) string {
	out = bytes.TrimSpace(out)
	return string(out[max(0, len(out)-2000):])
}

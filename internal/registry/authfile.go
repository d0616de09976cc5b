// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// StoredCredentials returns the credentials that docker login and podman login have
// stored. env looks up an environment variable. The files are those of docker and of
// containers-auth.json(5), in this order:
//
//   - $REGISTRY_AUTH_FILE, and no other if it is set;
//   - containers/auth.json in $XDG_RUNTIME_DIR (on Linux in /run/containers/UID
//     without one), and in $XDG_CONFIG_HOME or ~/.config;
//   - config.json in $DOCKER_CONFIG or ~/.docker.
//
// In a file the longest matching key wins: host/org/repo before host/org before host.
// For a host the credential helper (credHelpers, credsStore) comes before the file's
// own entry. An empty name in credHelpers means no helper. The first file with a
// matching credential decides.
//
// Files are read when the first credential is looked up. The error of a broken file or
// entry names the file and quotes none of its content. A broken entry affects no other
// entry.
func StoredCredentials(env func(string) (string, bool)) Credentials {
	return &authFiles{paths: authPaths(env)}
}

type authPath struct {
	path  string
	named string // the variable that names the file; such a file must exist
}

func authPaths(env func(string) (string, bool)) []authPath {
	get := func(name string) string {
		value, _ := env(name)
		return value
	}
	const variable = "REGISTRY_AUTH_FILE"
	if path := get(variable); path != "" {
		return []authPath{{path, variable}}
	}
	home := get("HOME")
	if home == "" && runtime.GOOS == "windows" {
		home = get("USERPROFILE")
	}
	var paths []authPath
	add := func(dir string, rest ...string) {
		if dir != "" {
			paths = append(paths, authPath{path: filepath.Join(append([]string{dir}, rest...)...)})
		}
	}
	inHome := func(dir string) string {
		if home == "" {
			return ""
		}
		return filepath.Join(home, dir)
	}
	if dir := get("XDG_RUNTIME_DIR"); dir != "" || runtime.GOOS != "linux" {
		add(dir, "containers", "auth.json")
	} else {
		add("/run/containers", strconv.Itoa(os.Getuid()), "auth.json")
	}
	if dir := get("XDG_CONFIG_HOME"); dir != "" {
		add(dir, "containers", "auth.json")
	} else {
		add(inHome(".config"), "containers", "auth.json")
	}
	if dir := get("DOCKER_CONFIG"); dir != "" {
		add(dir, "config.json")
	} else {
		add(inHome(".docker"), "config.json")
	}
	return paths
}

// authFiles reads a user's credential files on first use.
type authFiles struct {
	paths []authPath

	mu   sync.Mutex
	read map[string]*authFile // by path; nil if the file does not exist
}

// Credential implements [Credentials].
func (s *authFiles) Credential(ctx context.Context, host, repository string) (Credential, error) {
	for _, path := range s.paths {
		f, err := s.file(path)
		if err != nil {
			return Credential{}, err
		}
		if f == nil {
			continue
		}
		if c, err := f.find(ctx, host, repository); err != nil || !c.IsZero() {
			return c, err
		}
	}
	return Credential{}, nil
}

func (s *authFiles) file(p authPath) (*authFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, known := s.read[p.path]; known {
		return f, nil
	}
	f, err := readAuthFile(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && p.named == "":
		f = nil
	case err != nil && p.named != "":
		return nil, fmt.Errorf("read credentials of $%s: %w", p.named, err)
	case err != nil:
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if s.read == nil {
		s.read = map[string]*authFile{}
	}
	s.read[p.path] = f
	return f, nil
}

// An authFile is a file in the form of docker and podman.
type authFile struct {
	path    string
	auths   map[string]json.RawMessage // authEntry
	helpers map[string]*helper         // by host; nil: use the file's own entry
	store   *helper                    // for any host; may be nil
}

type authEntry struct {
	Auth          string `json:"auth"` // base64 of user:secret
	IdentityToken string `json:"identitytoken"`
	Username      string `json:"username"`
	Password      string `json:"password"`
}

const (
	maxAuthFile  = 4 << 20          // bytes
	authFileTime = 10 * time.Second // for a pipe
)

func readAuthFile(path string) (*authFile, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a FIFO would wait for a writer
	if err != nil {
		return nil, err // names the path
	}
	defer file.Close()
	_ = file.SetReadDeadline(time.Now().Add(authFileTime)) // fails for a regular file, which needs none
	content, err := io.ReadAll(io.LimitReader(file, maxAuthFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxAuthFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxAuthFile)
	}
	// Entries are decoded on use, so that a broken entry affects no other.
	var wire struct {
		Auths       map[string]json.RawMessage `json:"auths"`
		CredHelpers map[string]json.RawMessage `json:"credHelpers"`
		CredsStore  json.RawMessage            `json:"credsStore"`
	}
	if text := strings.TrimSpace(decode(content)); text != "" { // editors on Windows write UTF-16, or a byte order mark
		if err := json.Unmarshal([]byte(text), &wire); err != nil {
			var syntax *json.SyntaxError
			if errors.As(err, &syntax) {
				return nil, fmt.Errorf("%s: not JSON at byte %d; repair the file, or log in again", path, syntax.Offset)
			}
			return nil, fmt.Errorf("%s: not in the form of docker's config.json; repair the file, or log in again", path)
		}
	}
	f := &authFile{path: path, auths: wire.Auths, helpers: map[string]*helper{}}
	for host, name := range wire.CredHelpers {
		f.helpers[host] = newHelper(path, fmt.Sprintf("credHelpers, %.200q", host), name)
	}
	f.store = newHelper(path, "credsStore", wire.CredsStore)
	return f, nil
}

// find returns the credential of the longest matching key. A broken entry of the host
// is an error only if the host has no other credential.
func (f *authFile) find(ctx context.Context, host, repository string) (Credential, error) {
	for name := repository; name != ""; {
		if c, err := f.entry(host + "/" + name); err != nil || !c.IsZero() {
			return c, err
		}
		cut := strings.LastIndexByte(name, '/')
		name = name[:max(cut, 0)]
	}
	program, chosen := f.helpers[host]
	if !chosen {
		program = f.store
	}
	var broken error // of the first candidate
	switch {
	case program == nil:
	case program.broken != nil:
		broken = program.broken
	default:
		if c, err := program.credential(ctx, host); err != nil || !c.IsZero() {
			return c, err
		}
	}
	c, err := f.entry(host)
	if !c.IsZero() {
		return c, nil
	}
	broken = cmp.Or(broken, err)
	// Docker stores the address of its own registry, and reads addresses of others, with
	// or without a scheme.
	for _, key := range slices.Sorted(maps.Keys(f.auths)) {
		_, rest, isURL := strings.Cut(key, "://")
		if !isURL {
			rest = key
		}
		at, path, _ := strings.Cut(rest, "/")
		if (isURL || path == "" || path == "v1/" || path == "v2/") && sameRegistry(at, host) {
			c, err := f.entry(key)
			if !c.IsZero() {
				return c, nil
			}
			broken = cmp.Or(broken, err)
		}
	}
	return Credential{}, broken
}

// sameRegistry compares hosts. Docker's own registry has three names.
func sameRegistry(a, b string) bool { return plainHost(a) == plainHost(b) }

func plainHost(host string) string {
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return host
}

// entry decodes the entry of a key. A missing or empty entry is no error.
func (f *authFile) entry(key string) (Credential, error) {
	var e authEntry
	content, there := f.auths[key]
	if there && json.Unmarshal(content, &e) != nil {
		return Credential{}, fmt.Errorf("read credentials: %s: entry for %.200q is not in the form of docker's config.json; log in again", f.path, key)
	}
	switch {
	case e.IdentityToken != "":
		return NewCredential(identityUser, e.IdentityToken), nil
	case e.Auth == "":
		return NewCredential(e.Username, e.Password), nil
	}
	text, err := base64.StdEncoding.DecodeString(e.Auth)
	user, secret, ok := strings.Cut(string(text), ":")
	if err != nil || !ok || user == "" { // as docker checks
		return Credential{}, fmt.Errorf("read credentials: %s: entry for %.200q has no user and password; log in again", f.path, key)
	}
	return NewCredential(user, strings.TrimRight(secret, "\x00")), nil
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/ref"
)

// The transports of a destination, as skopeo calls them.
const (
	ociFolder      = "oci"
	ociArchive     = "oci-archive"
	dockerArchive  = "docker-archive"
	dockerRegistry = "docker"

	transportList = "oci:DIR, oci-archive:FILE.tar, docker-archive:FILE.tar or docker://HOST/PREFIX"
)

func transports() []string { return []string{ociFolder, ociArchive, dockerArchive, dockerRegistry} }

// A dest is the text of a destination and its parts.
type dest struct {
	text         string
	transport    string
	path         string // of a folder or a file
	host, prefix string // of a registry
}

// parseDest reads TRANSPORT:REST. It looks at the text only.
func parseDest(text string, mapped bool) (dest, error) {
	transport, rest, ok := strings.Cut(text, ":")
	d := dest{text: text, transport: transport, path: rest}
	name := fmt.Sprintf("destination %q", safe(text))
	switch {
	case !ok || !slices.Contains(transports(), transport):
		return d, usagef("%s: it must be %s%s", name, transportList, likeDest(text, transport, rest))
	case rest == "":
		return d, usagef("%s: a name must follow the colon: %s", name, transportList)
	case transport != dockerRegistry && strings.Contains(filepath.Base(rest), ":"):
		file, _, _ := strings.Cut(filepath.Base(rest), ":")
		return d, usagef("%s: other tools read a name after the second colon; images keep their own names: did you mean %s:%s?",
			name, transport, filepath.Join(filepath.Dir(rest), file))
	case strings.HasSuffix(rest, "/") && transport != dockerRegistry && transport != ociFolder:
		return d, usagef("%s: it ends with a slash, and %s: writes a file: name the file", name, transport)
	case rest == "-" && transport != ociFolder:
		return d, usagef("%s: an archive cannot be written to standard output: name a file, or write %s:./- for a file named -", name, transport)
	case transport != dockerRegistry:
		return d, nil
	}
	rest, ok = strings.CutPrefix(rest, "//")
	_, bare, schemed := strings.Cut(rest, "://")
	switch {
	case schemed:
		return d, usagef("%s: a registry has no scheme: did you mean docker://%s?", name, safe(bare))
	case !ok:
		return d, usagef("%s: a registry is docker://HOST/PREFIX: did you mean docker://%s?", name, safe(strings.TrimLeft(rest, "/")))
	}
	if safe(text) != text {
		return d, usagef("%s: a name and a password are not allowed here: store them with docker login or podman login", name)
	}
	if err := d.parseRegistry(rest, mapped); err != nil {
		return d, usagef("%s: %w", name, err)
	}
	return d, nil
}

// parseRegistry reads HOST[/PREFIX] with at most one slash at the end.
func (d *dest) parseRegistry(text string, mapped bool) error {
	host, prefix, _ := strings.Cut(text, "/")
	d.host, d.prefix = strings.ToLower(host), strings.TrimSuffix(prefix, "/")
	wrong := ref.ValidHost(host)
	if wrong != nil && d.host != "" {
		var syntax *ref.SyntaxError
		errors.As(wrong, &syntax)
		what, _, _ := strings.Cut(strings.TrimPrefix(syntax.Msg, "host: "), ";")
		wrong = fmt.Errorf("%q is not a host: %s", host, what)
	}
	empty := strings.HasPrefix(prefix, "/") || strings.HasSuffix(d.prefix, "/") || strings.Contains(prefix, "//")
	switch {
	case d.host == "":
		return errors.New("the host is missing: write docker://HOST/PREFIX")
	case wrong != nil:
		return wrong
	case empty && prefix == "/":
		return fmt.Errorf("%q has an empty part: write docker://HOST/PREFIX", text)
	case empty:
		parts := slices.DeleteFunc(strings.Split(prefix, "/"), func(part string) bool { return part == "" })
		return fmt.Errorf("%q has an empty part: did you mean docker://%s/%s?", text, d.host, strings.Join(parts, "/"))
	case strings.ContainsAny(d.prefix, ":@"):
		return errors.New("a prefix has no tag or digest: images keep their own")
	case d.prefix == "" && !mapped:
		return fmt.Errorf("a prefix is missing: write docker://%s/PREFIX, or name the images with --map", d.host)
	case d.prefix == "":
		return nil
	}
	return destination.ValidPrefix(d.prefix)
}

// safe hides a name and a password before a host.
func safe(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at < 0 || strings.HasPrefix(text[at:], "@sha") { // a digest
		return text
	}
	begin, _, ok := strings.Cut(text[:at], "//")
	if ok {
		begin += "//"
	} else {
		begin = ""
	}
	return begin + "[redacted]" + text[at:]
}

// likeDest suggests a destination for a text without a known transport.
func likeDest(text, transport, rest string) string {
	for _, known := range transports() {
		if rest != "" && distance(strings.ToLower(transport), known) <= 2 {
			return ": did you mean " + known + ":" + safe(rest) + "?"
		}
	}
	if bare, ok := strings.CutPrefix(rest, "//"); ok && (transport == "http" || transport == "https") && safe(text) == text {
		return ": did you mean docker://" + bare + "?"
	}
	switch {
	case strings.ContainsAny(text, "*?{[") || strings.HasPrefix(text, "quay://"), strings.Contains(transport, "/") && rest != "":
		return "; a pattern comes before it"
	case strings.HasSuffix(text, ".tar"):
		return ": did you mean oci-archive:" + text + "?"
	case !strings.ContainsAny(text, ":@"):
		return ": did you mean oci:" + text + "?"
	}
	return ""
}

// refuseDests returns an error if a destination is among the patterns.
func refuseDests(patterns []string) error {
	for _, p := range patterns {
		if transport, rest, ok := strings.Cut(p, ":"); ok && slices.Contains(transports(), transport) {
			if transport == dockerRegistry && strings.HasPrefix(rest, "//") {
				return usagef("%q is a destination, and a pattern is expected%s", safe(p), meant(rest[len("//"):], whole))
			}
			return usagef("%q is a destination, and a pattern is expected: patterns come first, and one destination last", safe(p))
		}
	}
	return nil
}

// An opened is an open destination.
type opened struct {
	dest
	destination destination.Destination
	layout      *layout.Layout // closed by close; nil for an archive, which closes its own
}

// open opens a destination for this process alone, or read-only for --dry-run. It creates a
// folder that is missing.
func (a *app) open(ctx context.Context, d dest, f copyFlags, r *session.Registries) (*opened, error) {
	if d.transport != dockerRegistry && (len(f.maps) > 0 || f.staging != "") {
		return nil, usagef("--map and --staging are for a registry, and the destination is %s", d.text)
	}
	o := &opened{dest: d}
	options := layout.Options{Check: f.check, ReadOnly: f.dryRun, Logger: a.console.Log, Removed: a.damaged(d), Moved: a.inTheWay}
	var err error
	switch d.transport {
	case ociFolder:
		if o.layout, err = layout.Open(d.path, options); err == nil {
			o.destination = destination.Layout(o.layout)
		}
	case ociArchive:
		o.destination, err = destination.OCIArchive(d.path, options)
	case dockerArchive:
		system := thisPlatform().OS
		if len(f.platforms) > 0 {
			system = ""
		}
		o.destination, err = destination.DockerArchive(d.path, options, system)
	case dockerRegistry:
		err = a.openRegistry(ctx, o, f, options, r)
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// damaged returns the function that reports a damaged blob which a layout removed.
func (a *app) damaged(d dest) func(digest.Digest) {
	return func(blob digest.Digest) {
		if !a.console.Quiet {
			a.console.Warn("%s: damaged blob %s was removed; it is fetched again if an image needs it", cmp.Or(d.path, d.host), blob)
		}
	}
}

// inTheWay warns that something other than a file was in the place of a blob and was moved.
func (a *app) inTheWay(blob digest.Digest, to string) {
	a.console.Warn("blob %s was not a file: it was moved to %s", blob, to)
}

// openRegistry opens a registry and the folder where blobs for it are staged.
func (a *app) openRegistry(ctx context.Context, o *opened, f copyFlags, staging layout.Options, r *session.Registries) error {
	rename, err := destination.ParseRename(f.maps)
	if err != nil {
		return usagef("--map: %w", err)
	}
	to, at, err := r.Destination(ctx, o.host)
	if err != nil {
		return usagef("destination %q: %w", o.text, err)
	}
	folder := f.staging
	if folder == "" {
		if folder, err = a.cacheFolder(); err != nil {
			return usagef("no folder to stage blobs in: %w; name one with --staging", err)
		}
		folder = filepath.Join(folder, "quayside", "staging")
	}
	if folder, err = disk.Follow(folder); err != nil { // a dangling link is followed, as it is for a destination
		return fmt.Errorf("staging folder: %w", err)
	}
	sum := sha256.Sum256([]byte(o.host + "/" + o.prefix))
	name := hex.EncodeToString(sum[:8])
	folder = filepath.Join(folder, name)
	staging.Staging = "docker://" + o.host + "/" + o.prefix
	if o.layout, err = layout.Open(folder, staging); err != nil {
		return err
	}
	if o.destination, err = destination.Registry(to, o.prefix, o.layout, rename, a.records(name)); err != nil {
		err = usagef("destination %q: %w", o.text, err)
	} else if err = a.session.Reach(ctx, o.host, at); err != nil {
		err = session.Unreached(o.text, o.host, err)
	} else {
		err = a.checkCredentials(ctx, to, o.dest)
	}
	if err != nil {
		if o.layout.Made() && !f.dryRun {
			return errors.Join(err, o.layout.Remove())
		}
		return errors.Join(err, o.layout.Close())
	}
	return nil
}

// checkCredentials finds out, before the search, whether the registry accepts the credentials
// for repositories under the prefix. It starts no push: a Quay would create the repository
// (doc/adr/0021).
func (a *app) checkCredentials(ctx context.Context, to *registry.Registry, d dest) error {
	if d.prefix == "" {
		return nil // --map names the repositories
	}
	beneath, err := to.Repository(d.prefix + "/quayside")
	if err != nil {
		return nil // the name of each image is checked later
	}
	if err = beneath.CheckLogin(ctx); errors.Is(err, registry.ErrLogin) {
		return fmt.Errorf("destination %q: nothing was copied: %w", d.text, err)
	}
	return ctx.Err()
}

// records returns the option that names the file which records which images of a registry
// have all their signatures. Without a cache folder each run looks for signatures again.
func (a *app) records(name string) string {
	cache, err := a.cacheFolder()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "quayside", "signatures", name+".json")
}

// missing reports whether a folder does not exist.
func missing(dir string) bool {
	_, err := os.Stat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// release closes a destination that was opened for --dry-run.
func (o *opened) release() error {
	err := o.destination.Close()
	if o.layout != nil {
		err = errors.Join(err, o.layout.Close())
	}
	return err
}

// close closes the destination. It removes a layout that this run made and that stayed empty,
// and the staging folder once all blobs are in the registry. Otherwise it reports where staged
// blobs are kept.
func (o *opened) close(t *console.Console, whole bool) error {
	staging := o.destination.Staging().Dir()
	staged := o.transport == dockerRegistry
	err := o.destination.Close()
	switch {
	case o.layout == nil:
	case whole && staged, !whole && (o.layout.Made() || staged) && o.layout.Empty():
		err = errors.Join(err, o.layout.Remove())
	default:
		err = errors.Join(err, o.layout.Close())
	}
	if _, gone := os.Stat(staging); !whole && o.transport != ociFolder && gone == nil {
		t.Note("fetched blobs are kept in %s for the next run", staging)
	}
	return err
}

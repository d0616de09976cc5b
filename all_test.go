// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package quayside_test holds the rules that the whole tree keeps: which
// package may import which, licence headers, file lengths, and documents
// whose links lead somewhere.
package quayside_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/quayside/quayside"

// arrows lists, for each package, what it may import besides the standard
// library. A package that is not listed here fails the test: a new package
// begins with its arrows.
var arrows = map[string][]string{
	"cmd/quayside": {"internal/cli"},
	"cmd/quaytest": {"quay/quaytest"},
	"internal/cli": {
		"internal/session", "internal/console", "internal/report", "internal/redact", "internal/mirror", "internal/destination", "internal/layout", "internal/disk", "internal/registry",
		"discover", "quay", "quay/quaytest", "ref",
		"github.com/opencontainers/go-digest", "github.com/opencontainers/image-spec", "github.com/spf13/cobra", "github.com/spf13/pflag",
	},
	"internal/session": {
		"discover", "quay", "internal/registry", "internal/pace", "internal/transport", "internal/redact", "internal/report", "go.yaml.in/yaml/v3",
	},
	"internal/console": {
		"internal/report", "internal/redact", "github.com/vbauerster/mpb/v8", "github.com/lmittmann/tint", "golang.org/x/term",
	},
	"internal/docgen":    {"internal/cli", "github.com/spf13/cobra"},
	"internal/redact":    {},
	"internal/report":    {"internal/redact", "github.com/opencontainers/go-digest", "github.com/opencontainers/image-spec"},
	"internal/pace":      {"internal/transport"},
	"internal/transport": {},
	"internal/manifest":  {"github.com/opencontainers/go-digest", "github.com/opencontainers/image-spec"},
	"internal/disk":      {"golang.org/x/sys"},
	"internal/layout": {
		"internal/disk", "internal/manifest", "github.com/opencontainers/go-digest", "github.com/opencontainers/image-spec",
		"golang.org/x/sync", "golang.org/x/sys",
	},
	"internal/disktest":     {},
	"internal/memnet":       {},
	"internal/registrytest": {"cuelabs.dev/go/oci/ociregistry"},
	"internal/registry": {
		"internal/manifest", "internal/redact", "internal/transport", "oras.land/oras-go/v2", "github.com/opencontainers/go-digest", "github.com/opencontainers/image-spec",
		"golang.org/x/sync",
	},
	"internal/ocitar": {
		"internal/disk", "internal/layout", "internal/manifest", "github.com/opencontainers/go-digest", "github.com/opencontainers/image-spec",
		"github.com/klauspost/compress",
	},
	"internal/destination": {
		"internal/disk", "internal/manifest", "internal/layout", "internal/ocitar", "internal/registry", "ref",
		"github.com/opencontainers/go-digest", "github.com/opencontainers/image-spec", "golang.org/x/sync",
	},
	"internal/mirror": {
		"internal/destination", "internal/manifest", "internal/layout", "internal/registry", "internal/pace", "internal/transport", "ref",
		"github.com/opencontainers/go-digest", "github.com/opencontainers/image-spec", "golang.org/x/sync",
	},
	"discover":       {"quay", "ref", "github.com/opencontainers/go-digest"},
	"quay":           {"internal/pace", "internal/redact", "internal/transport", "github.com/opencontainers/go-digest"},
	"ref":            {"github.com/opencontainers/go-digest", "github.com/Masterminds/semver/v3"},
	"bench/copy":     {},
	"bench/discover": {},
	"bench/memory":   {},
	"bench/startup":  {},

	// The embedded server: its API, and the machinery beneath it.
	"quay/quaytest": {
		"quay/quaytest/internal/listen", "quay/quaytest/internal/front", "quay/quaytest/internal/rest", "quay/quaytest/internal/registry",
		"quay/quaytest/internal/objectstore", "quay/quaytest/internal/store", "quay/quaytest/internal/synthetic",
		"quay/quaytest/internal/cursor", "quay/quaytest/internal/wire", "github.com/opencontainers/go-digest",
	},
	"quay/quaytest/internal/listen": {"quay/quaytest/internal/front"},
	"quay/quaytest/internal/front":  {"quay/quaytest/internal/objectstore", "quay/quaytest/internal/wire"},
	"quay/quaytest/internal/rest":   {"github.com/opencontainers/go-digest", "quay/quaytest/internal/store", "quay/quaytest/internal/cursor", "quay/quaytest/internal/wire"},
	"quay/quaytest/internal/registry": {
		"github.com/opencontainers/go-digest", "quay/quaytest/internal/store", "quay/quaytest/internal/objectstore", "quay/quaytest/internal/cursor", "quay/quaytest/internal/wire",
	},
	"quay/quaytest/internal/objectstore": {"github.com/opencontainers/go-digest", "quay/quaytest/internal/store", "quay/quaytest/internal/wire"},
	"quay/quaytest/internal/store":       {"github.com/opencontainers/go-digest", "quay/quaytest/internal/synthetic"},
	"quay/quaytest/internal/synthetic":   {},
	"quay/quaytest/internal/cursor":      {},
	"quay/quaytest/internal/wire":        {},
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps,Standard"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, &stderr)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, p := range goList(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "" {
			continue
		}
		allowed, known := arrows[name]
		if !known {
			t.Errorf("%s is not in the table of arrows", name)
			continue
		}
		for _, imported := range p.Imports {
			if !strings.Contains(strings.Split(imported, "/")[0], ".") {
				continue // standard library
			}
			own := strings.TrimPrefix(imported, module+"/")
			if !slices.ContainsFunc(allowed, func(a string) bool {
				return own == a || own == imported && strings.HasPrefix(imported, a+"/")
			}) {
				t.Errorf("%s imports %s, which its arrows do not allow", name, imported)
			}
		}
	}
}

func TestDesignNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile("doc/design.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range arrows {
		if !strings.Contains(name, "quaytest/internal") && !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("doc/design.md does not name %s", name)
		}
	}
	for _, name := range regexp.MustCompile("`((?:internal|cmd|bench)/[a-z/]+)`").FindAllStringSubmatch(string(text), -1) {
		if info, err := os.Stat(name[1]); err != nil || !info.IsDir() {
			t.Errorf("doc/design.md names %s, which does not exist", name[1])
		}
	}
}

func TestShippedCommandLeavesGeneratorsOut(t *testing.T) {
	for _, p := range goList(t, "./cmd/quayside") {
		for _, dep := range p.Deps {
			if dep == "github.com/spf13/cobra/doc" || dep == "testing" {
				t.Errorf("cmd/quayside links %s", dep)
			}
		}
	}
}

func TestModuleIsTidy(t *testing.T) {
	if testing.Short() {
		t.Skip("asks the module proxy")
	}
	if out, err := exec.Command("go", "mod", "tidy", "-diff").CombinedOutput(); err != nil {
		t.Errorf("go mod tidy -diff: %v\n%s", err, out)
	}
}

// eachFile calls f for every file of the tree with one of the endings.
func eachFile(t *testing.T, f func(name string, text string), endings ...string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "dist") {
			return filepath.SkipDir
		}
		if d.IsDir() || !slices.Contains(endings, path.Ext(name)) {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f(filepath.ToSlash(name), string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGoFilesCarryTheLicenceAndStayReadable(t *testing.T) {
	const header = "// Copyright The quayside Authors.\n// SPDX-License-Identifier: Apache-2.0\n\n"
	const longestFile, longestFunction = 450, 80 // lines
	eachFile(t, func(name, text string) {
		if !strings.HasPrefix(text, header) {
			t.Errorf("%s: does not begin with the licence header", name)
		}
		if lines := strings.Count(text, "\n"); lines > longestFile {
			t.Errorf("%s: %d lines; split it", name, lines)
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || strings.HasSuffix(name, "_test.go") {
				continue
			}
			if lines := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1; lines > longestFunction {
				t.Errorf("%s: %s has %d lines; split it", name, f.Name.Name, lines)
			}
		}
	}, ".go")
}

var markdownLink = regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)

func TestDocumentLinksLeadSomewhere(t *testing.T) {
	eachFile(t, func(name, text string) {
		for _, link := range markdownLink.FindAllStringSubmatch(text, -1) {
			target := path.Join(path.Dir(name), link[1])
			if _, err := os.Stat(filepath.FromSlash(target)); err != nil {
				t.Errorf("%s: link to %s leads nowhere", name, link[1])
			}
		}
	}, ".md")
}

// The figures of the README are those of doc/performance.md.
func TestReadmeHasMeasuredFigures(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	measured, err := os.ReadFile("doc/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	figures := regexp.MustCompile(`\b[0-9.,]+ (s|MB)\b`).FindAllString(string(readme), -1)
	if len(figures) < 5 {
		t.Errorf("README.md has the figures %v only", figures)
	}
	for _, figure := range figures {
		if number, _, _ := strings.Cut(figure, " "); !strings.Contains(string(measured), number) {
			t.Errorf("README.md says %s, which doc/performance.md does not have", figure)
		}
	}
}

func TestDocumentsNameNoMachine(t *testing.T) {
	private := regexp.MustCompile(`/work/|/root/|\.\./shared|/tmp/contract`)
	eachFile(t, func(name, text string) {
		if name == "all_test.go" {
			return
		}
		if at := private.FindString(text); at != "" {
			t.Errorf("%s: mentions %s", name, at)
		}
	}, ".md", ".go", ".1", ".txtar", ".sh")
}

// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
)

// helper runs this test binary as another process.
func helper(ctx context.Context, t *testing.T, task, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), helperTask+"="+task, helperDir+"="+dir)
	return cmd
}

// fillImages are what the helper fills a layout with: all share a layer.
const fillImages = 24

func fillImage(i int) (string, image) {
	return fmt.Sprintf("localhost/test/image%02d:1", i),
		newImage(content(1000, 300_000), content(uint64(i), 150_000), content(uint64(i/4)+500, 100_000))
}

// fill fills a layout as a copy does: many images at once, each blob once, in small writes.
// It prints what was tagged and what was resumed.
func fill(dir string) error {
	l, err := layout.Open(dir, layout.Options{})
	if err != nil {
		return err
	}
	errs := make([]error, fillImages)
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range fillImages {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = fillOne(l, i)
		})
	}
	all.Wait()
	return errors.Join(append(errs, l.Close())...)
}

func fillOne(l *layout.Layout, i int) error {
	ctx := context.Background()
	name, m := fillImage(i)
	for d, b := range m.blobs {
		want := ocispec.Descriptor{Digest: d, Size: int64(len(b))}
		for {
			if there, err := l.Has(ctx, want); err != nil {
				return err
			} else if there {
				break
			}
			err := fillBlob(l, want, b)
			if err != nil && !errors.Is(err, layout.ErrBusy) {
				return err
			}
		}
	}
	if err := l.Tag(ctx, layout.Entry{Name: name, Descriptor: m.root}); err != nil {
		return err
	}
	fmt.Println("tagged", name, m.root.Digest)
	return nil
}

func fillBlob(l *layout.Layout, d ocispec.Descriptor, b []byte) error {
	p, err := l.Partial(context.Background(), d)
	if err != nil {
		return err
	}
	if p.Size() > 0 {
		fmt.Println("resumed", p.Size())
	}
	for rest := b[p.Size():]; len(rest) > 0; {
		n, err := p.Write(rest[:min(len(rest), 1024)])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return errors.Join(p.Commit(), p.Close())
}

// TestKill kills a process that fills a layout, at random times. Images that it reported as
// tagged must be there, and nothing may be damaged.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 24
	if testing.Short() {
		rounds = 6
	}
	dir := filepath.Join(t.TempDir(), "layout")
	tagged := map[string]digest.Digest{}
	killed, resumed, complete := 0, 0, 0
	whole := time.Minute // what a round takes that nobody kills: the first and the last
	last := false
	for round := 0; !last; round++ {
		// On a busy machine the kills may all miss the blobs at first.
		last = round >= rounds-1 && (resumed > 0 || testing.Short()) || round == 10*rounds
		limit := time.Duration(rand.Int64N(int64(whole)))
		if round == 0 || last {
			limit = time.Minute
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		cmd := helper(ctx, t, "fill", dir)
		var out, errout bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errout
		err := cmd.Run()
		if err != nil && ctx.Err() == nil {
			t.Fatalf("%v: %s", err, &errout)
		}
		cancel()
		if round == 0 {
			whole = time.Since(begin)
		}
		for lines := bufio.NewScanner(&out); lines.Scan(); {
			switch f := strings.Fields(lines.Text()); {
			case len(f) == 3 && f[0] == "tagged" && len(f[2]) == 71: // a line that was cut counts for nothing
				tagged[f[1]] = digest.Digest(f[2])
			case len(f) > 0 && f[0] == "resumed":
				resumed++
			}
		}
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			continue // killed before anything
		}
		l, err := layout.Open(dir, layout.Options{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		names := checkWhole(t, dir)
		for name, d := range tagged {
			if names[name] != d {
				t.Errorf("round %d: %s is %q and was tagged as %q", round, name, names[name], d)
			}
		}
		report, err := layout.Verify(t.Context(), dir, layout.VerifyOptions{})
		if err != nil || len(report.Damaged) > 0 || report.Images != len(names) {
			t.Fatalf("round %d: verify: %+v, %v", round, report, err)
		}
		if err := ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
			killed++
		}
		if len(names) == fillImages && !last { // nothing left to break: once more from the start
			complete++
			tagged = map[string]digest.Digest{}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(tagged) != fillImages {
		t.Errorf("%d of %d images are there in the end", len(tagged), fillImages)
	}
	t.Logf("%d killed, %d complete before the last, %d blobs resumed", killed, complete, resumed)
	if killed == 0 || resumed == 0 && !testing.Short() {
		t.Errorf("killed %d times, resumed %d blobs: nothing was tried", killed, resumed)
	}
}

// hold opens a layout and holds it until its input ends.
func hold(dir string) error {
	l, err := layout.Open(dir, layout.Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, l.Close())
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	cmd := helper(t.Context(), t, "hold", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("helper says %q: %v", line, err)
	}
	pid := fmt.Sprintf("process %d", cmd.Process.Pid)
	_, openErr := layout.Open(dir, layout.Options{})
	_, repairErr := layout.Verify(t.Context(), dir, layout.VerifyOptions{Repair: true})
	_, collectErr := layout.Collect(t.Context(), dir, false)
	for name, err := range map[string]error{"Open": openErr, "Verify": repairErr, "Collect": collectErr} {
		if !errors.Is(err, layout.ErrLocked) || !strings.Contains(err.Error(), pid) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v; want ErrLocked with %s and the folder", name, err, pid)
		}
	}
	if _, err := layout.Verify(t.Context(), dir, layout.VerifyOptions{}); err != nil {
		t.Errorf("to verify needs no lock: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	l := open(t, dir, layout.Options{})
	if _, err := layout.Open(dir, layout.Options{}); !errors.Is(err, layout.ErrLocked) {
		t.Errorf("a second Layout of this process: %v", err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	open(t, dir, layout.Options{})
}

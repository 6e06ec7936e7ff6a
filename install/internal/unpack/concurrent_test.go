package unpack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A part is one of the archives of a prefix.
type part struct {
	data   []byte
	layout manifests.Layout
}

func (p part) archive(i int) unpack.Archive {
	return unpack.Archive{Name: fmt.Sprint("archive-", i), Component: fmt.Sprint("part-", i), Layout: p.layout, Order: i}
}

// addInTurn unpacks parts one after the other, in the order of the indices turns, which
// differs from their Order.
func addInTurn(t testing.TB, parts []part, turns []int) ([]record.Entry, error) {
	s := newStage(t, unpack.DefaultLimits())
	for _, i := range turns {
		if err := s.prefix.Add(context.Background(), source(t, parts[i].data), parts[i].archive(i)); err != nil {
			s.check(t, nil, err)
			return nil, err
		}
	}
	entries, err := s.prefix.Finish(context.Background())
	return unstamped(entries), err
}

// addConcurrently unpacks all parts concurrently.
func addConcurrently(t testing.TB, parts []part) ([]record.Entry, error) {
	s := newStage(t, unpack.DefaultLimits())
	var all sync.WaitGroup
	errs := make([]error, len(parts))
	for i, p := range parts {
		src := source(t, p.data)
		all.Go(func() { errs[i] = s.prefix.Add(context.Background(), src, p.archive(i)) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		s.check(t, nil, err)
		return nil, err
	}
	entries, err := s.prefix.Finish(context.Background())
	return unstamped(entries), err
}

// The entries of several archives, including the components and modes of shared
// directories, do not depend on which archive is unpacked first.
func TestArchiveOrderDecidesEntries(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var parts []part
		for i := range 3 {
			var entries []tarEntry
			listed := "file:own\n"
			with := rapid.Bool().Draw(r, "with a list")
			for j := range rapid.IntRange(0, 5).Draw(r, "entries") {
				name := rapid.StringMatching(`[ab](/[ab]){0,2}`).Draw(r, "directory")
				if rapid.IntRange(0, 2).Draw(r, "kind") == 0 {
					e := dir(name)
					e.mode = fmt.Sprintf("0000%o\x00", rapid.SampledFrom([]int{0o700, 0o711, 0o755, 0o777}).Draw(r, "mode"))
					entries = append(entries, e)
					continue
				}
				// A name of this archive only, or one that others may have.
				name += fmt.Sprintf("/f%d", rapid.SampledFrom([]int{10*i + j, 10*i + j, 10*i + j, 99}).Draw(r, "file"))
				entries = append(entries, file(name, name))
				if rapid.Bool().Draw(r, "listed") {
					listed += "file:" + name + "\n"
				}
			}
			if !with {
				parts = append(parts, part{tarOf(append(entries, file(fmt.Sprint("own-", i), "x"))...), manifests.Layout{Format: "tar"}})
				continue
			}
			for j := range entries {
				entries[j].name = "top/part/" + entries[j].name
			}
			entries = append(entries, file("top/part/own", "x"))
			layout := component("part")
			layout.Installer.Manifest += fmt.Sprint("-", i)
			parts = append(parts, part{installerOf("3", "part", listed, entries...), layout})
		}
		want, wantErr := addInTurn(t, parts, []int{0, 1, 2})
		same := func(how string, got []record.Entry, err error) {
			if (err == nil) != (wantErr == nil) || !slices.Equal(got, want) {
				r.Errorf("%s:\n%v %v\nwant\n%v %v", how, got, err, want, wantErr)
			}
		}
		turns := rapid.SampledFrom([][]int{{2, 1, 0}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}, {1, 0, 2}}).Draw(r, "turns")
		got, err := addInTurn(t, parts, turns)
		same(fmt.Sprint(turns), got, err)
		got, err = addConcurrently(t, parts)
		same("at once", got, err)
	})
}

// If two archives claim one name, the later in order is refused, with the same error
// whichever is unpacked first.
func TestConflictBlamesLaterArchive(t *testing.T) {
	unlisted := func(e tarEntry) part {
		return part{installerOf("3", "part", "file:own", file("top/part/own", "x"), e), component("part")}
	}
	plain := func(entries ...tarEntry) part {
		return part{tarOf(append(entries, file("fine", "x"))...), manifests.Layout{Format: "tar"}}
	}
	other := func(entries ...tarEntry) part {
		return part{tarOf(append(entries, file("well", "x"))...), manifests.Layout{Format: "tar"}}
	}
	for name, parts := range map[string][2]part{
		"two files":                           {plain(file("x", "1")), other(file("x", "1"))},
		"a file and a link":                   {plain(file("x", "1")), other(link("x", "y"))},
		"a link and a file":                   {plain(link("x", "y")), other(file("./x", "1"))},
		"a file and a directory":              {plain(file("x", "1")), other(dir("x/"))},
		"a directory and a file":              {plain(dir("x")), other(file("x", "1"))},
		"a file and one below it":             {plain(file("x", "1")), other(file("x/y", "1"))},
		"a file below one":                    {plain(file("x/y", "1")), other(file("x", "1"))},
		"a link and a file below it":          {plain(link("x", "y")), other(file("x/a/b", "1"))},
		"a removed file":                      {unlisted(file("top/part/x", "1")), other(file("x", "1"))},
		"a file, and a removed file":          {plain(file("x", "1")), unlisted(file("top/part/x", "1"))},
		"a directory, and a removed file":     {plain(dir("x")), unlisted(file("top/part/x", "1"))},
		"a removed file, and a file below it": {unlisted(file("top/part/x", "1")), other(file("x/y", "1"))},
	} {
		t.Run(name, func(t *testing.T) {
			var refused [2]*unpack.EntryError
			for i, turns := range [][]int{{0, 1}, {1, 0}} {
				_, err := addInTurn(t, parts[:], turns)
				e, ok := errors.AsType[*unpack.EntryError](err)
				if !ok {
					t.Fatalf("in the order %v: %v", turns, err)
				}
				refused[i] = e
			}
			if *refused[0] != *refused[1] || refused[0].Archive != "archive-1" {
				t.Errorf("first to last: %v\nlast to first: %v", refused[0], refused[1])
			}
			if _, err := addConcurrently(t, parts[:]); err == nil {
				t.Error("at once: accepted")
			}
		})
	}
}

// Archives wait if their windows exceed Limits.Memory.
func TestWindowsShareMemory(t *testing.T) {
	limits := unpack.DefaultLimits()
	limits.Memory = 8 << 20
	need := func(property byte) []byte { return xzBlocks([]byte{property}, tarOf(file("a", "x"))) } // 20: 4 MiB, 22: 8 MiB, 24: 16 MiB
	for name, c := range map[string]struct {
		first, second byte
		waits         bool
	}{
		"both fit":             {20, 20, false},
		"the first needs all":  {22, 20, true},
		"one needs too much":   {24, 20, true},
		"the second needs all": {20, 22, true},
		"both need too much":   {24, 24, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, limits)
			layout := func(into string) manifests.Layout { return manifests.Layout{Format: "tar.xz", Into: into} }
			// The first archive holds its share until its stream ends.
			first, data := newHeld(need(c.first)), need(c.second)
			done := make(chan error, 2)
			go func() {
				done <- s.prefix.AddStream(context.Background(), first, first.size, unpack.Archive{Name: "first", Layout: layout("1")})
			}()
			<-first.begun
			ctx, cancel := context.WithTimeout(context.Background(), map[bool]time.Duration{true: 100 * time.Millisecond, false: time.Minute}[c.waits])
			defer cancel()
			src := source(t, data)
			if c.waits {
				patient := newStage(t, limits)
				if err := patient.prefix.Add(context.Background(), src, unpack.Archive{Name: "alone", Layout: layout("2")}); err != nil {
					t.Errorf("alone: %v", err)
				}
			}
			err := s.prefix.Add(ctx, src, unpack.Archive{Name: "second", Layout: layout("2")})
			if waited := errors.Is(err, context.DeadlineExceeded); waited != c.waits || err != nil && !waited {
				t.Errorf("the second: %v", err)
			}
			close(first.goOn)
			if err := <-done; err != nil && !c.waits {
				t.Errorf("the first: %v", err)
			}
		})
	}
}

// A held stream returns all but its last bytes, and then blocks. By then its reader has
// allocated its window.
type held struct {
	data        []byte
	size        int64
	begun, goOn chan struct{}
}

func newHeld(data []byte) *held {
	return &held{data, int64(len(data)), make(chan struct{}), make(chan struct{})}
}

func (h *held) Read(p []byte) (int, error) {
	const rest = 16
	give := len(h.data) - rest
	switch give {
	case 0:
		close(h.begun)
		<-h.goOn
		give = rest
	case -rest:
		return 0, io.EOF
	}
	n := copy(p, h.data[:give])
	h.data = h.data[n:]
	return n, nil
}

// AddStream unpacks a tar while it arrives, and fails if the stream fails or does not have
// the stated size.
func TestAddStream(t *testing.T) {
	fault := errors.New("the line is broken")
	for format, data := range small(t) {
		for name, c := range map[string]struct {
			stream io.Reader
			size   int
			ok     func(error) bool
		}{
			"whole":                 {bytes.NewReader(data), len(data), func(err error) bool { return err == nil }},
			"one byte per read":     {iotest.OneByteReader(bytes.NewReader(data)), len(data), func(err error) bool { return err == nil }},
			"broken":                {io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(fault)), len(data), func(err error) bool { return errors.Is(err, fault) }},
			"read error at the end": {io.MultiReader(bytes.NewReader(data), iotest.ErrReader(fault)), len(data), func(err error) bool { return errors.Is(err, fault) }},
			"cut":                   {bytes.NewReader(data[:len(data)-1]), len(data), func(err error) bool { return errors.Is(err, verify.ErrUntrusted) }},
			"longer than stated":    {bytes.NewReader(data), len(data) - 1, func(err error) bool { return err != nil }},
			"shorter than stated":   {bytes.NewReader(data), len(data) + 1, func(err error) bool { return err != nil && !errors.Is(err, verify.ErrUntrusted) }},
		} {
			t.Run(format+"/"+name, func(t *testing.T) {
				s := newStage(t, unpack.DefaultLimits())
				a := unpack.Archive{Name: "the-archive", Component: "part", Layout: manifests.Layout{Format: format}}
				err := s.prefix.AddStream(context.Background(), c.stream, int64(c.size), a)
				if format == "zip" || format == "deb" {
					if !errors.Is(err, errors.ErrUnsupported) {
						t.Errorf("read from a stream: %v", err)
					}
					return
				}
				if !c.ok(err) {
					t.Errorf("got %v", err)
				}
				if err == nil {
					entries, err := s.prefix.Finish(context.Background())
					s.check(t, entries, err)
				}
			})
		}
	}
}

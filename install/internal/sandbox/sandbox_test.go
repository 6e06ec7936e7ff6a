package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// Unpacking behind the wall has the same result as without it.
func TestUnpacks(t *testing.T) {
	for way, c := range walls() {
		t.Run(way, func(t *testing.T) {
			s := newStage(t)
			u := s.start(t, c, unpack.DefaultLimits())
			var done int64
			first := archive("first")
			data := archiveOf(t, "bin/", "bin/a", "bin/b -> a", "lib/a/b/c/deep", "./dotted")
			first.Progress = func(n int64) { done = n }
			if err := u.Add(t.Context(), opened(t, data), first); err != nil {
				t.Fatal(err)
			}
			if done != int64(len(data)) {
				t.Errorf("progress of %d bytes of %d", done, len(data))
			}
			second := archive("second")
			second.Order = 1
			if err := u.AddStream(t.Context(), iotest.HalfReader(bytes.NewReader(archiveOf(t, "share/x", "bin/c"))), int64(len(archiveOf(t, "share/x", "bin/c"))), second); err != nil {
				t.Fatal(err)
			}
			large := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
			for _, f := range []manifests.File{{Path: "etc/large", Data: large}, {Path: "etc/empty"},
				{Path: "etc/link", Link: "large"}, {Path: "etc/run", Data: []byte("#!"), Exec: true}} {
				if err := u.AddFile(t.Context(), "a release", f); err != nil {
					t.Fatal(err)
				}
			}
			before, stamped := s.clock(t)
			entries, err := u.Finish(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			after, _ := s.clock(t)
			if sealed := u.Sealed(); stamped && (sealed.Before(before) || sealed.After(after)) || !stamped && !sealed.IsZero() {
				t.Errorf("sealed at %v, between %v and %v; the file system keeps stamps: %v", sealed, before, after, stamped)
			}
			var got strings.Builder
			for _, e := range entries {
				fmt.Fprintf(&got, "%s %s %v %d %s [%s]\n", e.Type, e.Path, e.Mode, e.Size, e.Target, e.Component)
				if e.Stamp.IsZero() == (stamped && e.Type == record.File) {
					t.Errorf("%s has the stamp %v", e.Path, e.Stamp)
				}
				if e.Type == record.File {
					data, err := os.ReadFile(filepath.Join(s.dir, e.Path))
					if err != nil || verify.DigestOf(data) != e.Digest {
						t.Errorf("%s: %v, or another digest", e.Path, err)
					}
				}
			}
			want := `dir bin -rwx--x--x 0  [of first]
file bin/a -rwxr-xr-x 5  [of first]
link bin/b ---------- 0 a [of first]
file bin/c -rwxr-xr-x 5  [of second]
file dotted -rwxr-xr-x 8  [of first]
dir etc -rwxr-xr-x 0  []
file etc/empty -rw-r--r-- 0  []
file etc/large -rw-r--r-- 320000  []
link etc/link ---------- 0 large []
file etc/run -rwxr-xr-x 2  []
dir lib -rwxr-xr-x 0  [of first]
dir lib/a -rwxr-xr-x 0  [of first]
dir lib/a/b -rwxr-xr-x 0  [of first]
dir lib/a/b/c -rwxr-xr-x 0  [of first]
file lib/a/b/c/deep -rwxr-xr-x 14  [of first]
dir share -rwxr-xr-x 0  [of second]
file share/x -rwxr-xr-x 7  [of second]
`
			if got.String() != want {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
			if level := u.Level(); level.Child != (c.Path != "") {
				t.Errorf("level: %v", level)
			}
		})
	}
}

// Several archives at once, with more entries than one packet of claims holds.
func TestUnpacksManyAtOnce(t *testing.T) {
	many := 500 / short.Step(t, 5)
	for way, c := range walls() {
		t.Run(way, func(t *testing.T) {
			s := newStage(t)
			u := s.start(t, c, unpack.DefaultLimits())
			var all sync.WaitGroup
			for n := range 4 {
				var files []string
				for i := range many {
					files = append(files, fmt.Sprintf("%d/%s/file-%d", n, strings.Repeat("long-name-", 20), i))
				}
				a, src := archive(fmt.Sprint(n)), opened(t, archiveOf(t, files...))
				all.Go(func() {
					if err := u.Add(t.Context(), src, a); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			entries, err := u.Finish(t.Context())
			if err != nil || len(entries) != 4*(many+2) {
				t.Errorf("%d entries, %v", len(entries), err)
			}
		})
	}
}

// Errors of the child and of this process are the same: what they match, their text,
// and that Finish fails after them.
func TestErrors(t *testing.T) {
	good := archiveOf(t, "a")
	for name, c := range map[string]struct {
		do func(t *testing.T, u *Unpacker) error
		is []error
	}{
		"a hostile archive": {func(t *testing.T, u *Unpacker) error {
			return u.Add(t.Context(), opened(t, archiveOf(t, "ok", "../evil")), archive("x"))
		}, []error{verify.ErrUntrusted}},
		"a cut stream": {func(t *testing.T, u *Unpacker) error {
			return u.AddStream(t.Context(), bytes.NewReader(good[:600]), 600, archive("x"))
		}, []error{verify.ErrUntrusted}},
		"a broken stream": {func(t *testing.T, u *Unpacker) error {
			r := io.MultiReader(bytes.NewReader(good), iotest.ErrReader(fs.ErrClosed))
			return u.AddStream(t.Context(), r, int64(len(good)), archive("x"))
		}, []error{fs.ErrClosed}},
		"an unknown format": {func(t *testing.T, u *Unpacker) error {
			a := archive("x")
			a.Layout.Format = "tar.lzma"
			return u.Add(t.Context(), opened(t, good), a)
		}, []error{errors.ErrUnsupported}},
		"a full disk": {func(t *testing.T, u *Unpacker) error {
			return (&wireError{Text: "x: write a: no space", Errno: int(syscall.ENOSPC)}).error()
		}, []error{syscall.ENOSPC}},
		"a file that cannot be made": {func(t *testing.T, u *Unpacker) error {
			return u.AddFile(t.Context(), "x", manifests.File{Path: "../evil", Data: []byte("x")})
		}, []error{verify.ErrUntrusted}},
		"an archive after a bad one": {func(t *testing.T, u *Unpacker) error {
			if err := u.Add(t.Context(), opened(t, good[:600]), archive("first")); err == nil {
				t.Fatal("accepted")
			}
			return u.Add(t.Context(), opened(t, good), archive("x"))
		}, []error{unpack.ErrEnded, verify.ErrUntrusted}},
	} {
		t.Run(name, func(t *testing.T) {
			said := map[string]string{}
			for way, command := range walls() {
				u := newStage(t).start(t, command, unpack.DefaultLimits())
				err := c.do(t, u)
				for _, want := range c.is {
					if !errors.Is(err, want) {
						t.Errorf("%s: %v, want %v", way, err, want)
					}
				}
				if err == nil {
					continue
				}
				said[err.Error()] = way
				if !strings.HasPrefix(err.Error(), "x") {
					t.Errorf("%s: %v does not begin with the archive's name", way, err)
				}
				if _, entry := errors.AsType[*unpack.EntryError](err); entry != (name == "a hostile archive" || name == "a cut stream" || name == "a file that cannot be made" || name == "an archive after a bad one" && way == "in process") {
					t.Errorf("%s: %T", way, err)
				}
				if _, err := u.Finish(t.Context()); err == nil && name != "a full disk" {
					t.Errorf("%s: Finish succeeded", way)
				}
			}
			if len(said) > 1 {
				t.Errorf("different messages: %v", said)
			}
		})
	}
}

// An interrupt ends the child and every addition in progress.
func TestInterrupt(t *testing.T) {
	for way, c := range walls() {
		t.Run(way, func(t *testing.T) {
			u := newStage(t).start(t, c, unpack.DefaultLimits())
			ctx, cancel := context.WithCancel(t.Context())
			out, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				in.Write(archiveOf(t, "a")[:600])
				cancel()
				in.Close()
			}()
			err = u.AddStream(ctx, out, 5000, archive("x"))
			if !errors.Is(err, context.Canceled) || errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("got %v", err)
			}
			if _, err := u.Finish(context.Background()); err == nil {
				t.Error("Finish succeeded")
			}
		})
	}
}

// This process adds files before and after the child, and the child knows the earlier
// ones, so that no path is claimed twice.
func TestFilesAddedBeforeAndAfterTheChild(t *testing.T) {
	other := newStage(t)
	if err := os.WriteFile(filepath.Join(other.dir, "taken"), []byte("taken"), 0o644); err != nil {
		t.Fatal(err)
	}
	take := func(u *Unpacker, name string) error {
		entries := []record.Entry{{Path: "lib", Type: record.Dir, Mode: 0o700}, {Path: "lib/" + name, Type: record.File, Mode: 0o644, Size: 5, Digest: verify.DigestOf([]byte("taken"))},
			{Path: "lib/link-" + name, Type: record.Link, Target: name}}
		return u.CopyFrom(t.Context(), unpack.Archive{Name: "another prefix", Component: "old"}, entries, func(string) (*os.File, error) { return other.root.Open("taken") })
	}
	for way, c := range walls() {
		t.Run(way, func(t *testing.T) {
			s := newStage(t)
			u := s.start(t, c, unpack.DefaultLimits())
			if err := take(u, "first"); err != nil {
				t.Fatal(err)
			}
			if err := u.Add(t.Context(), opened(t, archiveOf(t, "lib/new", "bin/new")), archive("new")); err != nil {
				t.Fatal(err)
			}
			if err := take(u, "last"); err != nil {
				t.Fatal(err)
			}
			if err := u.AddFile(t.Context(), "a release", manifests.File{Path: "bin/written", Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
			if c.Path != "" {
				if err := u.Add(t.Context(), opened(t, archiveOf(t, "late")), archive("late")); !errors.Is(err, unpack.ErrEnded) {
					t.Errorf("an archive after the child has ended: %v", err)
				}
			}
			entries, err := u.Finish(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range entries {
				got = append(got, e.Path+":"+e.Component)
			}
			want := []string{"bin:of new", "bin/new:of new", "bin/written:", "lib:old", "lib/first:old", "lib/last:old", "lib/link-first:old", "lib/link-last:old", "lib/new:of new"}
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
		t.Run(way+", the same path twice", func(t *testing.T) {
			u := newStage(t).start(t, c, unpack.DefaultLimits())
			if err := take(u, "first"); err != nil {
				t.Fatal(err)
			}
			err := u.Add(t.Context(), opened(t, archiveOf(t, "lib/first")), archive("new"))
			if e, ok := errors.AsType[*unpack.EntryError](err); !ok || e.Rule != unpack.RuleOnce || e.Archive != "new" || e.Detail != "another prefix has it too" {
				t.Errorf("got %v", err)
			}
		})
	}
}

var someClaims = []unpack.Claim{
	{Entry: &record.Entry{Path: "bin", Type: record.Dir, Mode: 0o755, Component: "1"}, Archive: "one", Raw: "./bin/"},
	{Entry: &record.Entry{Path: "bin/a", Type: record.File, Mode: 0o644, Size: 1 << 40, Digest: verify.DigestOf(nil), Component: "2"}, Archive: "two", Raw: "bin/a"},
	{Entry: &record.Entry{Path: "bin/b", Type: record.Link, Target: "../" + strings.Repeat("x", 4000), Component: "1"}, Archive: "one", Raw: "top/bin/b"},
}

func TestClaimsOnTheWire(t *testing.T) {
	known := []archiveID{{"two", "2"}, {"one", "1"}, {"two", "2"}}
	for name, archives := range map[string][]archiveID{"known": known, "not known": nil, "known in part": known[:1]} {
		var wire bytes.Buffer
		if err := writeClaims(&wire, someClaims, archives); err != nil {
			t.Fatal(err)
		}
		for _, named := range []bool{true, false} {
			got, err := parseClaims(inPieces(wire.Bytes(), 7), archives, named, len(someClaims))
			if !named && name != "known" {
				if err == nil {
					t.Errorf("%s: accepted an archive that was not requested", name)
				}
				continue
			}
			if err != nil || !reflect.DeepEqual(got.all, someClaims) {
				t.Errorf("%s: got %v, %v", name, got, err)
			}
		}
		if _, err := parseClaims(inPieces(wire.Bytes(), 1), archives, true, len(someClaims)-1); err == nil {
			t.Errorf("%s: accepted more claims than the limit", name)
		}
		for n := range wire.Len() {
			if got, err := parseClaims(inPieces(wire.Bytes()[:n], n+1), archives, true, 10); err == nil {
				t.Errorf("%s: cut to %d bytes: %v", name, n, got)
			}
		}
	}
}

// inPieces cuts text into pieces of size bytes.
func inPieces(text []byte, size int) (pieces []string) {
	for piece := range slices.Chunk(text, size) {
		pieces = append(pieces, string(piece), "")
	}
	return pieces
}

// The longest claims within the limits are received, and longer ones refused.
func TestClaimsHaveACeiling(t *testing.T) {
	limits := unpack.Limits{Entries: 3, Names: 40}
	most := verify.DigestOf(nil)
	var claims []unpack.Claim
	for _, path := range []string{"a", "b", "c"} {
		e := &record.Entry{Path: path, Type: record.File, Mode: math.MaxUint32, Size: -1, Digest: most, Component: "1"}
		claims = append(claims, unpack.Claim{Entry: e, Archive: "one", Raw: "another " + path + " x"})
	}
	var wire bytes.Buffer
	if err := writeClaims(&wire, claims, []archiveID{{"one", "1"}}); err != nil {
		t.Fatal(err)
	}
	if int64(wire.Len()) > maxClaims(limits) {
		t.Errorf("%d bytes of claims within the limits, but the ceiling is %d", wire.Len(), maxClaims(limits))
	}
	for _, extra := range []int64{0, 1} {
		text, err := receiveClaims(io.LimitReader(rand.Reader, maxClaims(limits)+extra), maxClaims(limits))
		var size int64
		for _, block := range text {
			size += int64(len(block))
		}
		if (err == nil) != (extra == 0) || err == nil && size != maxClaims(limits) {
			t.Errorf("%d bytes over the ceiling: received %d, %v", extra, size, err)
		}
	}
}

// FuzzClaims checks that parsing ends for any input, and that parsed claims can be
// written and parsed again.
func FuzzClaims(f *testing.F) {
	var wire bytes.Buffer
	if err := writeClaims(&wire, someClaims, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(wire.Bytes(), true)
	f.Add([]byte("\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false)
	f.Fuzz(func(t *testing.T, packet []byte, named bool) {
		archives := []archiveID{{"one", "1"}, {"two", "2"}}
		claims, err := parseClaims(inPieces(packet, 1+len(packet)/3), archives, named, 100)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeClaims(&again, claims.all, archives); err != nil {
			t.Fatal(err)
		}
		if got, err := parseClaims(inPieces(again.Bytes(), 1<<20), archives, true, 100); err != nil || !reflect.DeepEqual(got, claims) {
			t.Fatalf("%v comes back as %v, %v", claims, got, err)
		}
	})
}

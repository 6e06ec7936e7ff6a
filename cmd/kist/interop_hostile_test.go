//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// hostileCommands are what a user may run in a check-out, with the exit codes that they may
// have there. What a built-in channel offers may be asked for by a file, so that install
// and lock have no network.
var hostileCommands = []struct {
	line  string
	codes string // with blanks around each
}{
	{"kist project", " 0 2 "},
	{"kist project --json", " 0 2 "},
	{"kist install --offline", " 0 2 3 6 "},
	{"kist install --offline --locked", " 1 2 "},
	{"kist lock --offline -n", " 0 2 3 6 "},
	{"kist lock --offline", " 0 2 3 6 "},
	{"kist run hello", " 0 125 "},
	{"kist run -- hello", " 0 125 "},
	{"kist env --shell posix", " 0 2 3 "},
	{"kist env --shell posix-hook", " 0 2 "},
	{"kist shims", " 0 2 "},
	{"hello", " 0 125 127 "},
	{"node", " 125 127 "},
}

// TestHostileProjectsTraced runs every verb that reads a project's files, and launchers, in
// every hostile check-out. A trace shows that they open no socket, run nothing but kist and
// the program that they are for, and write to kist's own directories alone.
func TestHostileProjectsTraced(t *testing.T) {
	h := switchedHome(t)
	h.must("shims", "on", "node", "go", "cargo", "java")
	bin := h.path(".local", "bin")
	h = h.with("PATH=" + bin + ":" + filepath.Dir(h.program) + ":/usr/bin:/bin")
	may := tracedProject{h: h, bin: bin, hello: regexp.MustCompile(`^(` + regexp.QuoteMeta(h.data("prefixes")) + `|` + regexp.QuoteMeta(h.data("current")) + `/default)/.*hello$`)}

	// The honest twin first: the trace sees the commands run, and sockets where there are any.
	must(t, os.Mkdir(h.path("honest"), 0o755))
	write(t, h.path("honest", ".tool-versions"), "hello 1.1\n", 0o644)
	trace, said := may.trace(t, h.path("honest"))
	for _, want := range []string{h.program, filepath.Join(bin, "hello"), "/bin/hello"} {
		if !strings.Contains(trace, `execve("`+want) && !regexp.MustCompile(`execve\("[^"]*`+regexp.QuoteMeta(want)).MatchString(trace) {
			t.Errorf("the trace has no start of %s", want)
		}
	}
	if problems := may.problems(trace, h.path("honest")); len(problems) > 0 || strings.Count(said, "hello 1.1\n") != 3 {
		t.Errorf("an honest project: %q, %s", problems, said)
	}
	log := filepath.Join(t.TempDir(), "strace")
	write(t, h.path("honest", "kist.toml"), "[tools]\nterraform = \"1.9\"\n", 0o644)
	online := h.in(h.path("honest")).with("HTTPS_PROXY=http://127.0.0.1:9")
	online.prefix = append([]string{"strace", "-f", "-e", "trace=%network", "-o", log}, online.prefix...)
	online.exits(6, "install")
	contains(t, takeFile(t, log), `socket\(`)

	for i, hostile := range hostileRepos() {
		t.Run(fmt.Sprintf("%d_%s", i, hostile.file), func(t *testing.T) {
			repo := h.path(fmt.Sprint("repo", i))
			must(t, os.Mkdir(repo, 0o755))
			hostile.make(t, repo)
			before := h.holds()
			trace, said := may.trace(t, repo)
			for _, problem := range may.problems(trace, repo) {
				t.Error(problem)
			}
			var codes []string
			for _, line := range strings.Split(said, "\n") {
				if code, ok := strings.CutPrefix(line, "exit code "); ok {
					codes = append(codes, code)
				}
			}
			if len(codes) != len(hostileCommands) {
				t.Fatalf("%d of %d commands ended: %s", len(codes), len(hostileCommands), said)
			}
			for i, c := range hostileCommands {
				if !strings.Contains(c.codes, " "+codes[i]+" ") {
					t.Errorf("%s: exit code %s, want one of%s: %s", c.line, codes[i], c.codes, said)
				}
			}
			after := h.holds()
			for name := range after { // the answers of launchers, and the lock of an honest request
				if _, had := before[name]; !had && (strings.HasPrefix(name, h.data("generations")) || name == filepath.Join(repo, "kist.lock")) {
					delete(after, name)
				}
			}
			same(t, before, after)
			if exists(t, filepath.Join(repo, "pwned")) {
				t.Error("a command of the check-out was run")
			}
		})
	}
}

// tracedProject is what may happen in a check-out.
type tracedProject struct {
	h     *home
	bin   string
	hello *regexp.Regexp // the programs that the launcher may start
}

// trace runs hostileCommands in dir, and returns the trace of their system calls, and what
// they said with the exit code of each.
func (p tracedProject) trace(t *testing.T, dir string) (trace, said string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace")
	script := ""
	for _, c := range hostileCommands {
		script += c.line + " </dev/null; echo \"exit code $?\"\n"
	}
	shell := *p.h
	shell.prefix = []string{"strace", "-f", "-y", "-s", "4096", "--seccomp-bpf", "-o", log, "-e",
		"trace=%network,execve,execveat,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,chmod,fchmod,fchmodat,truncate,ftruncate,mknod,mknodat,utimensat",
		"env", "-C", dir, "sh", "-c", script}
	shell.program = "sh" // the name of the script
	o := shell.kist()
	return takeFile(t, log), o.stdout + o.stderr
}

var (
	callLine    = regexp.MustCompile(`^[0-9]+ +([a-z0-9_]+)\((.*)`)
	resultError = regexp.MustCompile(`= -1 E[A-Z]+ `)
	tracedPath  = regexp.MustCompile(`^(?:AT_FDCWD<([^>]*)>|[0-9]+<([^>]*)>)?(?:, )?"((?:[^"\\]|\\.)*)"`)
)

// problems returns the calls of a trace that must not be made in dir.
func (p tracedProject) problems(trace, dir string) (problems []string) {
	for _, line := range strings.Split(trace, "\n") {
		m := callLine.FindStringSubmatch(line)
		if m == nil || resultError.MatchString(line) && m[1] != "connect" {
			continue
		}
		call, arguments := m[1], m[2]
		path := ""
		if at := tracedPath.FindStringSubmatch(arguments); at != nil {
			if path = at[3]; !filepath.IsAbs(path) {
				path = filepath.Join(at[1]+at[2], path)
			}
		} else if at := regexp.MustCompile(`^[0-9]+<([^>]*)>`).FindStringSubmatch(arguments); at != nil {
			path = at[1]
		}
		switch {
		case call == "execve" || call == "execveat":
			if !p.mayRun(path) {
				problems = append(problems, "ran "+line)
			}
		case strings.HasPrefix(call, "open") && !regexp.MustCompile(`O_WRONLY|O_RDWR|O_CREAT|O_TRUNC`).MatchString(arguments):
		case strings.HasPrefix(call, "open"), slices.Contains([]string{"creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir",
			"link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "truncate", "ftruncate", "mknod", "mknodat", "utimensat"}, call):
			if !p.mayWrite(path, dir, arguments) {
				problems = append(problems, "wrote "+line)
			}
		default: // of the network
			problems = append(problems, "network: "+line)
		}
	}
	return problems
}

func (p tracedProject) mayRun(path string) bool {
	return path == p.h.program || filepath.Dir(path) == p.bin || p.hello.MatchString(path) || path == "/usr/bin/env" || path == "/usr/bin/sh" || path == "/bin/sh"
}

// mayWrite reports whether path is in a directory of kist's, or the lock of the project.
func (p tracedProject) mayWrite(path, dir, arguments string) bool {
	if path == "/dev/null" || path == "/dev/tty" {
		return true
	}
	if filepath.Dir(path) == dir && (strings.Contains(arguments, "kist.lock") || strings.Contains(arguments, "\".kist-")) {
		return true
	}
	return slices.ContainsFunc([]string{".local/share/kist", ".local/state/kist", ".cache", ".config/kist", ".local/bin"}, func(own string) bool {
		own = p.h.path(own)
		return path == own || strings.HasPrefix(path, own+"/")
	})
}

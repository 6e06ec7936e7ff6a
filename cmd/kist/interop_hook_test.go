//go:build interop

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// These tests switch toolchains in shells at a terminal.

// switchedHome returns a home with two versions of hello and a project. The default is
// 1.0, and the project asks for 1.1.
func switchedHome(t *testing.T) *home {
	t.Helper()
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 3, "1.0", "1.1")
	key := filepath.Join(channel, "acme.asc")
	write(t, key, takeFile(t, acme.publicKey()), 0o644)
	h := newHome(t, build(t))
	h.must("channel", "add", "acme", channel, "--key", key)
	h.must("install", "acme/hello@1.0")
	h.must("install", "acme/hello@1.1", "--no-default")
	h.must("shims", "on")
	file := filepath.Join(h.path("shop"), ".tool-versions")
	must(t, os.MkdirAll(h.path("shop", "it's src"), 0o755))
	write(t, file, "hello 1.1\n", 0o644)
	hour := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(file, hour, hour))
	return h
}

// enter types line, and waits until it is done.
func (s *interactive) enter(line string) { s.t.Helper(); s.says(line, "result") }

// says types line, and fails unless the output matches want.
func (s *interactive) says(line, want string) {
	s.t.Helper()
	s.mu.Lock()
	s.seen.Reset()
	s.mu.Unlock()
	s.typed(line + "; echo re''sult\n")
	s.until(`(?s)result\r?\n`)
	s.until(`(?s)result\r?\n.*[$%#>] ?`)
	if text := s.output(); !regexp.MustCompile(want).MatchString(text) {
		s.t.Errorf("%s: no %q in %q", line, want, text)
	}
}

// TestHooksInShells checks that each hook sets the project's environment, undoes it outside
// while what else was set stays, and starts no kist while nothing changes.
func TestHooksInShells(t *testing.T) {
	h := switchedHome(t)
	file, program := h.path("shop", ".tool-versions"), h.program
	for name, shell := range map[string]struct {
		argv  []string
		setup string
		add   string // puts a directory on PATH
	}{
		"bash": {[]string{"bash", "--noprofile", "--norc", "-i"}, `PROMPT_COMMAND="PROMPTED=yes"; eval "$(kist env --hook bash)"; eval "$(kist env --hook bash)"`, "PATH=$PATH:/added"},
		// Without prompt_sp, whose mark looks like a prompt and comes before the hook's output.
		"zsh":  {[]string{"zsh", "-f", "-i"}, `unsetopt prompt_sp; eval "$(kist env --hook zsh)"`, "PATH=$PATH:/added"},
		"fish": {[]string{"fish", "--no-config", "-i"}, "kist env --hook fish | source", "set -gx PATH $PATH /added"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openShell(t, h, shell.argv, shell.setup)
			s.says("hello", "not found|Unknown command")
			s.enter("cd \"shop/it's src\"")
			s.says("hello", "hello 1.1")
			s.enter(shell.add)
			away := program + ".away"
			must(t, os.Rename(program, away))
			s.enter("cd ..; true")
			s.enter("false")
			s.says("hello", "hello 1.1\r?\n")
			s.enter("cd " + h.dir)
			s.says("hello", "not found|Unknown command")
			s.says("env", "PATH=.*:/added\r?\n")
			if text := s.output(); strings.Contains(text, "hello-1.1") {
				t.Errorf("PATH is not as it was: %q", text)
			}
			must(t, os.Rename(away, program))
			s.enter("cd shop")
			write(t, file, "hello 1.0\n", 0o644)
			s.enter("true")
			s.says("hello", "hello 1.0")
			write(t, file, "hello 1.2\n", 0o644)
			s.says("true", "the project of this directory asks for hello@1.2, which is not installed: kist install")
			s.says("hello", "not found|Unknown command")
			write(t, file, "hello 1.1\n", 0o644)
			s.enter("true")
			s.says("hello", "hello 1.1")
		})
	}
}

// TestHooksAreFast checks that a prompt costs less than 10 ms while nothing changes.
func TestHooksAreFast(t *testing.T) {
	h := switchedHome(t)
	for name, shell := range map[string][]string{
		"bash": {"bash", "--norc", "-c", `eval "$(kist env --hook bash)"; _kist_hook; time for i in {1..100}; do _kist_hook; done`},
		"zsh":  {"zsh", "-f", "-c", `eval "$(kist env --hook zsh)"; _kist_hook; time (for i in {1..100}; do _kist_hook; done)`},
		"fish": {"fish", "--no-config", "-c", "kist env --hook fish | source; _kist_hook; time for i in (seq 100); _kist_hook; end"},
	} {
		cmd := exec.Command(shell[0], shell[1:]...)
		cmd.Dir, cmd.Env = h.path("shop", "it's src"), append(slices.Clone(h.env), "PATH="+filepath.Dir(h.program)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v %s", name, err, out)
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		t.Logf("%s: %v for 100 prompts, with the shell's start: %s", name, used, out)
		if used > time.Second {
			t.Errorf("%s: %v for 100 prompts", name, used)
		}
	}
}

// TestShimsInShells checks that a launcher follows the directory in every shell, and that
// nothing is installed by running it.
func TestShimsInShells(t *testing.T) {
	h := switchedHome(t)
	bin := h.path(".local", "bin")
	for name, argv := range map[string][]string{
		"dash": {"dash", "-i"}, "bash": {"bash", "--noprofile", "--norc", "-i"}, "zsh": {"zsh", "-f", "-i"}, "fish": {"fish", "--no-config", "-i"},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, h.path("shop", ".tool-versions"), "hello 1.1\n", 0o644)
			set := "export PATH=" + bin + ":$PATH"
			if name == "fish" {
				set = "set -gx PATH " + bin + " $PATH"
			}
			s := openShell(t, h, argv, set)
			s.says("hello", "hello 1.0")
			s.enter("cd \"shop/it's src\"")
			s.says("hello", "hello 1.1")
			write(t, h.path("shop", ".tool-versions"), "hello 1.2\n", 0o644)
			s.says("hello", "kist install\r?\n")
		})
	}
}

// TestEnvInShells checks that the output of kist env sets the project's environment in every
// shell, named by --shell or guessed from what the shell exports.
func TestEnvInShells(t *testing.T) {
	h := switchedHome(t)
	for name, shell := range map[string]struct {
		argv []string
		line string // that sets the environment
	}{
		"dash":    {[]string{"dash", "-i"}, `eval "$(kist env --shell posix)"`},
		"bash":    {[]string{"bash", "--noprofile", "--norc", "-i"}, `eval "$(kist env)"`},
		"zsh":     {[]string{"zsh", "-f", "-i"}, `eval "$(kist env)"`},
		"mksh":    {[]string{"mksh", "-i"}, `eval "$(kist env --shell posix)"`},
		"busybox": {[]string{"busybox", "sh", "-i"}, `eval "$(kist env --shell posix)"`},
		"fish":    {[]string{"fish", "--no-config", "-i"}, `kist env --shell fish | source`},
	} {
		t.Run(name, func(t *testing.T) {
			s := openShell(t, h.with("SHELL=/bin/"+name), shell.argv)
			s.says("hello", "not found|Unknown command")
			s.enter("cd \"shop/it's src\"")
			s.enter(shell.line)
			s.says("hello", "hello 1.1\r?\n")
			s.enter("cd " + h.dir) // which does not undo it
			s.says("hello", "hello 1.1\r?\n")
			s.enter(shell.line)
			s.says("hello", "hello 1.0\r?\n")
		})
	}
}

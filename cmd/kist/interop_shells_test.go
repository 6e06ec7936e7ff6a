//go:build interop

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/host"
)

// These tests feed the output for shells to the shells themselves.

// interactive is an interactive shell at its own terminal.
type interactive struct {
	t      *testing.T
	master *os.File
	mu     sync.Mutex
	seen   strings.Builder
}

// openShell starts a shell in h, without its start-up files, and runs the commands of
// setup in it.
func openShell(t *testing.T, h *home, argv []string, setup ...string) *interactive {
	t.Helper()
	master, slave := terminalPair(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 200}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = h.dir
	cmd.Env = append(slices.Clone(h.env), "PATH="+filepath.Dir(h.program)+":"+os.Getenv("PATH"), "TERM=xterm", "LC_ALL=C.UTF-8")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &interactive{t: t, master: master}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			s.mu.Lock()
			s.seen.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for i, line := range append(setup, "true") {
		s.typed(fmt.Sprintf("%s; echo re''ady%d\n", line, i))
		s.until(fmt.Sprintf("ready%d", i))
	}
	return s
}

func (s *interactive) typed(text string) {
	s.t.Helper()
	if _, err := s.master.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

func (s *interactive) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// until waits for text that matches, and returns it.
func (s *interactive) until(pattern string) string {
	s.t.Helper()
	wanted := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if found := wanted.FindString(s.output()); found != "" {
			return found
		}
	}
	s.t.Fatalf("no %q in:\n%q", pattern, s.output())
	return ""
}

// complete types a line and a tab, and returns the words of the line after completion.
func (s *interactive) complete(line string) []string {
	s.t.Helper()
	s.mu.Lock()
	s.seen.Reset()
	s.mu.Unlock()
	s.typed(line + "\t")
	time.Sleep(300 * time.Millisecond) // shells throw away what is typed ahead of a completion
	s.typed("\x01printf '<%s>' \x05 ; echo do''ne\n")
	text := s.until(`(?s)<kist>.*done`)
	var words []string
	for _, word := range regexp.MustCompile(`<[^<>]*>`).FindAllString(text, -1) {
		words = append(words, strings.Trim(word, "<>"))
	}
	return words
}

func TestCompletionInShells(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 3, "1.0", "1.1")
	key := filepath.Join(channel, "acme.asc")
	write(t, key, takeFile(t, acme.publicKey()), 0o644)
	h := newHome(t, program)
	h.must("channel", "add", "acme", channel, "--key", key)
	h.must("install", "acme/hello@1.0")

	for name, shell := range map[string]struct {
		argv  []string
		setup []string
	}{
		"bash":              {[]string{"bash", "--noprofile", "--norc", "-i"}, []string{"source <(kist completion bash)"}},
		"zsh":               {[]string{"zsh", "-f", "-i"}, []string{"bindkey -e", "source <(kist completion zsh); autoload -Uz compinit && compinit -u"}},
		"zsh with compinit": {[]string{"zsh", "-f", "-i"}, []string{"bindkey -e", "autoload -Uz compinit && compinit -u", "source <(kist completion zsh)"}},
		"zsh from fpath": {[]string{"zsh", "-f", "-i"}, []string{"bindkey -e", "mkdir -p functions; kist completion zsh >functions/_kist",
			"fpath=($PWD/functions $fpath); autoload -Uz compinit && compinit -u"}},
		"fish": {[]string{"fish", "--no-config", "-i"}, []string{"kist completion fish | source"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openShell(t, h, shell.argv, shell.setup...)
			for _, test := range []struct{ line, want string }{
				{"kist uninst", "kist uninstall"},
				{"kist uninstall hel", "kist uninstall hello"},
				{"kist install hello@1.1", "kist install hello@1.1"},
				{"kist install acme/hel", "kist install acme/hello"},
				{"kist install acme/hello@1.1", "kist install acme/hello@1.1"},
				{"kist install tempo@", "kist install tempo@"},
				{"kist --color nev", "kist --color never"},
				{"kist --color=nev", "kist --color=never"},
				{"kist run hello -- hel", "kist run hello -- hello"},
				{"kist which hel", "kist which hello"},
				{"kist channel remove ac", "kist channel remove acme"},
				{"kist channel remove terra", "kist channel remove terra"},
				{"kist channel add x y --format chec", "kist channel add x y --format checksums"},
				{"kist install terraf", "kist install terraform"},
				{"kist default hello@1.", "kist default hello@1.0"},
			} {
				if got := strings.Join(s.complete(test.line), " "); got != test.want {
					t.Errorf("%s: completed to %q, want %q", test.line, got, test.want)
				}
			}
			if text := s.output(); strings.Contains(text, "not found") || strings.Contains(text, "compdef") {
				t.Errorf("it complains: %q", text)
			}
		})
	}
}

// Nothing that is typed is evaluated before the line is entered.
func TestCompletionEvaluatesNothing(t *testing.T) {
	program := build(t)
	h := newHome(t, program)
	for name, shell := range map[string]struct{ argv, setup []string }{
		"bash": {[]string{"bash", "--noprofile", "--norc", "-i"}, []string{"source <(kist completion bash)"}},
		"zsh":  {[]string{"zsh", "-f", "-i"}, []string{"bindkey -e", "autoload -Uz compinit && compinit -u", "source <(kist completion zsh)"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openShell(t, h, shell.argv, shell.setup...)
			s.typed("kist install '$(touch evaluated)' \"$(touch evaluated)\" `touch evaluated` g\t")
			time.Sleep(time.Second)
			s.typed("\x03")
			time.Sleep(300 * time.Millisecond) // which throws away what is typed ahead
			s.typed("echo th''ere\n")
			s.until("there")
			if _, err := os.Lstat(h.path("evaluated")); err == nil {
				t.Error("it was run")
			}
		})
	}
}

// Without compinit, zsh is told once what is missing.
func TestCompletionWithoutCompinit(t *testing.T) {
	h := newHome(t, build(t))
	s := openShell(t, h, []string{"zsh", "-f", "-i"}, "source <(kist completion zsh)", ":", ":")
	if n := strings.Count(s.output(), "completion needs zsh's compinit"); n != 1 || strings.Contains(s.output(), "command not found") {
		t.Errorf("told %d times: %q", n, s.output())
	}
}

// anyPath is a path of any bytes that a file may have.
func anyPath() *rapid.Generator[string] {
	special := rapid.SampledFrom([]string{"'", `\`, `\'`, `"`, "$HOME", "$(x)", "`x`", "\n", "\t", " ", "%PATH%", "!", "*", "~", "é", "日", "\x80", "\xff\xfe", "‘", "’", "&", ";", "#", "\x01", "\x7f", "-n"})
	part := rapid.OneOf(special, rapid.StringOfN(rapid.RuneFrom([]rune("ab/._")), 1, 5, -1),
		rapid.Map(rapid.ByteRange(1, 255), func(b byte) string { return string([]byte{b}) }))
	return rapid.Map(rapid.SliceOfN(part, 1, 8), func(parts []string) string { return "/" + strings.Join(parts, "") })
}

// Every value survives a POSIX shell and fish unchanged.
func TestShellsReadEveryValue(t *testing.T) {
	dir := commonDir(t)
	for name, test := range map[string]struct {
		to    host.Shell
		argv  []string
		print string
	}{
		"sh":   {host.POSIX, []string{"sh"}, `printf '%s' "$KIST_TEST"`},
		"bash": {host.POSIX, []string{"bash", "--noprofile", "--norc"}, `printf '%s' "$KIST_TEST"`},
		"zsh":  {host.POSIX, []string{"zsh", "-f"}, `printf '%s' "$KIST_TEST"`},
		"fish": {host.Fish, []string{"fish", "--no-config"}, `printf '%s' "$KIST_TEST"`},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range 40 {
				values := anyPath().Example(seed)
				line, err := test.to.SetLine("KIST_TEST", values)
				if err != nil {
					t.Fatal(err)
				}
				script := filepath.Join(dir, "script")
				write(t, script, line+"\n"+test.print+"\n", 0o644)
				out, err := exec.Command(test.argv[0], append(test.argv[1:], script)...).Output()
				if err != nil || string(out) != values {
					t.Errorf("%q came as %q, %v", values, out, err)
				}
			}
		})
	}
	// PATH is a list in fish.
	line, _ := host.Fish.SetLine("PATH", `/usr/bin:/bin:/it's \a`)
	out, err := exec.Command("fish", "--no-config", "-c", line+"\nenv").Output()
	if err != nil || !strings.Contains(string(out), "\nPATH=/usr/bin:/bin:/it's \\a\n") && !strings.HasPrefix(string(out), "PATH=/usr/bin:/bin:/it's \\a\n") {
		t.Errorf("%v: %s", err, out)
	}
}

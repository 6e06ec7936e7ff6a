package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// testEnv returns an Env with its own home and no network.
func testEnv(t *testing.T, args ...string) (cli.Env, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	home := t.TempDir()
	var out, talk bytes.Buffer
	getenv := func(name string) string {
		if name == "HOME" {
			return home
		}
		return ""
	}
	return cli.Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk,
		Environ: []string{"HOME=" + home, "PATH=/nowhere"},
		Now:     func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) },
		Dirs:    host.ReadDirs(getenv, "linux"), Host: host.User(host.Root(), getenv), Platform: host.Platform(host.Root()),
		Build:      cli.ReadBuild(),
		Machine:    host.Root(),
		OwnKeys:    upstreams.OwnKeys,
		Transport:  always(transport.Offline(nil)),
		GoProxy:    func(context.Context, host.SearchPath) string { return "" },
		AptSources: func() []debian.AptSource { return nil },
		Distro:     func() string { return "" },
		Glibc:      func() string { return "" },
		MachineID:  func() string { return "0123456789abcdef0123456789abcdef" },
	}, &out, &talk
}

// always returns an Env.Transport that shows no credentials.
func always(t manifests.Transport) func(transport.Logins) manifests.Transport {
	return func(transport.Logins) manifests.Transport { return t }
}

func TestPanicsNeverReachUsers(t *testing.T) {
	env, out, talk := testEnv(t, "install", "go")
	env.GoProxy = func(context.Context, host.SearchPath) string { panic("no idea") }
	if code := run(t.Context(), env); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if out.Len() > 0 || !strings.Contains(talk.String(), "error: internal error: no idea") || strings.Contains(talk.String(), "goroutine") {
		t.Errorf("stdout %q, stderr %q", out, talk)
	}
}

// TestConfirm checks that only a person at a terminal is asked, and only before
// everything is removed.
func TestConfirm(t *testing.T) {
	person := term.Terminal{Stdin: true, Stderr: true}
	for _, test := range []struct {
		name     string
		terminal term.Terminal
		answer   string
		args     []string
		code     int
		asked    bool
	}{
		{"yes", person, "y\n", nil, 0, true},
		{"YES", person, "YES\n", nil, 0, true},
		{"no", person, "n\n", nil, 1, true},
		{"just enter", person, "\n", nil, 1, true},
		{"end of input", person, "", nil, 1, true},
		{"--yes", person, "", []string{"--yes"}, 0, false},
		{"a pipe", term.Terminal{Stderr: true}, "", nil, 0, false},
		{"a log", term.Terminal{Stdin: true}, "", nil, 0, false},
	} {
		for _, verb := range [][]string{{"uninstall", "--all"}, {"self", "uninstall"}} {
			t.Run(test.name+" to "+verb[0], func(t *testing.T) {
				env, _, talk := testEnv(t, append(verb, test.args...)...)
				env.Terminal, env.Stdin = test.terminal, strings.NewReader(test.answer)
				if code := run(t.Context(), env); code != test.code {
					t.Errorf("exit code %d, want %d: %s", code, test.code, talk)
				}
				if asked := strings.Contains(talk.String(), "[y/N]"); asked != test.asked {
					t.Errorf("asked: %v: %s", asked, talk)
				}
			})
		}
	}
}

// TestConfirmEndsOnInterrupt checks that Ctrl-C ends a question without an answer.
func TestConfirmEndsOnInterrupt(t *testing.T) {
	for _, verb := range [][]string{{"uninstall", "--all"}, {"self", "uninstall"}} {
		ctx, interrupt := context.WithCancel(t.Context())
		env, _, talk := testEnv(t, verb...)
		answer, person := io.Pipe()
		env.Terminal, env.Stdin = term.Terminal{Stdin: true, Stderr: true}, answer
		env.Stderr = io.MultiWriter(talk, writerFunc(func(p []byte) {
			if strings.Contains(string(p), "[y/N]") {
				interrupt()
			}
		}))
		if code := run(ctx, env); code != 130 || !strings.Contains(talk.String(), "[y/N]") {
			t.Errorf("%s: exit code %d: %s", verb, code, talk)
		}
		person.Close()
	}
}

type writerFunc func(p []byte)

func (w writerFunc) Write(p []byte) (int, error) { w(p); return len(p), nil }

// TestEveryVerbIsDocumented checks that every verb has an example that names it and its
// exit codes, and that those of the first level have a group.
func TestEveryVerbIsDocumented(t *testing.T) {
	root := kistCommand()
	for _, cmd := range root.Commands() {
		if cmd.GroupID == "" {
			t.Errorf("%s is in no group", cmd.CommandPath())
		}
		verbs := cmd.Commands()
		if len(verbs) == 0 {
			verbs = append(verbs, cmd)
		}
		for _, v := range verbs {
			if !strings.Contains(v.Example, "kist ") || !strings.Contains(v.Example, " "+v.Name()) {
				t.Errorf("%s: example %q", v.CommandPath(), v.Example)
			}
			if !strings.Contains(v.UsageString(), "\nExit codes\n") || !strings.Contains(v.UsageString(), "\n  2 ") {
				t.Errorf("%s states no exit codes", v.CommandPath())
			}
			if strings.HasSuffix(v.Short, ".") || v.Short == "" {
				t.Errorf("%s: short text %q", v.CommandPath(), v.Short)
			}
		}
	}
}

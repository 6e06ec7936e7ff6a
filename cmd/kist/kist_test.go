package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/install/trial"
	"github.com/kist-tools/kist/internal/rootfs"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// testEnv returns an Env with its own home and no network.
func testEnv(t *testing.T, args ...string) (Env, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	home := t.TempDir()
	var out, talk bytes.Buffer
	getenv := func(name string) string {
		if name == "HOME" {
			return home
		}
		return ""
	}
	return Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk,
		Environ: []string{"HOME=" + home, "PATH=/nowhere"},
		Now:     func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) },
		Dirs:    host.ReadDirs(getenv, "linux"), Host: host.User(host.Root(), getenv), Platform: host.Platform(host.Root()),
		Transport:  transport.Offline(nil),
		GoProxy:    func(context.Context) string { return "" },
		AptSources: func() []debian.AptSource { return nil },
		Distro:     func() string { return "" },
		Glibc:      func() string { return "" },
	}, &out, &talk
}

// TestExitCodes checks the exit code of every class of error, alone and wrapped.
func TestExitCodes(t *testing.T) {
	offline := fmt.Errorf("x: %w", manifests.ErrOffline)
	for _, test := range []struct {
		err  error
		code int
		kind string
	}{
		{errors.New("something else"), 1, "failed"},
		{&internalError{"x", "stack"}, 1, "internal"},
		{&driftError{[]string{"acme/zig@1"}}, 1, "drift"},
		{&install.ChildError{How: "signal: killed"}, 1, "child"},
		{&plainError{"declined", "x"}, 1, "declined"},
		{usage("x"), 2, "usage"},
		{&unknownVerbError{Parent: "kist"}, 2, "usage"},
		{&trust.SeveralChannelsError{Tool: "zig", Channels: []string{"a", "b"}}, 2, "usage"},
		{&toolset.SeveralVersionsError{Tool: "zig", Refs: []string{"a/zig@1", "a/zig@2"}}, 2, "usage"},
		{&trust.TakenError{Name: "acme"}, 2, "usage"},
		{&trust.BuiltinError{Name: "go"}, 2, "usage"},
		{trust.ErrFormat, 2, "usage"},
		{manifests.ErrInput, 2, "usage"},
		{publish.ErrExists, 2, "usage"},
		{&trial.NoCommandError{File: "x"}, 2, "usage"},
		{&manifests.UnknownToolError{Tool: "x"}, 3, "unknown"},
		{&manifests.UnknownVersionError{Tool: "x"}, 3, "unknown"},
		{&manifests.UnknownPartError{Tool: "x"}, 3, "unknown"},
		{&manifests.UnsupportedPlatformError{Tool: "x"}, 3, "unsupported"},
		{debian.ErrHost, 3, "unsupported"},
		{&channels.UnknownChannelError{Name: "x"}, 3, "unknown"},
		{plan.ErrNotInstalled, 3, "not-installed"},
		{&toolset.UnmetError{Demand: trust.Demand{Ref: trust.Ref{Name: "x"}, AtLeast: "1"}}, 3, "unmet"},
		{&toolset.UnmetError{Err: offline}, 6, "offline"},
		{plan.ErrNoPrevious, 3, "unknown"},
		{&toolset.NotInstalledError{Ref: trust.Ref{Name: "x"}}, 3, "not-installed"},
		{&toolset.NoCommandError{Command: "x"}, 3, "not-installed"},
		{&missingFileError{"x"}, 3, "missing"},
		{manifests.ErrNotFound, 3, "unknown"},
		{&verify.SignatureError{Name: "x"}, 4, "untrusted"},
		{&verify.DigestError{Name: "x"}, 4, "untrusted"},
		{&verify.SizeError{Name: "x"}, 4, "untrusted"},
		{&install.EntryError{Archive: "x"}, 4, "untrusted"},
		{&install.WitnessError{Artifact: "x"}, 4, "untrusted"},
		{&trust.WeakKeyError{Finding: verify.Finding{Remedy: "x"}}, 4, "untrusted"},
		{&publish.KeyError{Findings: []verify.Finding{{Remedy: "x"}}}, 4, "untrusted"},
		{&manifests.TooLargeError{Name: "x"}, 4, "untrusted"},
		{&verify.ExpiredError{Channel: "x"}, 5, "stale"},
		{&verify.DowngradeError{}, 5, "stale"},
		{&verify.MarkError{Channel: "x"}, 5, "stale"},
		{manifests.ErrUnreachable, 6, "unreachable"},
		{offline, 6, "offline"},
		{&manifests.PageError{Ref: "x"}, 6, "web-page"},
		{&manifests.EncodedError{Ref: "x", Encoding: "gzip"}, 6, "encoded"},
		{fmt.Errorf("%w: %w", manifests.ErrUnreachable, &transport.ProxyError{Host: "x", Err: errors.New("y")}), 6, "unreachable"},
		{&transport.WaitError{After: time.Hour, Err: &transport.StatusError{Code: 503}}, 6, "unreachable"},
		{&channelsError{channel: "x", gravest: &verify.SignatureError{Name: "x"}}, 4, "untrusted"},
		{&channelsError{gravest: manifests.ErrUnreachable}, 6, "unreachable"},
		{&rootfs.BusyError{Path: "x"}, 7, "busy"},
		{&install.ReceiptError{ID: "x", Err: fs.ErrInvalid}, 9, "refused"},
		{&install.ReceiptError{ID: "x", Err: syscall.EIO}, 1, "failed"},
		{&install.GenerationError{Err: syscall.EMFILE}, 1, "failed"},
		{&install.GenerationError{Err: syscall.EACCES}, 8, "permission"},
		{&verify.MarkError{Channel: "x", Err: syscall.EIO}, 1, "failed"},
		{&install.NoLocksError{Path: "x", Err: errors.ErrUnsupported}, 9, "refused"},
		{&install.SpaceError{Path: "x", Need: 2, Free: 1}, 8, "space"},
		{&install.NoProcError{Err: fs.ErrNotExist}, 8, "no-proc"},
		{&launchError{126, &noExecError{"/x/go", "go/go@1.27"}}, 126, "run"},
		{&noToolError{"x"}, 3, "unknown"},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, 8, "space"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, 8, "permission"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, 8, "permission"},
		{&plainError{"kept", "x"}, 10, "kept"},
		{&host.NoHomeError{}, 9, "refused"},
		{&trust.SystemError{Tool: "rust"}, 9, "refused"},
		{&install.SystemPrefixError{Role: "data", Path: "/usr"}, 9, "refused"},
		{&install.UnsafeDirError{Role: "bin", Path: "/x"}, 9, "refused"},
		{&plan.ForeignFileError{Path: "/x"}, 9, "refused"},
		{&plan.ConflictError{Command: "x"}, 9, "refused"},
		{&keptError{Kept: []install.Drift{{Path: "/x"}}}, 10, "kept"},
		{&launchError{125, errors.New("x")}, 125, "run"},
		{&launchError{127, errors.New("x")}, 127, "run"},
		{&interruptedError{errors.New("x")}, 130, "interrupted"},
		{&interruptedError{fmt.Errorf("x: %w", manifests.ErrUnreachable)}, 130, "interrupted"},
		{&interruptedError{verify.ErrUntrusted}, 4, "untrusted"},
		{&interruptedError{&verify.ExpiredError{}}, 5, "stale"},
		{&interruptedError{&plan.ForeignFileError{Path: "/x"}}, 9, "refused"},
		{errors.Join(context.Canceled, &install.EntryError{Archive: "x"}), 4, "untrusted"},
		{context.Canceled, 130, "interrupted"},
	} {
		for _, err := range []error{test.err, fmt.Errorf("acme: %w", test.err)} {
			a := &app{}
			f := a.explain(err)
			if f.Code != test.code || f.Kind != test.kind {
				t.Errorf("%T: exit code %d (%s), want %d (%s)", test.err, f.Code, f.Kind, test.code, test.kind)
			}
			if f.Message == "" {
				t.Errorf("%T: no message", test.err)
			}
		}
	}
}

// TestUnchanged checks that a refusal says that nothing was changed, and that no other
// message does.
func TestUnchanged(t *testing.T) {
	for code, err := range map[int]error{2: usage("x"), 4: verify.ErrUntrusted, 10: &keptError{Kept: make([]install.Drift, 2)}} {
		for _, changes := range []bool{true, false} {
			a := &app{verb: verb{changes: changes}}
			f := a.explain(err)
			if f.Code != code || f.unchanged != (changes && code == 4) {
				t.Errorf("%v, changes %v: %+v", err, changes, f)
			}
			if f = a.explain(&install.UnfinishedError{Err: err}); f.Code != code || f.unchanged {
				t.Errorf("%v, after the change was done: %+v", err, f)
			}
		}
	}
}

func TestPanicsNeverReachUsers(t *testing.T) {
	env, out, talk := testEnv(t, "install", "go")
	env.GoProxy = func(context.Context) string { panic("no idea") }
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

// TestScratch: the directory for the moment goes with all that is in it, and
// nothing that a link in it leads to.
func TestScratch(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, remove, err := (&app{}).scratchDir()
	if err != nil {
		t.Fatal(err)
	}
	name := root.Name()
	err = errors.Join(root.MkdirAll("a/b", 0o700), root.WriteFile("a/b/c", nil, 0o600),
		root.Symlink(filepath.Dir(outside), "a/out"), root.Symlink("nowhere", "dangling"))
	if err = errors.Join(err, remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", name, err)
	}
	if _, err := os.Lstat(outside); err != nil {
		t.Error(err)
	}
}

// TestEveryVerbIsDocumented checks that every verb has an example that names it and its
// exit codes, and that those of the first level have a group.
func TestEveryVerbIsDocumented(t *testing.T) {
	a := &app{}
	root := a.root()
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

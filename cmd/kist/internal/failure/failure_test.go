package failure_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/credentials"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/install/trial"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// TestExitCodes checks the exit code of every class of error, alone and wrapped.
func TestExitCodes(t *testing.T) {
	offline := fmt.Errorf("x: %w", manifests.ErrOffline)
	for _, test := range []struct {
		err  error
		code int
		kind string
	}{
		{errors.New("something else"), 1, "failed"},
		{&failure.InternalError{What: "x", Stack: "stack"}, 1, "internal"},
		{failure.Drift([]string{"acme/zig@1"}), 1, "drift"},
		{&install.ChildError{How: "signal: killed"}, 1, "child"},
		{failure.New("declined", "x"), 1, "declined"},
		{failure.Usage("x"), 2, "usage"},
		{&failure.UnknownVerbError{Parent: "kist"}, 2, "usage"},
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
		{&namedfiles.MissingError{Path: "x"}, 3, "missing"},
		{manifests.ErrNotFound, 3, "unknown"},
		{&verify.SignatureError{Name: "x"}, 4, "untrusted"},
		{&manifests.MismatchError{Err: &verify.SignatureError{Name: "x"}}, 4, "untrusted"},
		{&verify.DigestError{Name: "x"}, 4, "untrusted"},
		{&verify.SizeError{Name: "x"}, 4, "untrusted"},
		{&install.EntryError{Archive: "x"}, 4, "untrusted"},
		{&install.WitnessError{Artifact: "x"}, 4, "untrusted"},
		{&install.TreeError{Release: "x"}, 4, "untrusted"},
		{&lockfile.MismatchError{Tool: "x"}, 4, "untrusted"},
		{&lockfile.Error{Path: "x", Err: errors.New("y")}, 2, "usage"},
		{&lockfile.MissingError{Path: "x"}, 1, "lock"},
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
		{&rootfs.BusyError{Path: "x"}, 7, "busy"},
		{&install.ReceiptError{ID: "x", Err: fs.ErrInvalid}, 9, "refused"},
		{&install.ReceiptError{ID: "x", Err: syscall.EIO}, 1, "failed"},
		{&install.GenerationError{Err: syscall.EMFILE}, 1, "failed"},
		{&install.GenerationError{Err: syscall.EACCES}, 8, "permission"},
		{&verify.MarkError{Channel: "x", Err: syscall.EIO}, 1, "failed"},
		{&install.NoLocksError{Path: "x", Err: errors.ErrUnsupported}, 9, "refused"},
		{&install.SpaceError{Path: "x", Need: 2, Free: 1}, 8, "space"},
		{&install.NoProcError{Err: fs.ErrNotExist}, 8, "no-proc"},
		{&failure.LaunchError{Code: 126, Err: failure.NoExec("/x/go", "go/go@1.27")}, 126, "run"},
		{failure.NoTool("x"), 3, "unknown"},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, 8, "space"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, 8, "permission"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, 8, "permission"},
		{failure.New("kept", "x"), 10, "kept"},
		{&host.NoHomeError{}, 9, "refused"},
		{&trust.SystemError{Tool: "rust"}, 9, "refused"},
		{&install.SystemPrefixError{Role: "data", Path: "/usr"}, 9, "refused"},
		{&install.UnsafeDirError{Role: "bin", Path: "/x"}, 9, "refused"},
		{&plan.ForeignFileError{Path: "/x"}, 9, "refused"},
		{&plan.ConflictError{Command: "x"}, 9, "refused"},
		{&failure.KeptError{Kept: []install.Drift{{Path: "/x"}}}, 10, "kept"},
		{&failure.LaunchError{Code: 125, Err: errors.New("x")}, 125, "run"},
		{&failure.LaunchError{Code: 127, Err: errors.New("x")}, 127, "run"},
		{&failure.InterruptedError{Err: errors.New("x")}, 130, "interrupted"},
		{&failure.InterruptedError{Err: fmt.Errorf("x: %w", manifests.ErrUnreachable)}, 130, "interrupted"},
		{&failure.InterruptedError{Err: verify.ErrUntrusted}, 4, "untrusted"},
		{&failure.InterruptedError{Err: &verify.ExpiredError{}}, 5, "stale"},
		{&failure.InterruptedError{Err: &plan.ForeignFileError{Path: "/x"}}, 9, "refused"},
		{errors.Join(context.Canceled, &install.EntryError{Archive: "x"}), 4, "untrusted"},
		{context.Canceled, 130, "interrupted"},
	} {
		for _, err := range []error{test.err, fmt.Errorf("acme: %w", test.err)} {
			f := failure.Explain(err, failure.Context{})
			if f.Code != test.code || f.Kind != test.kind {
				t.Errorf("%T: exit code %d (%s), want %d (%s)", test.err, f.Code, f.Kind, test.code, test.kind)
			}
			if f.Message == "" {
				t.Errorf("%T: no message", test.err)
			}
		}
	}
}

// The hints for publishers say what they can do, and never to ask the publisher.
func TestHintsForPublishers(t *testing.T) {
	for _, path := range []string{"publish verify", "publish sign", "publish keys", "publish add"} {
		for _, err := range []error{
			&verify.SignatureError{Name: "x", Need: 1}, &verify.DigestError{Name: "x"}, &verify.ExpiredError{}, &verify.DowngradeError{},
			publish.ErrNoKeys, verify.ErrUntrusted, verify.ErrStale,
		} {
			f := failure.Explain(err, failure.Context{Verb: path})
			if f.Hint == "" || strings.Contains(f.Hint, "publisher,") || strings.Contains(f.Hint, "its publisher") || strings.Contains(f.Hint, "from another network") {
				t.Errorf("%s: %T: %q", path, err, f.Hint)
			}
		}
		if f := failure.Explain(&verify.DigestError{Name: "x"}, failure.Context{Verb: "install"}); !strings.Contains(f.Hint, "from another network") {
			t.Errorf("a user: %q", f.Hint)
		}
	}
}

// TestLoginHints checks that an answer of a server, or of a proxy, that wants to know who
// asks leads to the file to edit.
func TestLoginHints(t *testing.T) {
	settings := filepath.Join("/home/u/.config", "kist")
	for _, test := range []struct {
		err  error
		want string
	}{
		{&transport.StatusError{Ref: "x", Code: 401, Server: "https://h"}, `[[credential]] with url = "https://h/" to ` + filepath.Join(settings, "config.toml") + ", or the host to a netrc file"},
		{&transport.StatusError{Ref: "x", Code: 403, Server: "http://h"}, `[[credential]] with url = "http://h/" to ` + filepath.Join(settings, "config.toml")},
		{&transport.StatusError{Ref: "x", Code: 401, Server: "https://h", Shown: transport.FromURL}, filepath.Join(settings, "channels", "NAME.credential")},
		{&transport.StatusError{Ref: "x", Code: 403, Server: "https://h", Shown: "/etc/kist/config.toml"}, "[[credential]] of /etc/kist/config.toml names"},
		{&transport.StatusError{Ref: "x", Code: 401, Server: "https://h", Shown: "/home/u/.netrc"}, "of /home/u/.netrc; correct them there"},
		{&transport.StatusError{Ref: "x", Code: 407, Server: "https://h"}, "http://USER:PASSWORD@HOST:PORT"},
		{&transport.ProxyError{Host: "p", Err: &transport.StatusError{Code: 407}}, "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: http://USER:PASSWORD@HOST:PORT"},
		{&transport.ProxyError{Host: "p", Err: &transport.StatusError{Code: 403}}, "check the proxy"},
		{&transport.StatusError{Ref: "x", Code: 418, Server: "https://h", Shown: "/home/u/.netrc"}, "check the network"},
		{&credentials.Error{Config: "/c", Path: "/secret file", Err: &host.UnsafeFileError{Why: "x"}}, "chmod 600 '/secret file'"},
		{&credentials.Error{Config: "/c", Path: "/helper", Helper: true, Err: &host.UnsafeFileError{Why: "x"}}, "name a program in /c"},
		{&credentials.Error{Config: "/c", Path: "/secret", Err: errors.New("it is empty")}, "[[credential]] of /c"},
	} {
		err := fmt.Errorf("acme: %w", test.err)
		if f := failure.Explain(err, failure.Context{Config: "/home/u/.config"}); !strings.Contains(f.Hint, test.want) {
			t.Errorf("%v: hint %q, want %q", test.err, f.Hint, test.want)
		}
	}
}

// TestKept checks that the message about one kept path is a sentence, whatever the reason.
func TestKept(t *testing.T) {
	for reason, want := range map[string]string{
		"changed":                    "1 path was kept because it was changed",
		"executable bits changed":    "1 path was kept because its executable bits changed",
		"kept earlier":               "1 path was kept because an earlier removal kept it",
		"without a receipt":          "1 path was kept because it has no receipt",
		"cannot be removed: busy":    "1 path was kept because it cannot be removed: busy",
		"no longer a link":           "1 path was kept because it is no longer a link",
		"not kist's":                 "1 path was kept because it is not kist's",
		"kist's under another HOME":  "1 path was kept because it is kist's under another HOME",
		"a directory above it moved": "1 path was kept because a directory above it moved",
		"for another reason":         "1 path was kept: for another reason",
	} {
		if got := failure.Kept([]install.Drift{{Path: "/x", Reason: reason}}, false).Error(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	two := []install.Drift{{Path: "/x", Reason: "changed"}, {Path: "/y", Reason: "changed"}}
	if got, want := failure.Kept(two, true).Error(), "2 paths would be kept"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

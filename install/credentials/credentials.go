// Package credentials finds what kist shows to servers that serve only those they know: a
// user and password, or a token.
//
// It looks in this order:
//
//   - [[credential]] tables of config.toml: of those whose url begins the URL that is
//     asked, the one with the longest. It names a file with a token, a user and a file
//     with the password, or a program that prints both ([Finder.Ask]).
//   - the netrc file, by the name of the host, over https or to this machine.
//   - for registries, the files of docker and podman, and the helpers that these name.
//
// What is found is never stored and never printed.
package credentials

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// maxSecret is the ceiling on a file that holds one password or token, in bytes.
const maxSecret = 64 << 10

// A Finder finds credentials. It reads each file and runs each helper at most once. It
// must not be copied after its first use.
type Finder struct {
	Config  config.Config
	Netrc   string       // the path of the netrc file; empty: none
	Docker  []string     // the paths of the files of docker and podman: see [DockerFiles]
	User    install.Host // who may read and change the files
	Own     []string     // directories that hold what kist installed; no helper below them is run
	Environ []string     // what helpers get: see [HelperEnviron]
	Ask     host.HelperFunc
	Warn    func(text string)

	mu     sync.Mutex
	found  map[config.Credential]answer
	netrc  *netrc       // nil: not read yet
	docker []dockerFile // nil: not read yet
	warned map[string]bool
}

// An answer is what a [[credential]] leads to.
type answer struct {
	shown transport.Authorization
	err   error
}

// A netrc is a netrc file that was read.
type netrc struct {
	entries config.Netrc
	exposed string // why it is not used; empty: it is
}

// An Error reports that a [[credential]] of config.toml leads to no password or token. Its
// kind is "refused" for a file or helper that others can change, "unreachable" for a
// helper that gave no usable answer, else "usage". It never holds a secret.
type Error struct {
	Config string // the path of the config.toml
	Path   string // of the file or helper that it names
	Helper bool   // Path is a helper
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Kind returns the class of the error.
func (e *Error) Kind() string {
	if _, unsafe := errors.AsType[*host.UnsafeFileError](e.Err); unsafe {
		return "refused"
	}
	if _, asked := errors.AsType[*helperError](e.Err); asked {
		return "unreachable"
	}
	return verify.ReadKind(e.Err, "usage")
}

// A helperError reports that a helper gave no usable answer.
type helperError struct{ err error }

func (e *helperError) Error() string { return e.err.Error() }
func (e *helperError) Unwrap() error { return e.err }

// NetrcFile returns the path of the user's netrc file: the value of NETRC, or .netrc in
// the home directory, which is called _netrc on Windows. It is empty if home is.
func NetrcFile(getenv func(string) string, home, goos string) string {
	if file := getenv("NETRC"); file != "" {
		return file
	}
	if home == "" {
		return ""
	}
	if goos == "windows" {
		return filepath.Join(home, "_netrc")
	}
	return filepath.Join(home, ".netrc")
}

// For is a transport.CredentialFunc. Its errors are *Error or the context's.
func (f *Finder) For(ctx context.Context, u *url.URL) (transport.Authorization, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.Config.For(u); ok {
		return f.configured(ctx, c)
	}
	if f.Netrc == "" || u.Scheme != "https" && !isThisMachine(u.Hostname()) {
		return transport.Authorization{}, nil
	}
	return f.fromNetrc(u.Hostname()), nil
}

// isThisMachine reports whether what is sent to a host stays on this machine.
func isThisMachine(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

// configured returns what c leads to. An interrupted answer is not remembered.
func (f *Finder) configured(ctx context.Context, c config.Credential) (transport.Authorization, error) {
	if a, ok := f.found[c]; ok {
		return a.shown, a.err
	}
	a := f.read(ctx, c)
	if ctx.Err() != nil {
		return transport.Authorization{}, ctx.Err()
	}
	if f.found == nil {
		f.found = map[config.Credential]answer{}
	}
	f.found[c] = a
	return a.shown, a.err
}

func (f *Finder) read(ctx context.Context, c config.Credential) (a answer) {
	a.shown.Source = c.File
	failed := Error{Config: c.File}
	switch {
	case c.TokenFile != "":
		failed.Path = c.TokenFile
		a.shown.Token, failed.Err = f.readSecret(c.TokenFile)
		if failed.Err == nil && strings.ContainsFunc(a.shown.Token, isNoTokenByte) {
			failed.Err = errors.New("it holds more than a token")
		}
	case c.PasswordFile != "":
		failed.Path, a.shown.User = c.PasswordFile, c.User
		a.shown.Password, failed.Err = f.readSecret(c.PasswordFile)
	default:
		failed.Path, failed.Helper = c.Helper, true
		program, err := host.CheckProgram(c.Helper, f.User, f.Own)
		if failed.Err = err; err == nil {
			c.Helper = program
			if a.shown.User, a.shown.Password, err = f.askHelper(ctx, c); err != nil {
				failed.Err = &helperError{err}
			}
		}
	}
	if failed.Err != nil {
		return answer{err: &failed}
	}
	return a
}

// readSecret reads a file that holds one secret, with or without a line break at its end.
func (f *Finder) readSecret(file string) (string, error) {
	data, err := host.ReadSecret(file, maxSecret, f.User)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case secret == "":
		return "", errors.New("it is empty")
	case strings.ContainsFunc(secret, isControl):
		return "", errors.New("it holds a control character, such as a second line")
	}
	return secret, nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// isNoTokenByte reports whether r cannot be part of a token: RFC 6750, section 2.1, is
// stricter, but some servers are not.
func isNoTokenByte(r rune) bool { return r <= 0x20 || r >= 0x7f }

// fromNetrc returns what the netrc file has for a host. A file that cannot be used is
// warned of once: one that others can read or change only if it has an entry for a host
// that is asked.
func (f *Finder) fromNetrc(name string) transport.Authorization {
	if f.netrc == nil {
		f.netrc = f.readNetrc()
	}
	m, ok := f.netrc.entries.For(name)
	switch {
	case !ok:
		return transport.Authorization{}
	case f.netrc.exposed != "":
		f.Warn(fmt.Sprintf("%s is not used: %s (chmod 600 %[1]s)", f.Netrc, f.netrc.exposed))
		f.netrc = &netrc{}
		return transport.Authorization{}
	}
	return transport.Authorization{User: m.Login, Password: m.Password, Source: f.Netrc}
}

func (f *Finder) readNetrc() *netrc {
	data, err := host.ReadSecret(f.Netrc, config.MaxNetrc, f.User)
	exposed, isExposed := errors.AsType[*host.UnsafeFileError](err)
	if err != nil && !isExposed {
		if !errors.Is(err, fs.ErrNotExist) {
			f.Warn(fmt.Sprintf("%s is not used: %v", f.Netrc, err))
		}
		return &netrc{}
	}
	n := &netrc{}
	if isExposed {
		n.exposed = exposed.Why
	}
	if n.entries, err = config.ParseNetrc(data); err != nil {
		f.Warn(fmt.Sprintf("%s is not used: %v", f.Netrc, err))
		return &netrc{}
	}
	return n
}

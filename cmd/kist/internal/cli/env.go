package cli

import (
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// Env is everything that kist uses of the machine it runs on. Below run, only the
// working directory and the temporary directory are read from the process itself.
type Env struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string
	Now            func() time.Time
	LockWait       time.Duration // how long to wait for another kist, unless --wait is given

	Dirs     host.BaseDirs
	Host     install.Host
	Platform manifests.Platform
	// Distro returns the distribution of a Linux host, such as "debian12".
	Distro func() string
	// Glibc returns the version of a Linux host's GNU C library, such as "2.36".
	Glibc func() string
	// MachineID returns the identifier of this machine, "" if it has none.
	MachineID func() string
	Program   string // path of the running kist, "" if not known
	Build     Build  // of the running kist
	Machine   fs.FS  // the machine's root directory, to read who owns Program
	Child     install.Child
	// Stages lists the directories to remove if the process is interrupted; may be nil.
	Stages *install.Stages

	Terminal term.Terminal

	// OwnKeys returns the built-in keys of kist's own channel.
	OwnKeys func() (*verify.Keyring, error)
	// Transport returns what fetches all bytes, from the network and from file URLs. It
	// shows servers what logins finds.
	Transport func(logins transport.Logins) manifests.Transport
	// Network is how registries are reached to send something to them.
	Network transport.Config
	// GoProxy returns the module proxies that this machine's Go is set to use, in the
	// syntax of GOPROXY, or "" if it has no Go on the path.
	GoProxy func(context.Context, host.SearchPath) string
	// AptSources returns this machine's apt sources.
	AptSources func() []debian.AptSource
	// Ask runs a program of the system to get its version, and returns its stdout.
	Ask host.AskFunc
	// AskHelper runs a credential helper of the user's.
	AskHelper host.HelperFunc
	// Exec replaces the process by another program. It returns only on failure, or with
	// the program's exit code on systems that cannot replace a process.
	Exec func(path string, argv, environ []string) (code int, err error)
}

// Getenv returns a variable of e.Environ, "" if it is not set.
func (e *Env) Getenv(name string) string { return host.Getenv(e.Environ, name) }

// NewPrinter returns the way to e's streams.
func (e *Env) NewPrinter() term.Printer {
	return term.New(e.Stdout, e.Stderr, e.Terminal, e.Getenv, e.Now)
}

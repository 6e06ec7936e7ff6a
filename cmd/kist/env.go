package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/transport"
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

	Dirs     baseDirs
	Host     install.Host
	Platform manifests.Platform
	// Distro returns the distribution of a Linux host, such as "debian12".
	Distro func() string
	// Glibc returns the version of a Linux host's GNU C library, such as "2.36".
	Glibc   func() string
	Program string // path of the running kist, "" if not known
	Child   install.Child
	// Stages lists the directories to remove if the process is interrupted; may be nil.
	Stages *install.Stages

	Terminal Terminal

	// Transport fetches all bytes, from the network and from file URLs.
	Transport manifests.Transport
	// GoProxy returns the module proxies that this machine's Go is set to use, in the
	// syntax of GOPROXY, or "" if it has no Go.
	GoProxy func(context.Context) string
	// AptSources returns this machine's apt sources.
	AptSources func() []debian.AptSource
	// Ask runs a program of the system to get its version, and returns its stdout.
	Ask func(ctx context.Context, path string, args, environ []string) ([]byte, error)
	// Exec replaces the process by another program. It returns only on failure, or with
	// the program's exit code on systems that cannot replace a process.
	Exec func(path string, argv, environ []string) (code int, err error)
}

// Terminal tells which streams are a terminal, and how wide it is.
type Terminal struct {
	Stdin, Stdout, Stderr bool
	// Width returns the current number of columns of stderr; nil: usualColumns.
	Width func() int
}

// usualColumns is the width assumed for a terminal that does not report it.
const usualColumns = 80

// columns returns the current width of the terminal.
func (t Terminal) columns() int {
	if t.Width != nil {
		if columns := t.Width(); columns > 0 {
			return columns
		}
	}
	return usualColumns
}

// Getenv returns a variable of e.Environ, "" if it is not set.
func (e *Env) Getenv(name string) string {
	for i := len(e.Environ) - 1; i >= 0; i-- {
		if key, value, _ := strings.Cut(e.Environ[i], "="); key == name {
			return value
		}
	}
	return ""
}

// hostEnv is the Env of this process.
func hostEnv() Env {
	program, _ := os.Executable()
	dirs := readDirs(os.Getenv, runtime.GOOS)
	wait := 10 * time.Minute
	if term.IsTerminal(int(os.Stderr.Fd())) { // somebody is watching
		wait = time.Minute
	}
	return Env{
		Args:  os.Args[1:],
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ:  os.Environ(),
		Now:      time.Now,
		LockWait: wait,
		Dirs:     dirs,
		Host:     readHost(os.Getenv),
		Platform: hostPlatform(),
		Distro:   hostDistro,
		Glibc:    hostGlibc,
		Program:  program,
		Child:    hostChild(),
		Stages:   &install.Stages{},
		Terminal: Terminal{
			Stdin:  term.IsTerminal(int(os.Stdin.Fd())),
			Stdout: term.IsTerminal(int(os.Stdout.Fd())),
			Stderr: term.IsTerminal(int(os.Stderr.Fd())),
			Width: func() int {
				columns, _, err := term.GetSize(int(os.Stderr.Fd()))
				if err != nil {
					return 0
				}
				return columns
			},
		},
		Transport:  transport.New(transport.Config{Version: kistVersion().Version, Proxy: transport.ProxyFromEnvironment(os.Getenv), Now: time.Now}),
		GoProxy:    func(ctx context.Context) string { return goProxy(ctx, filepath.Join(dirs.Data, "kist")) },
		AptSources: hostAptSources,
		Ask:        ask,
		Exec:       replaceProcess,
	}
}

// hostChild returns how to start this program as a sandboxed child: by /proc/self/exe,
// since the file on disk may have been replaced meanwhile. Systems other than Linux
// have no sandbox and no child.
func hostChild() install.Child {
	if runtime.GOOS != "linux" {
		return install.Child{}
	}
	return install.Child{Path: "/proc/self/exe", Args: []string{"kist", childVerb}}
}

// readHost returns the user who runs kist. The home directory is that of the user
// database, since anybody can set $HOME.
func readHost(getenv func(string) string) install.Host {
	h := install.Host{EUID: os.Geteuid(), Caller: -1, PrivateGroup: noGroup}
	if u, err := user.LookupId(strconv.Itoa(h.EUID)); err == nil {
		h.Home, h.PrivateGroup = u.HomeDir, hostPrivateGroup(u)
	}
	if h.EUID != 0 {
		return h
	}
	for _, name := range []string{"SUDO_UID", "PKEXEC_UID"} {
		if uid, err := strconv.Atoi(getenv(name)); err == nil && uid >= 0 {
			h.Caller = uid
			return h
		}
	}
	if u, err := user.Lookup(getenv("DOAS_USER")); err == nil {
		if uid, err := strconv.Atoi(u.Uid); err == nil {
			h.Caller = uid
		}
	}
	return h
}

// hostPlatform returns the platform kist itself runs on. On Linux the C library is the
// one whose loader exists; a machine with both counts as glibc.
func hostPlatform() manifests.Platform {
	p := manifests.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	if p.OS != "linux" {
		return p
	}
	p.Libc = "gnu"
	root, err := os.OpenRoot("/")
	if err != nil {
		return p
	}
	defer root.Close()
	// Nearly every machine has one of these; listing whole directories takes longer
	// than the rest of start-up.
	for _, loader := range []string{"lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"} {
		if _, err := root.Lstat(loader); err == nil {
			return p
		}
	}
	gnu, _ := fs.Glob(root.FS(), "lib*/ld-linux*")
	musl, _ := fs.Glob(root.FS(), "lib/ld-musl-*")
	if len(gnu) == 0 && len(musl) > 0 {
		p.Libc = "musl"
	}
	return p
}

// hostDistro returns the Linux distribution kist runs on, as distro spells it; empty
// on other systems, and if it is unknown. Source: os-release(5).
func hostDistro() string {
	root, err := os.OpenRoot("/")
	if err != nil {
		return ""
	}
	defer root.Close()
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		if text, err := fs.ReadFile(root.FS(), name); err == nil {
			return distro(string(text))
		}
	}
	return ""
}

// hostGlibc returns the version of the GNU C library that this machine's programs run
// with; empty if none is found where distributions install it.
func hostGlibc() string {
	if runtime.GOOS != "linux" {
		return ""
	}
	root, err := os.OpenRoot("/")
	if err != nil {
		return ""
	}
	defer root.Close()
	multiarch := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	for _, dir := range []string{"lib/" + multiarch, "lib64", "lib"} {
		f, err := root.Open(dir + "/libc.so.6")
		if err != nil {
			continue
		}
		version := glibcVersion(f, runtime.GOARCH)
		f.Close()
		if version != "" {
			return version
		}
	}
	return ""
}

// goProxy asks the first Go on PATH which module proxies it uses, skipping those that
// kist installed below own.
// The go command runs in the root directory, without the settings that a working
// directory could add, so that no file of a checked-out project affects it. It has
// no configuration directory, only the file of settings, so that it writes no telemetry
// counters to the user's home.
func goProxy(ctx context.Context, own string) string {
	if list := os.Getenv("GOPROXY"); list != "" {
		return list
	}
	path := ""
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		found, err := exec.LookPath(filepath.Join(dir, "go"))
		if err == nil && filepath.IsAbs(dir) && !below(found, own) {
			path = found
			break
		}
	}
	if path == "" {
		return ""
	}
	settings := os.Getenv("GOENV")
	if dir, err := os.UserConfigDir(); settings == "" && err == nil {
		settings = filepath.Join(dir, "go", "env")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "env", "GOPROXY")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=", "PWD=/",
		"GOENV="+settings, "XDG_CONFIG_HOME="+os.DevNull)
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

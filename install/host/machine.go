// Package host knows the machine that kist runs on: its platform, C library,
// distribution and user, the base directories, the commands on PATH, the package
// sources of apt, and how shells write things. It reads, and changes nothing.
//
// Callers pass in what decides the answers: the machine's root directory, the
// environment, the value of PATH. Three functions start a program: Ask, to get the
// version of a tool of the system, GoProxy, and AskHelper, for a credential helper of the
// user's. None ever starts one that kist installed.
package host

import (
	"embed"
	"io"
	"io/fs"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
)

// Root returns the machine's root directory, for the functions of this package that
// read from it. It is empty if it cannot be opened.
func Root() fs.FS {
	root, err := os.OpenRoot("/")
	if err != nil {
		return embed.FS{}
	}
	return root.FS()
}

// Platform returns the platform kist itself runs on. On Linux the C library is the
// one whose loader exists below root; a machine with both counts as glibc.
func Platform(root fs.FS) manifests.Platform {
	p := manifests.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	if p.OS != "linux" {
		return p
	}
	p.Libc = "gnu"
	// Nearly every machine has one of these; listing whole directories takes longer
	// than the rest of start-up.
	for _, loader := range []string{"lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"} {
		if _, err := fs.Lstat(root, loader); err == nil {
			return p
		}
	}
	gnu, _ := fs.Glob(root, "lib*/ld-linux*")
	musl, _ := fs.Glob(root, "lib/ld-musl-*")
	if len(gnu) == 0 && len(musl) > 0 {
		p.Libc = "musl"
	}
	return p
}

// Distro returns the ID and version of the Linux distribution in one word, as
// upstreams name their builds for it: "debian12", "ubuntu24.04". It is empty on other
// systems, and if the distribution is unknown. Source: os-release(5).
func Distro(root fs.FS) string {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		if text := readSmall(root, name); text != nil {
			fields := map[string]string{}
			for line := range strings.Lines(string(text)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				fields[name] = strings.Trim(value, `"'`)
			}
			return fields["ID"] + fields["VERSION_ID"]
		}
	}
	return ""
}

// Glibc returns the version of the GNU C library that programs of a Linux machine of
// the architecture arch (a GOARCH) run with, such as "2.36". It is empty if the library
// is not where distributions install it.
func Glibc(root fs.FS, arch string) string {
	multiarch := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[arch]
	for _, dir := range []string{"lib/" + multiarch, "lib64", "lib"} {
		f, err := root.Open(dir + "/libc.so.6")
		if err != nil {
			continue
		}
		version := ""
		if r, ok := f.(io.ReaderAt); ok {
			version = glibcVersion(r, arch)
		}
		f.Close()
		if version != "" {
			return version
		}
	}
	return ""
}

// User returns the user who runs kist. The home directory is that of the user
// database, since anybody can set $HOME.
func User(root fs.FS, getenv func(string) string) install.Host {
	h := install.Host{EUID: os.Geteuid(), Caller: -1, PrivateGroup: noGroup, NameOf: userName}
	if u, err := user.LookupId(strconv.Itoa(h.EUID)); err == nil {
		h.Home, h.PrivateGroup = u.HomeDir, privateGroup(root, u)
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

// userName returns the name of a user in the user database, or "".
func userName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return ""
	}
	return u.Username
}

// Getenv returns a variable of environ, a list of NAME=value; "" if it is not set.
func Getenv(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if key, value, _ := strings.Cut(environ[i], "="); key == name {
			return value
		}
	}
	return ""
}

// IsSet reports whether environ sets a variable, if only to nothing.
func IsSet(environ []string, name string) bool {
	return slices.ContainsFunc(environ, func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
}

// maxSmall is the most that readSmall reads, in bytes.
const maxSmall = 1 << 20

// readSmall reads the file name below root, and returns nil if it is not a regular file
// of at most maxSmall bytes.
func readSmall(root fs.FS, name string) []byte {
	if info, err := fs.Stat(root, name); err != nil || !info.Mode().IsRegular() {
		return nil // a pipe would be waited for
	}
	f, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err != nil || len(data) > maxSmall {
		return nil
	}
	return data
}

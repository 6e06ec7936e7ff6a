package roots

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Directories that belong to the system, with everything below them.
var (
	unixPrefixes = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/boot", "/dev", "/proc", "/sys"}
	macPrefixes  = []string{"/System", "/Library", "/Applications"}

	// Users' directories below /var.
	varHomes = []string{"/var/home", "/var/roothome", "/var/opt", "/var/srv", "/var/mnt"}

	// Directories that are recognized by device and inode, in addition to the prefixes,
	// if no mount table shows that they are mounted elsewhere.
	wellKnown = []string{"/", "/run", "/var", "/var/lib", "/var/cache", "/var/log", "/var/spool",
		"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/include", "/usr/share", "/usr/local"}
)

// A claim is one name of a directory that kist is told to use, with the facts on
// which an exception can rest.
type claim struct {
	name    string
	missing string // the end of name that does not exist yet
	alias   bool   // name is not the resolved path itself but another name of the same directory
	uid     int    // owner of the part that exists
}

// existing returns the part of the name that exists.
func (c claim) existing() string { return strings.TrimSuffix(c.name, c.missing) }

// systemPrefix returns the system prefix that c lies in, or "".
func (d *dirChecker) systemPrefix(c claim) string {
	switch d.goos {
	case "windows":
		return windowsPrefix(c.name)
	case "darwin":
		return cmp.Or(unixPrefix(c.name), prefixOf(c.name, macPrefixes), d.macVar(c))
	}
	return cmp.Or(unixPrefix(c.name), d.run(c), d.linuxVar(c))
}

func unixPrefix(name string) string {
	if name == "/" {
		return "/"
	}
	return prefixOf(name, unixPrefixes)
}

func (d *dirChecker) run(c claim) string {
	switch {
	case !within(c.name, "/run"), within(c.name, "/run/media"), within(c.name, "/run/user/"+strconv.Itoa(d.host.EUID)):
		return ""
	case c.alias && (d.ownBelow(c, "/run") || d.inHome(c, "/run")):
		return "" // toolbox and distrobox mount the user's directories below /run/host, schroot below /run/schroot
	}
	return "/run"
}

func (d *dirChecker) linuxVar(c claim) string {
	switch {
	case !within(c.name, "/var"), prefixOf(c.name, varHomes) != "", d.inHome(c, "/var"), d.ownBelow(c, "/var"):
		return ""
	case below(c.existing(), "/var/tmp") && c.uid == d.host.EUID:
		return ""
	case c.existing() == "/var/tmp" && c.missing != "":
		return "" // the new directory will be this user's
	}
	return "/var"
}

func (d *dirChecker) macVar(c claim) string {
	for _, v := range []string{"/private/var", "/var"} {
		if within(c.name, v) && !within(c.name, v+"/folders") && !d.inHome(c, v) {
			return v
		}
	}
	return ""
}

// ownBelow reports whether c is a directory of a user other than root, deeper than prefix.
func (d *dirChecker) ownBelow(c claim, prefix string) bool {
	return d.host.EUID != 0 && c.uid == d.host.EUID && below(c.existing(), prefix)
}

// inHome reports whether c lies in the user's home according to the user database,
// and that home lies below prefix.
func (d *dirChecker) inHome(c claim, prefix string) bool {
	return slices.ContainsFunc(d.homes, func(home string) bool { return below(home, prefix) && within(c.name, home) })
}

// insideToolchain returns the installed or staged toolchain that name lies in, or "".
func insideToolchain(name string) string {
	elements := strings.Split(strings.ReplaceAll(name, `\`, "/"), "/")
	for i := 0; i+2 < len(elements); i++ {
		if elements[i] == "kist" && (elements[i+1] == "prefixes" || elements[i+1] == "stage") {
			return strings.Join(elements[:i+3], "/")
		}
	}
	return ""
}

// windowsPrefix returns the system prefix of a resolved Windows path, or "". It
// accepts any spelling: with a \\?\ in front, as an administrative share
// (\\host\c$), in either case, with either slash, and with the trailing dots and
// blanks that Windows drops.
func windowsPrefix(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "/", `\`))
	if rest, ok := strings.CutPrefix(name, `\\?\unc`); ok {
		name = `\` + rest
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, `\\?\`), `\\.\`)
	drive, rest, _ := strings.Cut(name, `\`)
	if share, ok := strings.CutPrefix(name, `\\`); ok {
		_, share, _ = strings.Cut(share, `\`)
		drive, rest, _ = strings.Cut(share, `\`)
		if !strings.HasSuffix(drive, "$") {
			return ""
		}
	}
	drive = strings.ToUpper(strings.TrimRight(drive, ":$")) + `:\`
	top, _, _ := strings.Cut(strings.TrimLeft(rest, `\`), `\`)
	top = strings.TrimRight(top, ". ")
	switch {
	case top == "":
		return drive
	case top == "windows":
		return drive + "Windows"
	case strings.HasPrefix(top, "program files"):
		return drive + "Program Files"
	}
	return ""
}

// within reports whether name is dir or lies below it; both are clean and absolute.
func within(name, dir string) bool { return name == dir || below(name, dir) }

func below(name, dir string) bool {
	return name != dir && strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

func prefixOf(name string, prefixes []string) string {
	for _, p := range prefixes {
		if within(name, p) {
			return p
		}
	}
	return ""
}

// ancestors returns name and the directories above it, outermost first.
func ancestors(name string) []string {
	if up := path.Dir(name); up != name {
		return append(ancestors(up), name)
	}
	return []string{name}
}

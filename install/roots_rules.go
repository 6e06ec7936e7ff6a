package install

import (
	"path"
	"strconv"
	"strings"
)

// What belongs to the system, with everything below.
var (
	unixPrefixes = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/boot", "/dev", "/proc", "/sys"}
	macPrefixes  = []string{"/System", "/Library", "/Applications"}

	// Directories of people below /var.
	varHomes = []string{"/var/home", "/var/roothome", "/var/opt", "/var/srv", "/var/mnt"}

	// Below the prefixes, where a mount may show the system under another name
	// and the table of mounts does not tell (in a chroot).
	landmarks = []string{"/run", "/var", "/var/lib", "/var/cache", "/var/log", "/var/spool",
		"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/include", "/usr/share", "/usr/local"}
)

// A claim is one name of a directory that is to be kist's, with what an
// exception can rest on.
type claim struct {
	name    string
	missing string // the end of name that does not exist yet
	alias   bool   // name is not the path that was given, resolved, but another of the same directory
	host    Host
	uid     int // owner of the part that exists
}

// systemPrefix returns the system prefix that c lies in, or "".
func (m *machine) systemPrefix(c claim) string {
	switch m.goos {
	case "windows":
		return windowsPrefix(c.name)
	case "darwin":
		return first(m.unixPrefix(c), prefixOf(c.name, macPrefixes), m.macVar(c))
	}
	return first(m.unixPrefix(c), m.run(c), m.linuxVar(c))
}

func (m *machine) unixPrefix(c claim) string {
	if c.name == "/" {
		return "/"
	}
	return prefixOf(c.name, unixPrefixes)
}

func (m *machine) run(c claim) string {
	if !within(c.name, "/run") || c.shown(m, "/run") ||
		prefixOf(c.name, []string{"/run/media", "/run/user/" + strconv.Itoa(c.host.EUID)}) != "" {
		return ""
	}
	return "/run"
}

func (m *machine) linuxVar(c claim) string {
	existing := strings.TrimSuffix(c.name, c.missing)
	switch {
	case !within(c.name, "/var"), prefixOf(c.name, varHomes) != "", c.inHome(m, "/var"), c.shown(m, "/var"):
		return ""
	case below(c.name, "/var/tmp") && (existing == "/var/tmp" || below(existing, "/var/tmp") && c.uid == c.host.EUID):
		return "" // made there by this user, or about to be
	case c.host.EUID != 0 && c.uid == c.host.EUID && below(existing, "/var"):
		return ""
	}
	return "/var"
}

func (m *machine) macVar(c claim) string {
	for _, v := range []string{"/private/var", "/var"} {
		if within(c.name, v) && !within(c.name, v+"/folders") && !c.inHome(m, v) {
			return v
		}
	}
	return ""
}

// inHome reports whether c lies in the home that the user database gives, and
// that home deeper than prefix.
func (c claim) inHome(m *machine, prefix string) bool {
	for _, home := range m.homeNames(c.host.Home) {
		if below(home, prefix) && within(c.name, home) {
			return true
		}
	}
	return false
}

// shown reports whether c is only another view of what is this user's elsewhere:
// toolbox and distrobox show the host's homes below /run/host, snap below
// /var/lib/snapd/hostfs, schroot below /run/schroot.
func (c claim) shown(m *machine, prefix string) bool {
	existing := strings.TrimSuffix(c.name, c.missing)
	own := c.host.EUID != 0 && c.uid == c.host.EUID && below(existing, prefix)
	return c.alias && (own || c.inHome(m, prefix))
}

// insideToolchain returns the directory of an installed toolchain, or of one that
// is being unpacked, that name lies in, or "".
func insideToolchain(name string) string {
	elements := strings.Split(strings.ReplaceAll(name, `\`, "/"), "/")
	for i := 0; i+2 < len(elements); i++ {
		if strings.EqualFold(elements[i], "kist") && (strings.EqualFold(elements[i+1], "prefixes") || strings.EqualFold(elements[i+1], "stage")) {
			return strings.Join(elements[:i+3], "/")
		}
	}
	return ""
}

// windowsPrefix judges a resolved Windows path in any spelling: \\?\ forms,
// administrative shares, either slash, either case, trailing dots.
func windowsPrefix(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "/", `\`))
	name = strings.TrimPrefix(strings.TrimPrefix(name, `\\?\`), `\\.\`)
	name = strings.Replace(name, `unc\`, `\\`, strings.Count(name[:min(4, len(name))], `unc\`))
	if share, ok := strings.CutPrefix(name, `\\`); ok {
		_, share, _ = strings.Cut(share, `\`)
		drive, rest, _ := strings.Cut(share, `\`)
		if !strings.HasSuffix(drive, "$") {
			return ""
		}
		name = strings.TrimSuffix(drive, "$") + `:\` + rest
	}
	drive, rest, _ := strings.Cut(name, `:`)
	drive = strings.ToUpper(drive) + `:\`
	top, _, _ := strings.Cut(strings.TrimLeft(rest, `\`), `\`)
	top = strings.TrimRight(top, ". ")
	switch {
	case top == "":
		return drive
	case top == "windows":
		return drive + "Windows"
	case strings.HasPrefix(top, "program files"), strings.HasPrefix(top, "progra~"):
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

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
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

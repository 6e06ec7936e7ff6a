package publish

import (
	"bytes"
	"path"
	"regexp"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// A Guess is what the name of a file says about the file. A field is empty if the name
// does not say it, or is ambiguous.
type Guess struct {
	Tool, Version string
	Platform      string // as manifests.ParsePlatform reads it
	Format        string
}

// GuessName parses a file's base name, such as zig-linux-x86_64-0.14.0.tar.xz,
// node-v22.11.0-darwin-arm64.tar.gz, go1.26.8.linux-amd64.tar.gz,
// tool_1.2.3_windows_amd64.zip or tool-aarch64-unknown-linux-musl.
func GuessName(name string) Guess {
	g := Guess{Format: formatOfName(name)}
	stem := strings.ToLower(name)
	for _, e := range extensions() {
		if s, ok := strings.CutSuffix(stem, e.suffix); ok {
			stem = s
			break
		}
	}
	rest, words := cutWords(stem)
	if g.Format == "deb" {
		words = append(words, word{os: "linux"})
	}
	g.Platform = platformOf(words)
	g.Tool, g.Version = cutVersion(rest)
	return g
}

// Or returns g with its empty fields set from other. The tool is also set from other if
// g has nothing else, as from download.zip, and other has tool and version.
func (g Guess) Or(other Guess) Guess {
	if g.Tool == "" || g.Version == "" && g.Platform == "" && other.Tool != "" && other.Version != "" {
		g.Tool = other.Tool
	}
	if g.Version == "" {
		g.Version = other.Version
	}
	if g.Platform == "" {
		g.Platform = other.Platform
	}
	return g
}

type extension struct{ suffix, format string }

func extensions() []extension {
	return []extension{
		{".tar.gz", "tar.gz"}, {".tgz", "tar.gz"}, {".tar.xz", "tar.xz"}, {".txz", "tar.xz"},
		{".tar.zst", "tar.zst"}, {".tzst", "tar.zst"}, {".tar.bz2", "tar.bz2"}, {".tbz2", "tar.bz2"}, {".tbz", "tar.bz2"},
		{".tar", "tar"}, {".zip", "zip"}, {".deb", "deb"}, {".exe", "file"},
	}
}

func formatOfName(name string) string {
	for _, e := range extensions() {
		if strings.HasSuffix(strings.ToLower(name), e.suffix) {
			return e.format
		}
	}
	return ""
}

// GuessFormat returns a file's format by its name, else by its first bytes. A file whose
// name has a tool and a platform, and no extension, is a program. It returns "" if the
// format is unknown.
func GuessFormat(name string, head []byte) string {
	if isCompanion(name) {
		return ""
	}
	g := GuessName(name)
	if g.Format != "" {
		return g.Format
	}
	for _, magic := range []struct{ head, format string }{
		{"\x1f\x8b", "tar.gz"}, {"\xfd7zXZ\x00", "tar.xz"}, {"\x28\xb5\x2f\xfd", "tar.zst"}, {"BZh", "tar.bz2"},
		{"PK\x03\x04", "zip"}, {"!<arch>\ndebian-binary", "deb"},
		{"\x7fELF", "file"}, {"MZ", "file"}, {"\xcf\xfa\xed\xfe", "file"}, {"\xca\xfe\xba\xbe", "file"},
	} {
		if bytes.HasPrefix(head, []byte(magic.head)) {
			return magic.format
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return "tar"
	}
	if g.Platform != "" && g.Tool != "" {
		return "file"
	}
	return ""
}

// isCompanion reports whether a file, by its name, accompanies releases and is not one:
// checksums, signatures, certificates, bills of materials.
func isCompanion(name string) bool {
	name = strings.ToLower(name)
	for _, sums := range []string{"md5sums", "sha1sums", "sha256sums", "sha512sums", "checksums"} {
		if strings.HasSuffix(strings.TrimSuffix(name, ".txt"), sums) {
			return true
		}
	}
	switch path.Ext(name) {
	case ".md5", ".sha1", ".sha256", ".sha512", ".sha256sum", ".sha512sum", ".asc", ".sig", ".sign", ".minisig", ".pem", ".crt", ".sigstore", ".intoto", ".json", ".jsonl":
		return true
	}
	return false
}

// systemNames and archNames map the spellings that upstreams use to Go's.
func systemNames() map[string]string {
	return map[string]string{
		"linux": "linux", "darwin": "darwin", "macos": "darwin", "macosx": "darwin", "mac": "darwin", "osx": "darwin", "apple": "darwin",
		"windows": "windows", "win": "windows", "freebsd": "freebsd", "netbsd": "netbsd", "openbsd": "openbsd", "dragonfly": "dragonfly",
		"solaris": "solaris", "sunos": "solaris", "illumos": "illumos", "aix": "aix", "android": "android", "plan9": "plan9",
	}
}

func archNames() map[string]string {
	return map[string]string{
		"amd64": "amd64", "x86_64": "amd64", "x86-64": "amd64", "x64": "amd64",
		"386": "386", "i386": "386", "i486": "386", "i586": "386", "i686": "386", "x86": "386", "ia32": "386", "x86_32": "386",
		"arm64": "arm64", "aarch64": "arm64", "armv8": "arm64", "arm64v8": "arm64",
		"arm": "arm", "armhf": "arm", "armv5": "arm", "armv6": "arm", "armv6l": "arm", "armv6hf": "arm", "armv7": "arm", "armv7l": "arm",
		"armv7a": "arm", "armv7hf": "arm", "arm32": "arm",
		"riscv64": "riscv64", "riscv64gc": "riscv64", "ppc64le": "ppc64le", "powerpc64le": "ppc64le", "ppc64el": "ppc64le",
		"ppc64": "ppc64", "powerpc64": "ppc64", "s390x": "s390x", "loong64": "loong64", "loongarch64": "loong64",
		"mips": "mips", "mipsle": "mipsle", "mipsel": "mipsle", "mips64": "mips64", "mips64le": "mips64le", "mips64el": "mips64le",
	}
}

// A word is what one part of a name says about the platform.
type word struct{ os, arch, libc string }

// words returns the parts of names that describe the platform. Some of them mean nothing
// and are skipped.
func words() map[string]word {
	all := map[string]word{
		"linux64": {"linux", "amd64", ""}, "linux32": {"linux", "386", ""}, "win64": {"windows", "amd64", ""},
		"win32": {"windows", "", ""}, "any": {"any", "", ""}, "noarch": {"any", "", ""}, "all": {"any", "", ""},
		"musl": {libc: "musl"}, "musleabi": {libc: "musl"}, "musleabihf": {libc: "musl"},
		"gnu": {libc: "gnu"}, "gnueabi": {libc: "gnu"}, "gnueabihf": {libc: "gnu"}, "glibc": {libc: "gnu"},
		"unknown": {}, "pc": {}, "msvc": {}, "static": {},
		"universal": {arch: "universal"}, "universal2": {arch: "universal"},
	}
	for name, os := range systemNames() {
		all[name] = word{os: os}
	}
	for name, arch := range archNames() {
		all[name] = word{arch: arch}
	}
	return all
}

// cutWords cuts the words that describe a platform from a name, and puts a | in place of
// each. The first part of a name is never cut: it names the tool.
func cutWords(name string) (rest string, found []word) {
	known := words()
	longest := 0
	for w := range known {
		longest = max(longest, len(w))
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		n := 0
		if i > 0 && !alphanumeric(name[i-1]) {
			for n = min(longest, len(name)-i); n > 0; n-- {
				_, ok := known[name[i:i+n]]
				number := strings.Trim(name[i:i+n], "0123456789") == "" // after a dot, part of a version
				if ok && (i+n == len(name) || !alphanumeric(name[i+n])) && !(number && name[i-1] == '.') {
					break
				}
			}
		}
		if n == 0 {
			b.WriteByte(name[i])
			i++
			continue
		}
		found = append(found, known[name[i:i+n]])
		b.WriteByte('|')
		i += n
	}
	return b.String(), found
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// platformOf returns the platform that words describe together, or "" if that is not one
// platform.
func platformOf(words []word) string {
	var p word
	for _, w := range words {
		for _, part := range []struct{ have, got *string }{{&p.os, &w.os}, {&p.arch, &w.arch}, {&p.libc, &w.libc}} {
			if *part.have != "" && *part.got != "" && *part.have != *part.got {
				return ""
			}
			if *part.have == "" {
				*part.have = *part.got
			}
		}
	}
	switch {
	case p.os == "any" && p.arch == "":
		return "any"
	case p.os == "" && p.libc != "":
		p.os = "linux"
	case p.os == "windows" && p.libc == "gnu": // MinGW, which is not a C library of the system
		p.libc = ""
	}
	if p.os == "" || p.arch == "" {
		return ""
	}
	text := p.os + "/" + p.arch
	if p.libc != "" {
		text += "/" + p.libc
	}
	if platform, err := manifests.ParsePlatform(text); err != nil || CheckPlatform(platform) != nil {
		return ""
	}
	return text
}

// A version in a name: numbers or a date, then the suffix of a build or a pre-release.
const (
	versionNumbers = `\d+(?:\.\d+)+`
	versionDate    = `\d{4}-\d{2}-\d{2}`
	versionSuffix  = `(?:[-._~]?(?:alpha|beta|rc|pre|preview|dev|nightly|snapshot|canary|next|a|b|p|r)(?:[-.]?\d+)*|[a-z])?(?:\+[0-9a-z.-]*[0-9a-z])?`
)

// versionForms returns expressions that find a version in a name, the most certain first.
// The second group is the version.
func versionForms() []string {
	return []string{
		`(^|[-_|])v?(` + versionDate + `|` + versionNumbers + versionSuffix + `)($|[-_|]|\.\|)`,
		`(^[a-z][a-z_-]*)(` + versionNumbers + versionSuffix + `)($|[-_|]|\.\|)`, // go1.26.8
		`([-_|])v?(\d+` + versionSuffix + `)($|[-_|]|\.\|)`,
	}
}

// cutVersion splits the rest of a name into the tool and the version. The result is empty
// if the name is ambiguous: it has two versions, or other parts.
func cutVersion(rest string) (tool, version string) {
	const separators = "-_.|+"
	for _, form := range versionForms() {
		found := regexp.MustCompile(form).FindAllStringSubmatchIndex(rest, 2)
		if len(found) > 1 {
			return "", ""
		}
		if len(found) == 0 {
			continue
		}
		match := found[0]
		tool, suffix := rest[:match[4]], rest[match[5]:]
		if n := len(tool); n > 1 && tool[n-1] == 'v' && !alphanumeric(tool[n-2]) {
			tool = tool[:n-1]
		}
		version = rest[match[4]:match[5]]
		tool, suffix = strings.Trim(tool, separators), strings.Trim(suffix, separators)
		if strings.Contains(tool, "|") || suffix != "" && tool != "" {
			return "", version
		}
		if manifests.ValidVersion(version) != nil {
			version = ""
		}
		return validTool(tool), version
	}
	tool = strings.Trim(rest, separators)
	if strings.Contains(tool, "|") {
		return "", ""
	}
	return validTool(tool), ""
}

func validTool(name string) string {
	if manifests.ValidName(name) != nil {
		return ""
	}
	return name
}

// GuessStrip returns how many leading directories to drop from an archive with these
// paths, and the name of the dropped directory. That is 1 if everything is in one
// directory, unless it is part of a toolchain itself, such as bin.
func GuessStrip(paths []string) (strip int, dropped string) {
	for i, p := range paths {
		top, _, below := strings.Cut(p, "/")
		if i > 0 && top != dropped || !below && len(paths) == 1 {
			return 0, ""
		}
		dropped = top
	}
	switch dropped {
	case "", "bin", "sbin", "lib", "lib64", "libexec", "include", "share", "usr", "opt", "etc", "src", "man", "doc":
		return 0, ""
	}
	return 1, dropped
}

// NotGuessed returns an error that matches manifests.ErrInput: the name of file does not say what, which is also the
// name of the flag that does.
func NotGuessed(file, what string) error {
	if what == "format" && isCompanion(file) {
		return manifests.Invalid("%s is no release, by its name: checksums, signatures and the like are not added", file)
	}
	return manifests.Invalid("the name of %s does not tell its %s; say --%s", file, what, what)
}

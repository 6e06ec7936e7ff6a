package unpack

import (
	"fmt"
	"math"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/kist-tools/kist/verify"
)

// A Rule is a sentence that is true of every archive that is unpacked.
type Rule string

// The rules. Names:
const (
	RuleText      Rule = "a name is valid UTF-8 in its composed form (NFC), without control characters"
	RuleRelative  Rule = "a name is relative: it starts with neither a slash nor a drive letter"
	RuleElements  Rule = `a name has no empty, "." or ".." element, except one "./" at its start`
	RuleBackslash Rule = "a name has no backslash, except in a .deb"
	RuleVersion   Rule = "a name in a zip does not end in a VMS version number, such as ;1"
	RuleOnce      Rule = "a name is listed once in all archives of a prefix, except for directories, equal entries of one archive, and equal files of packages that share a merged /usr"
	RuleBelow     Rule = "only a directory has entries below it"
	RuleFolded    Rule = "the file system can tell all names apart"
	RuleStrip     Rule = "stripping the leading directories drops neither a file nor a link"
)

// Links and types:
const (
	RuleTarget   Rule = "the target of a link is relative and stays inside the prefix; in a .deb it may be absolute"
	RuleHops     Rule = "a link resolves inside the prefix through at most 40 links, or dangles there"
	RuleHardLink Rule = "a hard link names an earlier file or symbolic link of its archive"
	RuleType     Rule = "an entry is a file, a directory, a symbolic link or a hard link"
	RuleNoData   Rule = "a directory or a link holds no data"
	RuleSparse   Rule = "a file is stored whole, neither sparse nor spread over several volumes"
)

// Structure:
const (
	RuleFormat    Rule = "an archive cannot be mistaken for one of another format"
	RuleHeader    Rule = "every header is well formed and has the right checksum"
	RuleExtended  Rule = "an extended header is well formed, appears once for an entry, and agrees with the entry's own header"
	RuleEnd       Rule = "an archive ends as its format requires, and nothing follows its end"
	RuleStream    Rule = "a compressed archive is one or more whole and undamaged streams, perhaps with zeros at its end, and in a .deb exactly one stream"
	RuleZip       Rule = "the directory of a zip and its local headers agree, and cover the file without a gap or an overlap"
	RuleMethod    Rule = "a zip entry is stored or deflated, and is not encrypted"
	RuleSystem    Rule = "a zip entry was made on Unix, MS-DOS or Windows, and only its attributes state its type and mode"
	RuleContent   Rule = "a zip entry has the size and the checksum that its headers state"
	RuleDeb       Rule = "a .deb holds debian-binary 2.0, one control.tar and one data.tar, in this order"
	RuleInstaller Rule = "an archive of rust-installer states version 3, and holds its component and every file that it lists"
	RuleEmpty     Rule = "an archive holds something to install"
	RuleCeiling   Rule = "nothing is over its limit"
)

// An EntryError is returned when an archive is refused because of one of its entries or
// its structure. It matches verify.ErrUntrusted.
type EntryError struct {
	Archive string
	Path    string // as the archive states it; empty if the error concerns no entry
	Rule    Rule   // the rule that was broken
	Detail  string // what was found: a phrase that can follow the path
}

// Error returns what was found and which rule forbids it.
func (e *EntryError) Error() string {
	var b strings.Builder
	b.WriteString(e.Archive)
	if e.Path != "" {
		fmt.Fprintf(&b, ": %q", e.Path)
	}
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Detail)
	}
	fmt.Fprintf(&b, " (rule: %s)", e.Rule)
	return b.String()
}

// Unwrap makes every EntryError match verify.ErrUntrusted.
func (e *EntryError) Unwrap() error { return verify.ErrUntrusted }

// refuse returns an EntryError whose Detail is format with args. Add fills in the
// archive.
func refuse(rule Rule, name, format string, args ...any) error {
	return &EntryError{Path: name, Rule: rule, Detail: fmt.Sprintf(format, args...)}
}

// Limits are the limits on what may be unpacked. They are inclusive.
type Limits struct {
	Entries   int   // entries of all archives of a prefix, including implied directories
	Dirs      int   // directories among Entries, which cost a file system most
	Bytes     int64 // bytes of all files of a prefix
	Names     int64 // bytes of all names and targets of a prefix, which are held in memory
	Path      int   // bytes of a name; a link's target must be shorter, as kernels require
	Component int   // bytes of one element of a name
	Depth     int   // elements of a name; a link's target may have twice as many
	Steps     int64 // elements followed to resolve all links of a prefix
	Absent    int64 // missing names in the paths of all links of a prefix: each is looked up on disk
	Streams   int   // compressed streams of an archive, including skippable zstd frames
	Ratio     int   // bytes an archive may unpack to per byte of its size
	Free      int64 // bytes an archive may always unpack to, regardless of Ratio
	// Memory is how many bytes the windows and dictionaries of archives that are
	// added concurrently may take in total. An archive that needs more, up to
	// the fixed limit, is decoded alone.
	Memory int64
}

// DefaultLimits returns the limits for installs. The largest toolchain known
// has 52,000 entries and unpacks to 1.4 GB; archives of real tools unpack to
// at most 30 times their size.
func DefaultLimits() Limits {
	return Limits{
		Entries:   500_000,
		Dirs:      100_000,
		Bytes:     64 << 30,
		Names:     64 << 20,
		Path:      4096,
		Component: 255,
		Depth:     64,
		Steps:     10_000_000,
		Absent:    100_000,
		Streams:   2 << 20, // twice as many as bgzip makes of 64 GiB
		Ratio:     200,
		Free:      64 << 20,
		Memory:    2 * maxWindow,
	}
}

// hops is how many links one path may lead through, as on Linux (path_resolution(7)).
const hops = 40

// maxUnpacked returns how many bytes an archive of size bytes may unpack to.
func (l Limits) maxUnpacked(size int64) int64 {
	if l.Ratio > 0 && size > math.MaxInt64/int64(l.Ratio) {
		return math.MaxInt64
	}
	return max(l.Free, size*int64(l.Ratio))
}

// name checks raw, a name as the archive states it, and returns its simplest form:
// without a leading "./" or, for a directory, a trailing slash. The
// directory "." itself becomes "".
func (l Limits) name(raw string, dir, deb bool) (string, error) {
	if err := l.checkText(raw, raw, deb); err != nil {
		return "", err
	}
	name := raw
	if dir {
		if name == "." || name == "./" {
			return "", nil
		}
		name = strings.TrimSuffix(name, "/")
	}
	name = strings.TrimPrefix(name, "./")
	if strings.HasPrefix(raw, "/") || hasDrive(name) {
		return "", refuse(RuleRelative, raw, "absolute name")
	}
	for element := range strings.SplitSeq(name, "/") {
		switch element {
		case "", ".", "..":
			return "", refuse(RuleElements, raw, "name with the element %q", element)
		}
	}
	return name, l.checkSize(raw, name)
}

// checkSize checks the length, depth and elements of a name in its simplest form.
func (l Limits) checkSize(raw, name string) error {
	if len(name) > l.Path {
		return refuse(RuleCeiling, raw, "name of %d bytes; the limit is %d", len(name), l.Path)
	}
	depth := 0
	for element := range strings.SplitSeq(name, "/") {
		if depth++; len(element) > l.Component {
			return refuse(RuleCeiling, raw, "name with an element of %d bytes; the limit is %d", len(element), l.Component)
		}
	}
	if depth > l.Depth {
		return refuse(RuleCeiling, raw, "name of %d elements; the limit is %d", depth, l.Depth)
	}
	return nil
}

// checkText checks the characters of s, the name or target of the entry raw.
func (l Limits) checkText(raw, s string, deb bool) error {
	if len(s) > l.Path+len("./")+len("/") {
		return refuse(RuleCeiling, clip(raw), "name of %d bytes; the limit is %d", len(s), l.Path)
	}
	if !utf8.ValidString(s) {
		return refuse(RuleText, raw, "name or target that is not valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return refuse(RuleText, raw, "name or target with the control character %U", r)
		}
	}
	if !norm.NFC.IsNormalString(s) {
		return refuse(RuleText, raw, "name or target in decomposed form") // libarchive converts PAX names to composed form
	}
	if !deb && strings.Contains(s, `\`) {
		return refuse(RuleBackslash, raw, "name or target with a backslash")
	}
	return nil
}

// target checks the target of a link at name lexically, and returns the target to store.
// An absolute target of a .deb becomes relative to name; reroot maps an absolute path to
// its path below the prefix.
func (l Limits) target(raw, name, target string, deb bool, reroot func(string) string) (string, error) {
	if target == "" {
		return "", refuse(RuleTarget, raw, "link without a target")
	}
	if err := l.checkText(raw, target, deb); err != nil {
		return "", err
	}
	if len(target) >= l.Path {
		return "", refuse(RuleCeiling, raw, "link target of %d bytes; the limit is %d", len(target), l.Path-1)
	}
	elements := strings.Split(target, "/")
	if len(elements) > 2*l.Depth {
		return "", refuse(RuleCeiling, raw, "link target of %d elements; the limit is %d", len(elements), 2*l.Depth)
	}
	for _, element := range elements {
		if len(element) > l.Component {
			return "", refuse(RuleCeiling, raw, "link target with an element of %d bytes; the limit is %d", len(element), l.Component)
		}
	}
	if path.IsAbs(target) {
		if !deb {
			return "", refuse(RuleTarget, raw, "link to the absolute path %q", target)
		}
		target = relative(path.Dir(name), reroot(path.Clean(target)))
	}
	if end := path.Join(path.Dir(name), target); hasDrive(target) || end == ".." || strings.HasPrefix(end, "../") {
		return "", refuse(RuleTarget, raw, "link to %q, outside the prefix", target)
	}
	return target, nil
}

// relative returns the relative path from the directory from to the path to, both below
// the prefix.
func relative(from, to string) string {
	var up []string
	for from != "." && to != from && !strings.HasPrefix(to, from+"/") {
		up = append(up, "..")
		from = path.Dir(from)
	}
	if from != "." {
		to = strings.TrimPrefix(strings.TrimPrefix(to, from), "/")
	}
	return path.Join(path.Join(up...), to, ".")
}

// hasDrive reports whether s starts with a Windows drive letter.
func hasDrive(s string) bool {
	return len(s) > 1 && s[1] == ':' && unicode.IsLetter(rune(s[0])) && s[0] < utf8.RuneSelf
}

// clip shortens s for messages.
func clip(s string) string { return s[:min(len(s), 80)] }

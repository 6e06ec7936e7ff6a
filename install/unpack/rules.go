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

// A Rule is one line of the package comment.
type Rule string

// The rules. Names:
const (
	RuleText      Rule = "a name is UTF-8 in its composed form (NFC), without control characters"
	RuleRelative  Rule = "a name is relative: it starts with neither a slash nor a drive letter"
	RuleElements  Rule = `a name has no empty, "." or ".." element, save one "./" at its start`
	RuleBackslash Rule = "a name has no backslash, save in a .deb"
	RuleVersion   Rule = "a name in a zip does not end in a version of VMS, such as ;1"
	RuleOnce      Rule = "a name is listed once in all archives of a prefix, save a directory, or what packages of one /usr have alike"
	RuleBelow     Rule = "only directories have entries below them"
	RuleFolded    Rule = "names differ, as the file system compares them"
	RuleStrip     Rule = "a file or link is not dropped by stripping its leading directories"
)

// Links and types:
const (
	RuleTarget   Rule = "a link leads to a relative path inside the prefix, absolute only in a .deb"
	RuleHops     Rule = "a link resolves inside the prefix within 40 hops, or dangles there"
	RuleHardLink Rule = "a hard link names an earlier file of its archive"
	RuleType     Rule = "an entry is a file, a directory, a link or a hard link, and nothing else"
	RuleNoData   Rule = "a directory or a link holds no data"
)

// Structure:
const (
	RuleFormat    Rule = "an archive cannot be taken for one of another format"
	RuleHeader    Rule = "every header is well formed, and its checksum right"
	RuleExtended  Rule = "an extended header is well formed, known, given once, and agrees with the header it extends"
	RuleEnd       Rule = "an archive ends as its format says, and nothing follows"
	RuleStream    Rule = "a compressed archive is one stream, undamaged and whole, and nothing follows"
	RuleZip       Rule = "the directory of a zip and its local headers agree, and cover the file without gap or overlap"
	RuleMethod    Rule = "a zip entry is stored or deflated, and not encrypted"
	RuleSystem    Rule = "a zip entry was made by Unix, MS-DOS or Windows, and nothing but its attributes states its type and mode"
	RuleContent   Rule = "a zip entry has the size and the checksum that are stated for it"
	RuleDeb       Rule = "a .deb is debian-binary 2.0, one control.tar and one data.tar, in this order"
	RuleInstaller Rule = "an archive of rust-installer states version 3, and holds its component and every file that it lists"
	RuleEmpty     Rule = "an archive holds something to install"
	RuleCeiling   Rule = "nothing is over its ceiling"
)

// An EntryError refuses an archive, whole, for one entry or for its structure.
// It matches verify.ErrUntrusted.
type EntryError struct {
	Archive string
	Path    string // as the archive states it; empty where no entry is to blame
	Rule    Rule   // the rule that was broken
	Detail  string // what was found, may be empty
}

func (e *EntryError) Error() string {
	var b strings.Builder
	b.WriteString(e.Archive)
	if e.Path != "" {
		fmt.Fprintf(&b, ": %q", e.Path)
	}
	fmt.Fprintf(&b, " breaks the rule: %s", e.Rule)
	if e.Detail != "" {
		fmt.Fprintf(&b, " (%s)", e.Detail)
	}
	return b.String()
}

// Is makes every EntryError a failed proof.
func (e *EntryError) Is(target error) bool { return target == verify.ErrUntrusted }

// refuse makes an EntryError; Add fills in the archive.
func refuse(rule Rule, name, format string, args ...any) error {
	return &EntryError{Path: name, Rule: rule, Detail: fmt.Sprintf(format, args...)}
}

// Limits are the ceilings on what may be unpacked. What is exactly at a limit
// is accepted.
type Limits struct {
	Entries   int   // entries of all archives of a prefix, with the directories made for them
	Dirs      int   // those of Entries that are directories, which cost a file system most
	Bytes     int64 // bytes of all files of a prefix
	Names     int64 // bytes of all names and targets of a prefix, which are held in memory
	Path      int   // bytes of a name; a link's target must be shorter, as kernels demand
	Component int   // bytes of one element of a name
	Depth     int   // elements of a name; a link's target may have twice as many
	Steps     int64 // elements of all names that the links of a prefix lead through, one by one
	Absent    int64 // names that the links of a prefix lead to and that do not exist: each is looked for on disk
	Ratio     int   // bytes an archive may unpack to, for each byte it has
	Free      int64 // bytes an archive may unpack to whatever Ratio says
	// Memory is how many bytes the windows and dictionaries of archives that
	// are added at the same time may take together. An archive that needs more
	// than all of it, up to the fixed ceiling, has it alone.
	Memory int64
}

// DefaultLimits are the ceilings of an install. The largest toolchain known
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
		Ratio:     200,
		Free:      64 << 20,
		Memory:    2 * maxWindow,
	}
}

// hops is how many links one path may lead through, as on Linux.
const hops = 40

// maxUnpacked is how many bytes an archive of size bytes may unpack to.
func (l Limits) maxUnpacked(size int64) int64 {
	if l.Ratio > 0 && size > math.MaxInt64/int64(l.Ratio) {
		return math.MaxInt64
	}
	return max(l.Free, size*int64(l.Ratio))
}

// name judges raw, a name as its archive states it, and returns its simplest
// form: without a leading "./" or, for a directory, a trailing slash. The
// directory "." itself becomes "".
func (l Limits) name(raw string, dir, deb bool) (string, error) {
	if err := l.text(raw, raw, deb); err != nil {
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
	if strings.HasPrefix(raw, "/") || drive(name) {
		return "", refuse(RuleRelative, raw, "")
	}
	for element := range strings.SplitSeq(name, "/") {
		switch element {
		case "", ".", "..":
			return "", refuse(RuleElements, raw, "element %q", element)
		}
	}
	return name, l.fits(raw, name)
}

// fits judges the dimensions of a name in its simplest form.
func (l Limits) fits(raw, name string) error {
	if len(name) > l.Path {
		return refuse(RuleCeiling, raw, "a name of %d bytes, at most %d", len(name), l.Path)
	}
	depth := 0
	for element := range strings.SplitSeq(name, "/") {
		if depth++; len(element) > l.Component {
			return refuse(RuleCeiling, raw, "an element of %d bytes, at most %d", len(element), l.Component)
		}
	}
	if depth > l.Depth {
		return refuse(RuleCeiling, raw, "%d elements, at most %d", depth, l.Depth)
	}
	return nil
}

// text judges the characters of s, which belongs to the entry raw.
func (l Limits) text(raw, s string, deb bool) error {
	if len(s) > l.Path+len("./")+len("/") {
		return refuse(RuleCeiling, clip(raw), "a name of %d bytes, at most %d", len(s), l.Path)
	}
	if !utf8.ValidString(s) {
		return refuse(RuleText, raw, "not UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return refuse(RuleText, raw, "holds %U", r)
		}
	}
	if !norm.NFC.IsNormalString(s) {
		return refuse(RuleText, raw, "not composed (NFC)") // libarchive composes names of PAX
	}
	if !deb && strings.Contains(s, `\`) {
		return refuse(RuleBackslash, raw, "")
	}
	return nil
}

// target judges the target of a link at name, lexically, and returns what to
// store: target itself or, where a .deb's is absolute, the way there from
// name, reroot giving the place of an absolute path below the prefix.
func (l Limits) target(raw, name, target string, deb bool, reroot func(string) string) (string, error) {
	if target == "" {
		return "", refuse(RuleTarget, raw, "no target")
	}
	if err := l.text(raw, target, deb); err != nil {
		return "", err
	}
	if len(target) >= l.Path {
		return "", refuse(RuleCeiling, raw, "a target of %d bytes", len(target))
	}
	elements := strings.Split(target, "/")
	if len(elements) > 2*l.Depth {
		return "", refuse(RuleCeiling, raw, "a target of %d elements", len(elements))
	}
	for _, element := range elements {
		if len(element) > l.Component {
			return "", refuse(RuleCeiling, raw, "an element of %d bytes in its target", len(element))
		}
	}
	if path.IsAbs(target) {
		if !deb {
			return "", refuse(RuleTarget, raw, "leads to %q", target)
		}
		target = relative(path.Dir(name), reroot(path.Clean(target)))
	}
	if lands := path.Join(path.Dir(name), target); drive(target) || lands == ".." || strings.HasPrefix(lands, "../") {
		return "", refuse(RuleTarget, raw, "leads to %q", target)
	}
	return target, nil
}

// relative is the way from one directory below the prefix to a path below it.
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

// drive reports whether s starts with a drive letter of Windows.
func drive(s string) bool {
	return len(s) > 1 && s[1] == ':' && unicode.IsLetter(rune(s[0])) && s[0] < utf8.RuneSelf
}

func clip(s string) string { return s[:min(len(s), 80)] }

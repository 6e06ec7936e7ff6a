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

// An EntryError refuses a whole archive because of one entry or of its structure.
// It matches verify.ErrUntrusted.
type EntryError struct {
	Archive string
	Path    string // as the archive states it; empty if no entry is to blame
	Rule    Rule   // the rule that was broken
	Detail  string // what was found: a phrase that can stand after the path
}

// Error says what was found, then which rule forbids it.
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

// Is makes every EntryError a failed proof.
func (e *EntryError) Is(target error) bool { return target == verify.ErrUntrusted }

// refuse makes an EntryError whose Detail is made of format and args. Add fills in
// the archive.
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
	Streams   int   // compressed streams of an archive, skippable zstd frames among them
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
		Streams:   2 << 20, // bgzip makes half of these of 64 GiB
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
		return "", refuse(RuleRelative, raw, "absolute name")
	}
	for element := range strings.SplitSeq(name, "/") {
		switch element {
		case "", ".", "..":
			return "", refuse(RuleElements, raw, "name with the element %q", element)
		}
	}
	return name, l.fits(raw, name)
}

// fits judges the dimensions of a name in its simplest form.
func (l Limits) fits(raw, name string) error {
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

// text judges the characters of s, which belongs to the entry raw.
func (l Limits) text(raw, s string, deb bool) error {
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
		return refuse(RuleText, raw, "name or target in decomposed form") // libarchive composes names of PAX
	}
	if !deb && strings.Contains(s, `\`) {
		return refuse(RuleBackslash, raw, "name or target with a backslash")
	}
	return nil
}

// target judges the target of a link at name, lexically, and returns what to
// store: target itself or, where a .deb's is absolute, the way there from
// name, reroot giving the place of an absolute path below the prefix.
func (l Limits) target(raw, name, target string, deb bool, reroot func(string) string) (string, error) {
	if target == "" {
		return "", refuse(RuleTarget, raw, "link without a target")
	}
	if err := l.text(raw, target, deb); err != nil {
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
	if lands := path.Join(path.Dir(name), target); drive(target) || lands == ".." || strings.HasPrefix(lands, "../") {
		return "", refuse(RuleTarget, raw, "link to %q, outside the prefix", target)
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

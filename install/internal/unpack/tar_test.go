package unpack_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
)

func TestHostileTarNames(t *testing.T) {
	bad := func(name string) []byte { return tarOf(file("ok", "x"), file(name, "x")) }
	var attacks []attack
	for _, c := range []struct {
		what, name string
		rule       unpack.Rule
		twin, want string
	}{
		{"parent", "../evil", unpack.RuleElements, "..evil", "..evil"},
		{"parent inside", "a/../../evil", unpack.RuleElements, "a/..b/c", "a/ a/..b/ a/..b/c"},
		{"parent at the end", "a/..", unpack.RuleElements, "a/..b", "a/ a/..b"},
		{"parent after dot", "./../evil", unpack.RuleElements, "./evil", "evil"},
		{"parent that stays inside", "a/../b", unpack.RuleElements, "a/b", "a/ a/b"},
		{"absolute", "/etc/evil", unpack.RuleRelative, "etc/evil", "etc/ etc/evil"},
		{"two slashes", "//evil", unpack.RuleRelative, "evil", "evil"},
		{"empty element", "a//b", unpack.RuleElements, "a/b", "a/ a/b"},
		{"dot element", "a/./b", unpack.RuleElements, "a/.b", "a/ a/.b"},
		{"two dots in front", "././b", unpack.RuleElements, "./b", "b"},
		{"file that is the root", ".", unpack.RuleElements, ".x", ".x"},
		{"file with a slash at its end", "a/", unpack.RuleElements, "a", "a"},
		{"empty", "", unpack.RuleElements, "x", "x"},
		{"drive", `C:evil`, unpack.RuleRelative, "CC:fine", "CC:fine"},
		{"drive with a path", `c:/evil`, unpack.RuleRelative, "man/B::Deparse.3", "man/ man/B::Deparse.3"},
		{"drive after dot", `./c:evil`, unpack.RuleRelative, "./1:fine", "1:fine"},
		{"backslash", `a\b`, unpack.RuleBackslash, "a-b", "a-b"},
		{"backslash parent", `..\evil`, unpack.RuleBackslash, "..-evil", "..-evil"},
		{"newline", "a\nb", unpack.RuleText, "a b", "a b"},
		{"escape", "a\x1b[2Jb", unpack.RuleText, "a[2Jb", "a[2Jb"},
		{"delete", "a\x7f", unpack.RuleText, "a~", "a~"},
		{"C1 control", "a\u0085", unpack.RuleText, "a\u00a0", "a\u00a0"},
		{"not UTF-8", "a\xff", unpack.RuleText, "aÿ", "aÿ"},
		{"overlong UTF-8", "a\xc0\xae", unpack.RuleText, "a.", "a."},
		{"decomposed", "e\u0301", unpack.RuleText, "\u00e9", "\u00e9"},
		{"decomposed Hangul", "\u1100\u1161", unpack.RuleText, "\uac00", "\uac00"},
	} {
		attacks = append(attacks, attack{name: c.what, bad: bad(c.name), rule: c.rule, twin: tarOf(file(c.twin, "x")), want: c.want})
	}
	runAttacks(t, "tar", attacks)
}

func TestHostileTarTrees(t *testing.T) {
	one := tarOf(file("a", "1"))
	runAttacks(t, "tar", []attack{
		{name: "a file twice", bad: tarOf(file("a", "1"), file("a", "2")), rule: unpack.RuleOnce, twin: tarOf(file("a", "1"), file("A", "1")), want: "A a"},
		{name: "a file twice by dot", bad: tarOf(file("a", "1"), file("./a", "2")), rule: unpack.RuleOnce, twin: tarOf(file("./a", "1")), want: "a"},
		{name: "file then directory", bad: tarOf(file("a", "1"), dir("a/")), rule: unpack.RuleOnce, twin: tarOf(dir("a/"), dir("a")), want: "a/"},
		{name: "directory then file", bad: tarOf(dir("a/"), file("a", "1")), rule: unpack.RuleOnce, twin: tarOf(dir("a/"), file("b", "1")), want: "a/ b"},
		{name: "file as a directory", bad: tarOf(file("a", "1"), file("a/b", "1")), rule: unpack.RuleBelow, twin: tarOf(dir("a"), file("a/b", "1")), want: "a/ a/b"},
		{name: "implied directory as a file", bad: tarOf(file("a/b", "1"), file("a", "1")), rule: unpack.RuleOnce, twin: tarOf(file("a/b", "1"), dir("a")), want: "a/ a/b"},
		{name: "link as a directory", bad: tarOf(dir("d"), link("a", "d"), file("a/b", "1")), rule: unpack.RuleBelow, twin: tarOf(dir("d"), link("a", "d"), file("d/b", "1")), want: "a>d d/ d/b"},
		{name: "link out and a file below", bad: tarOf(link("a", ".."), file("a/evil", "1")), rule: unpack.RuleTarget, twin: tarOf(link("a", "."), file("evil", "1")), want: "a>. evil"},
		{name: "directory then link", bad: tarOf(dir("a"), link("a", "b"), file("a/x", "1")), rule: unpack.RuleOnce, twin: tarOf(dir("a"), link("b", "a"), file("a/x", "1")), want: "a/ a/x b>a"},
		{name: "link then directory", bad: tarOf(link("a", "b"), dir("a")), rule: unpack.RuleOnce, twin: tarOf(link("a", "b"), dir("b")), want: "a>b b/"},
		{name: "link then file", bad: tarOf(link("a", "b"), file("a", "1")), rule: unpack.RuleOnce, twin: tarOf(link("a", "b"), file("b", "1")), want: "a>b b"},
		{name: "link twice", bad: tarOf(link("a", "b"), link("a", "c")), rule: unpack.RuleOnce, twin: tarOf(link("a", "b")), want: "a>b"},
		{name: "stripped whole", bad: tarOf(dir("top/"), file("LICENSE", "1"), file("top/a", "1")), rule: unpack.RuleStrip, twin: tarOf(dir("./"), dir("top/"), file("top/a", "1")), want: "a", layout: manifests.Layout{Strip: 1}},
		{name: "link stripped whole", bad: tarOf(file("top/a", "1"), link("b", "top/a")), rule: unpack.RuleStrip, twin: tarOf(file("top/a", "1"), link("top/b", "a")), want: "a b>a", layout: manifests.Layout{Strip: 1}},
		{name: "stripped to one name", bad: tarOf(file("x/a", "1"), file("y/a", "1")), rule: unpack.RuleOnce, twin: tarOf(file("x/a", "1"), file("y/b", "1")), want: "a b", layout: manifests.Layout{Strip: 1}},
		{name: "stripped to a drive", bad: tarOf(file("x/c:a", "1")), rule: unpack.RuleRelative, twin: tarOf(file("x/cc:a", "1")), want: "cc:a", layout: manifests.Layout{Strip: 1}},
		{name: "nothing", bad: tarOf(), rule: unpack.RuleEmpty, twin: one, want: "a"},
		{name: "only the root", bad: tarOf(dir("./")), rule: unpack.RuleEmpty, twin: tarOf(dir("./"), dir("a")), want: "a/"},
		{name: "only a stripped directory", bad: tarOf(dir("top/")), rule: unpack.RuleEmpty, twin: tarOf(dir("top/a")), want: "a/", layout: manifests.Layout{Strip: 1}},
		{name: "a copy that exists", bad: tarOf(file("go.mod", "1"), file("_go.mod", "1")), rule: unpack.RuleOnce, twin: tarOf(file("_go.mod", "1"), file("go.sum", "1")), want: "_go.mod go.mod go.sum", layout: manifests.Layout{Copies: map[string]string{"_go.mod": "go.mod"}}},
	})
}

func TestHostileTarLinks(t *testing.T) {
	chain := func(n int) []byte {
		entries := []tarEntry{file("l0", "x")}
		for i := range n {
			entries = append(entries, link(fmt.Sprintf("l%d", i+1), fmt.Sprintf("l%d", i)))
		}
		return tarOf(entries...)
	}
	// Links that lead far down, and from there up to the root and beyond.
	down := strings.TrimSuffix(strings.Repeat(strings.Repeat("d", 200)+"/", 19), "/")
	up := strings.TrimSuffix(strings.Repeat("../", 19), "/")
	longWay := func(on string) []byte {
		return tarOf(pax("path="+down), dir("x"), pax("path="+down+"/u", "linkpath="+up), link("x", "x"),
			pax("linkpath="+down), link("l", "x"), link("m", "l/u/"+on))
	}
	longWayOut := ""
	for n := range 19 {
		longWayOut += down[:201*n+200] + "/ "
	}
	longWayOut += down + "/u>" + up + " l>" + down + " m>l/u/fine"
	runAttacks(t, "tar", []attack{
		{name: "absolute", bad: tarOf(link("a", "/etc/passwd")), rule: unpack.RuleTarget, twin: tarOf(link("a", "etc/passwd")), want: "a>etc/passwd"},
		{name: "escapes", bad: tarOf(link("a", "../evil")), rule: unpack.RuleTarget, twin: tarOf(link("d/a", "../fine")), want: "d/ d/a>../fine"},
		{name: "escapes deep", bad: tarOf(link("d/a", "../../evil")), rule: unpack.RuleTarget, twin: tarOf(link("d/e/a", "../../fine")), want: "d/ d/e/ d/e/a>../../fine"},
		{name: "escapes and returns", bad: tarOf(file("x", "1"), link("a", "../one/x")), rule: unpack.RuleTarget, twin: tarOf(file("x", "1"), link("one", "x")), want: "one>x x"},
		{name: "escapes by the middle", bad: tarOf(link("a", "b/../../evil")), rule: unpack.RuleTarget, twin: tarOf(link("a", "b/../fine")), want: "a>b/../fine"},
		{name: "escapes once stripped", bad: tarOf(link("top/a", "../evil")), rule: unpack.RuleTarget, twin: tarOf(link("top/d/a", "../fine")), want: "d/ d/a>../fine", layout: manifests.Layout{Strip: 1}},
		{name: "escapes through a link", bad: tarOf(dir("d"), dir("d/e"), link("d/e/up", "../.."), link("x", "d/e/up/../evil")), rule: unpack.RuleTarget,
			twin: tarOf(dir("d"), dir("d/e"), link("d/e/up", "../.."), link("x", "d/e/up/fine")), want: "d/ d/e/ d/e/up>../.. x>d/e/up/fine"},
		{name: "escapes through a chain", bad: tarOf(dir("a"), dir("a/b"), link("l", "a/b"), link("m", "l/../.."), link("n", "m/..")), rule: unpack.RuleTarget,
			twin: tarOf(dir("a"), dir("a/b"), link("l", "a/b"), link("m", "l/.."), link("n", "m/b")), want: "a/ a/b/ l>a/b m>l/.. n>m/b"},
		{name: "escapes through a link to the root", bad: tarOf(link("here", "."), link("x", "here/sub/../../one/y")), rule: unpack.RuleTarget, twin: tarOf(link("here", "."), link("x", "here/sub/y")), want: "here>. x>here/sub/y"},
		{name: "to an open file", bad: tarOf(link("a", "/proc/self/fd/3")), rule: unpack.RuleTarget, twin: tarOf(link("a", "proc/self/fd/3")), want: "a>proc/self/fd/3"},
		{name: "escapes by a long way", bad: longWay("../evil"), rule: unpack.RuleTarget, twin: longWay("fine"), want: longWayOut},
		{name: "loop", bad: tarOf(link("a", "b"), link("b", "a")), rule: unpack.RuleHops, twin: tarOf(link("a", "b"), link("b", "c")), want: "a>b b>c"},
		{name: "loop to itself", bad: tarOf(link("a", "a")), rule: unpack.RuleHops, twin: tarOf(link("a", "aa")), want: "a>aa"},
		{name: "loop by a directory", bad: tarOf(link("d/a", "../d/a/b")), rule: unpack.RuleHops, twin: tarOf(link("d/a", "../d/b")), want: "d/ d/a>../d/b"},
		{name: "41 hops", bad: chain(41), rule: unpack.RuleHops, twin: tarOf(file("l0", "x"), link("l1", "l0"), link("l2", "l1")), want: "l0 l1>l0 l2>l1"},
		{name: "no target", bad: tarOf(link("a", "")), rule: unpack.RuleTarget, twin: tarOf(link("a", "b/")), want: "a>b/"},
		{name: "target with a control character", bad: tarOf(link("a", "b\tc")), rule: unpack.RuleText, twin: tarOf(link("a", "b c")), want: "a>b c"},
		{name: "target not UTF-8", bad: tarOf(link("a", "b\xfe")), rule: unpack.RuleText, twin: tarOf(link("a", "bþ")), want: "a>bþ"},
		{name: "target decomposed", bad: tarOf(link("a", "e\u0301")), rule: unpack.RuleText, twin: tarOf(link("a", "\u00e9")), want: "a>\u00e9"},
		{name: "target with a backslash", bad: tarOf(link("a", `..\evil`)), rule: unpack.RuleBackslash, twin: tarOf(link("a", "..evil")), want: "a>..evil"},
		{name: "target with a drive", bad: tarOf(link("a", `c:evil`)), rule: unpack.RuleTarget, twin: tarOf(link("a", "cc:fine")), want: "a>cc:fine"},
		{name: "target of too many elements", bad: tarOf(pax("linkpath="+strings.Repeat("a/", 128)+"b"), link("l", "x")), rule: unpack.RuleCeiling,
			twin: tarOf(pax("linkpath="+strings.Repeat("a/", 127)+"b"), link("l", "x")), want: "l>" + strings.Repeat("a/", 127) + "b"},
		{name: "target with a long element", bad: tarOf(pax("linkpath=b/"+strings.Repeat("x", 256)), link("a", "x")), rule: unpack.RuleCeiling,
			twin: tarOf(pax("linkpath=b/"+strings.Repeat("x", 255)), link("a", "x")), want: "a>b/" + strings.Repeat("x", 255)},
		{name: "target of 4096 bytes", bad: tarOf(pax("linkpath="+strings.Repeat("123456789abcdef/", 256)), link("a", "x")), rule: unpack.RuleCeiling,
			twin: tarOf(pax("linkpath="+strings.Repeat(strings.Repeat("x", 63)+"/", 63)+strings.Repeat("x", 63)), link("a", "x")), want: "a>" + strings.Repeat(strings.Repeat("x", 63)+"/", 63) + strings.Repeat("x", 63)},
		{name: "hard link outside", bad: tarOf(hard("a", "../decoy")), rule: unpack.RuleElements, twin: tarOf(file("b", "1"), hard("a", "b")), want: "a b"},
		{name: "hard link absolute", bad: tarOf(hard("a", "/etc/passwd")), rule: unpack.RuleRelative, twin: tarOf(file("b", "1"), hard("a", "./b")), want: "a b"},
		{name: "hard link to a later file", bad: tarOf(hard("a", "b"), file("b", "1")), rule: unpack.RuleHardLink, twin: tarOf(file("b", "1"), hard("a", "b")), want: "a b"},
		{name: "hard link to a later link", bad: tarOf(file("c", "1"), hard("a", "b"), link("b", "c")), rule: unpack.RuleHardLink, twin: tarOf(file("c", "1"), link("b", "c"), hard("a", "b")), want: "a>c b>c c"},
		{name: "hard link to a link that escapes from its place", bad: tarOf(dir("d"), link("d/b", "../c"), hard("a", "d/b")), rule: unpack.RuleTarget, twin: tarOf(dir("d"), dir("e"), link("d/b", "../c"), hard("e/a", "d/b")), want: "d/ d/b>../c e/ e/a>../c"},
		{name: "hard link to a link over a file", bad: tarOf(link("b", "c"), file("a", "1"), hard("a", "b")), rule: unpack.RuleOnce, twin: tarOf(link("b", "c"), hard("a", "b"), hard("d", "a")), want: "a>c b>c d>c"},
		{name: "hard link to a directory", bad: tarOf(dir("b"), hard("a", "b")), rule: unpack.RuleHardLink, twin: tarOf(file("b/c", "1"), hard("a", "b/c")), want: "a b/ b/c"},
		{name: "hard link to itself", bad: tarOf(hard("a", "a")), rule: unpack.RuleHardLink, twin: tarOf(file("a", "1")), want: "a"},
		{name: "hard link to nothing", bad: tarOf(file("a", "1"), hard("b", "")), rule: unpack.RuleElements, twin: tarOf(file("a", "1"), hard("b", "a")), want: "a b"},
		{name: "hard link through a link", bad: tarOf(file("d/c", "1"), link("l", "d"), hard("a", "l/c")), rule: unpack.RuleHardLink, twin: tarOf(file("d/c", "1"), link("l", "d"), hard("a", "d/c")), want: "a d/ d/c l>d"},
		{name: "hard link over a file", bad: tarOf(file("a", "1"), file("b", "2"), hard("a", "b")), rule: unpack.RuleOnce, twin: tarOf(file("a", "1"), hard("b", "a"), hard("c", "b")), want: "a b c"},
		{name: "hard link to a stripped name", bad: tarOf(file("t/a", "1"), hard("t/b", "a")), rule: unpack.RuleHardLink, twin: tarOf(file("t/a", "1"), hard("t/b", "t/a")), want: "a b", layout: manifests.Layout{Strip: 1}},
	})
	// 40 links are accepted.
	entries, err := unpackAll(t, chain(40), manifests.Layout{Format: "tar"}, unpack.DefaultLimits())
	if err != nil || len(entries) != 41 {
		t.Errorf("a chain of 40: %d entries, %v", len(entries), err)
	}
}

// An entry may be listed again if it is equal.
func TestTarEntriesTwice(t *testing.T) {
	moded := func(e tarEntry, mode string) tarEntry {
		e.mode = mode
		return e
	}
	large := strings.Repeat("x", 200_000) // written by the reader itself
	runAttacks(t, "tar", []attack{
		{name: "contents", bad: tarOf(file("a", "1"), file("a", "2")), rule: unpack.RuleOnce, twin: tarOf(file("a", "1"), file("b", "2"), file("a", "1"), file("a", "1")), want: "a b"},
		{name: "large contents", bad: tarOf(file("a", large), file("a", large[1:]+"y")), rule: unpack.RuleOnce, twin: tarOf(file("a", large), file("a", large)), want: "a"},
		{name: "size", bad: tarOf(file("a", ""), file("a", "2")), rule: unpack.RuleOnce, twin: tarOf(file("a", ""), file("a", "")), want: "a"},
		{name: "mode", bad: tarOf(file("a", "1"), moded(file("a", "1"), "0000755\x00")), rule: unpack.RuleOnce, twin: tarOf(file("a", "1"), moded(file("a", "1"), "0000664\x00")), want: "a"},
		{name: "type", bad: tarOf(file("a", "b"), link("a", "b")), rule: unpack.RuleOnce, twin: tarOf(link("a", "b"), link("a", "b")), want: "a>b"},
		{name: "type the other way", bad: tarOf(link("a", "b"), file("a", "b")), rule: unpack.RuleOnce, twin: tarOf(file("a", "b"), file("./a", "b")), want: "a"},
		{name: "target", bad: tarOf(link("a", "b"), link("a", "./b")), rule: unpack.RuleOnce, twin: tarOf(link("d/a", "b"), link("./d/a", "b")), want: "d/ d/a>b"},
		{name: "hard link", bad: tarOf(file("a", "1"), file("b", "2"), hard("c", "a"), hard("c", "b")), rule: unpack.RuleOnce, twin: tarOf(file("a", "1"), hard("c", "a"), hard("c", "a"), hard("a", "a"), file("c", "1")), want: "a c"},
		{name: "hard link of another mode", bad: tarOf(file("a", "1"), moded(file("b", "1"), "0000755\x00"), hard("a", "b")), rule: unpack.RuleOnce, twin: tarOf(file("a", "1"), hard("b", "a"), hard("a", "b")), want: "a b"},
		{name: "hard link to a link", bad: tarOf(link("a", "x"), link("b", "y"), hard("c", "a"), hard("c", "b")), rule: unpack.RuleOnce, twin: tarOf(link("a", "x"), hard("c", "a"), link("c", "x")), want: "a>x c>x"},
		{name: "with a copy", bad: tarOf(file("_go.mod", "1"), file("go.mod", "1")), rule: unpack.RuleOnce, twin: tarOf(file("_go.mod", "1"), file("_go.mod", "1")), want: "_go.mod go.mod", layout: manifests.Layout{Copies: map[string]string{"_go.mod": "go.mod"}}},
		{name: "stripped", bad: tarOf(file("x/a", "1"), file("y/a", "1")), rule: unpack.RuleOnce, twin: tarOf(file("x/a", "1"), file("x/a", "1")), want: "a", layout: manifests.Layout{Strip: 1}},
	})
}

// A repeated entry counts against the limits, and is compared before it is accepted.
func TestTarEntriesTwiceAreCounted(t *testing.T) {
	twice := tarOf(file("a", "1"), file("a", "1"), link("l", "a"), link("l", "a"))
	limits := unpack.DefaultLimits()
	limits.Entries, limits.Bytes = 4, 1
	if entries, err := unpackAll(t, twice, manifests.Layout{Format: "tar"}, limits); err != nil || list(entries) != "a l>a" {
		t.Errorf("%q, %v", list(entries), err)
	}
	limits.Entries = 3
	wantRefused(t, twice, manifests.Layout{Format: "tar"}, limits, unpack.RuleCeiling)
}

func TestHostileTarTypes(t *testing.T) {
	var attacks []attack
	for _, flag := range []byte("346789ADMNSVXIZz@ \x01\x7f") {
		rule := unpack.RuleType
		if flag == 'S' || flag == 'M' {
			rule = unpack.RuleSparse
		}
		attacks = append(attacks, attack{name: fmt.Sprintf("type %q", flag), bad: tarOf(file("a", "1"), tarEntry{name: "b", edit: func(b []byte) { b[156] = flag }}),
			rule: rule, twin: tarOf(file("a", "1"), file("b", "")), want: "a b"})
	}
	attacks = append(attacks,
		attack{name: "directory with data", bad: tarOf(tarEntry{name: "a/", flag: '5', data: "x"}), rule: unpack.RuleNoData, twin: tarOf(dir("a/")), want: "a/"},
		attack{name: "link with data", bad: tarOf(tarEntry{name: "a", link: "b", flag: '2', data: "x"}), rule: unpack.RuleNoData, twin: tarOf(link("a", "b")), want: "a>b"},
		attack{name: "hard link with data", bad: tarOf(file("b", "x"), tarEntry{name: "a", link: "b", flag: '1', data: "x"}), rule: unpack.RuleNoData, twin: tarOf(file("b", "x"), hard("a", "b")), want: "a b"},
		attack{name: "file with a target", bad: tarOf(tarEntry{name: "a", link: "b", data: "x"}), rule: unpack.RuleHeader, twin: tarOf(file("a", "x")), want: "a"},
		attack{name: "sparse by PAX 1.0", bad: tarOf(pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=a"), file("a", "x")), rule: unpack.RuleSparse, twin: tarOf(pax("mtime=1.5", "SCHILY.xattr.user.x=y\x00z", "comment=hi"), file("a", "x")), want: "a"},
		attack{name: "sparse by PAX 0.1", bad: tarOf(pax("GNU.sparse.map=0,1"), file("a", "x")), rule: unpack.RuleSparse, twin: tarOf(pax("uid=70000"), file("a", "x")), want: "a"},
	)
	runAttacks(t, "tar", attacks)
}

func TestHostileTarHeaders(t *testing.T) {
	honest := tarOf(file("a", "x"))
	prefixed := func(trailer string) []byte {
		return tarOf(tarEntry{name: "a", prefix: "p", data: "x", edit: func(b []byte) { copy(b[508:], trailer) }})
	}
	gnu := func(at int, numbers string) []byte {
		return tarOf(tarEntry{name: "a", magic: gnuMagic, data: "hello", edit: func(b []byte) { copy(b[at:], numbers) }})
	}
	edited := func(at int, field string) tarEntry {
		return tarEntry{name: "a", data: "x", edit: func(b []byte) { copy(b[at:], field) }}
	}
	v7 := func(name string) tarEntry {
		return tarEntry{name: name, data: "x", edit: func(b []byte) { clear(b[257:265]) }}
	}
	timed := gnu(345, "00000000001\x0000000000002\x00") // atime, ctime
	runAttacks(t, "tar", []attack{
		{name: "checksum wrong", bad: tarOf(tarEntry{name: "a", sum: "000001\x00 "}), rule: unpack.RuleHeader, twin: honest, want: "a"},
		{name: "checksum not a number", bad: tarOf(tarEntry{name: "a", sum: "zzzzzz\x00 "}), rule: unpack.RuleHeader, twin: honest, want: "a"},
		{name: "size not a number", bad: tarOf(tarEntry{name: "a", size: "0000000000x\x00"}), rule: unpack.RuleHeader, twin: tarOf(tarEntry{name: "a", data: "x", size: "          1 "}), want: "a"},
		{name: "size empty", bad: tarOf(tarEntry{name: "a", size: "            "}), rule: unpack.RuleHeader, twin: tarOf(tarEntry{name: "a", size: "0           "}), want: "a"},
		{name: "size with a sign", bad: tarOf(tarEntry{name: "a", size: "-0000000001\x00"}), rule: unpack.RuleHeader, twin: honest, want: "a"},
		{name: "size with a gap", bad: tarOf(tarEntry{name: "a", size: "0000\x0000000\x00"}), rule: unpack.RuleHeader, twin: honest, want: "a"},
		{name: "size negative in base 256", bad: tarOf(tarEntry{name: "a", size: strings.Repeat("\xff", 12)}), rule: unpack.RuleHeader, twin: tarOf(tarEntry{name: "a", data: "x", size: "\x80" + strings.Repeat("\x00", 10) + "\x01"}), want: "a"},
		{name: "size of 2^63", bad: tarOf(tarEntry{name: "a", size: "\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00"}), rule: unpack.RuleHeader, twin: honest, want: "a"},
		{name: "size of 8 EiB less one", bad: tarOf(tarEntry{name: "a", size: "\x80\x00\x00\x00\x3f\xff\xff\xff\xff\xff\xff\xff"}), rule: unpack.RuleCeiling, twin: honest, want: "a"},
		{name: "mode not a number", bad: tarOf(tarEntry{name: "a", mode: "rwxr-xr\x00"}), rule: unpack.RuleHeader, twin: tarOf(tarEntry{name: "a", mode: "0100755\x00"}), want: "a"},
		{name: "owner not a number", bad: tarOf(edited(108, "root\x00")), rule: unpack.RuleHeader, twin: tarOf(edited(108, strings.Repeat("\x00", 8))), want: "a"},
		{name: "group not a number", bad: tarOf(edited(116, "0000009\x00")), rule: unpack.RuleHeader, twin: tarOf(edited(116, "\x80\x00\x00\x00\x7f\xff\xff\xff")), want: "a"},
		{name: "time not a number", bad: tarOf(edited(136, "today")), rule: unpack.RuleHeader, twin: tarOf(edited(136, strings.Repeat("\xff", 12))), want: "a"},
		{name: "owner with a number after a NUL", bad: tarOf(edited(108, "\x000000017")), rule: unpack.RuleHeader, twin: tarOf(edited(108, "       \x00       \x00")), want: "a"},
		{name: "owner with garbage after a number", bad: tarOf(edited(108, "17\x00xyzab")), rule: unpack.RuleHeader, twin: tarOf(edited(108, "17 \x00    ")), want: "a"},
		{name: "size blank though the owner may be", bad: tarOf(edited(124, "           \x00")), rule: unpack.RuleHeader, twin: tarOf(edited(136, "           \x00")), want: "a"},
		{name: "mode blank though the group may be", bad: tarOf(edited(100, "       \x00")), rule: unpack.RuleHeader, twin: tarOf(edited(116, " \x00 \x00    ")), want: "a"},
		{name: "device not a number", bad: tarOf(edited(329, "sda")), rule: unpack.RuleHeader, twin: tarOf(edited(329, strings.Repeat(" ", 16))), want: "a"},
		{name: "second number of a device not one", bad: tarOf(edited(337, "sda")), rule: unpack.RuleHeader, twin: tarOf(edited(337, "0000000\x00")), want: "a"},
		{name: "no magic but a cabinet's", bad: tarOf(v7("MSCF")), rule: unpack.RuleHeader, twin: tarOf(v7("mscf")), want: "mscf"},
		{name: "no magic but lzip's", bad: tarOf(v7("LZIP")), rule: unpack.RuleHeader, twin: tarOf(file("LZIP", "x")), want: "LZIP"},
		{name: "no magic but bzip2's", bad: tarOf(v7("BZhello")), rule: unpack.RuleHeader, twin: tarOf(file("BZhello", "x")), want: "BZhello"},
		{name: "magic unknown", bad: tarOf(tarEntry{name: "a", magic: "USTAR\x0000"}), rule: unpack.RuleHeader, twin: tarOf(tarEntry{name: "a", magic: gnuMagic}), want: "a"},
		{name: "star's shorter prefix", bad: prefixed("tar\x00"), rule: unpack.RuleHeader, twin: prefixed(""), want: "p/ p/a"},
		{name: "a file with GNU's map of a sparse one", bad: gnu(386, "00000000002\x0000000000003\x00"), rule: unpack.RuleSparse, twin: timed, want: "a"},
		{name: "a file with more of GNU's map", bad: gnu(482, "\x01"), rule: unpack.RuleSparse, twin: timed, want: "a"},
		{name: "a file with GNU's real size", bad: gnu(483, "00000000003\x00"), rule: unpack.RuleSparse, twin: timed, want: "a"},
		{name: "a file with GNU's place in several volumes", bad: gnu(369, "00000000003\x00"), rule: unpack.RuleSparse, twin: timed, want: "a"},
		{name: "prefix that escapes", bad: tarOf(tarEntry{name: "a", prefix: ".."}), rule: unpack.RuleElements, twin: tarOf(tarEntry{name: "a", prefix: "..b"}), want: "..b/ ..b/a"},
		{name: "directory by its slash in ustar", bad: tarOf(tarEntry{name: "a/"}), rule: unpack.RuleElements, twin: tarOf(tarEntry{name: "a/", edit: func(b []byte) { b[156] = 0; clear(b[257:265]) }}), want: "a/"},
	})
}

func TestHostileTarExtended(t *testing.T) {
	const deep = "a/b/c"
	size := func(header, extended string) []byte {
		return tarOf(pax("size="+extended), tarEntry{name: "a", data: strings.Repeat("x", 512), size: header})
	}
	runAttacks(t, "tar", []attack{
		{name: "size differs", bad: size("00000000000\x00", "512"), rule: unpack.RuleExtended, twin: size("", "512"), want: "a"},
		{name: "size differs the other way", bad: size("", "0"), rule: unpack.RuleExtended, twin: size("", "512"), want: "a"},
		{name: "size negative", bad: size("", "-512"), rule: unpack.RuleExtended, twin: size("", "512"), want: "a"},
		{name: "size with a plus", bad: size("", "+512"), rule: unpack.RuleExtended, twin: size("", "512"), want: "a"},
		{name: "size with a zero", bad: size("", "0512"), rule: unpack.RuleExtended, twin: size("", "512"), want: "a"},
		{name: "size too large for a header and the archive", bad: size("00000000000\x00", "68719476737"), rule: unpack.RuleCeiling, twin: size("", "512"), want: "a"},
		{name: "size hides an entry", bad: tarOf(pax("size=1024"), tarEntry{name: "a", size: "00000000000\x00"}, file("evil", "x"), file("b", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("size=0"), file("a", ""), file("b", "x")), want: "a b"},
		{name: "key after a space", bad: tarOf(pax(" path=b"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("KIST.path=b"), file("a", "x")), want: "a"},
		{name: "key with a NUL", bad: tarOf(pax("path\x00=b"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("pat=b", "paths=b"), file("a", "x")), want: "a"},
		{name: "sparse by star", bad: tarOf(pax("SCHILY.realsize=512"), file("a", "x")), rule: unpack.RuleSparse, twin: tarOf(pax("SCHILY.filetype=regular", "SCHILY.release=star"), file("a", "x")), want: "a"},
		{name: "sparse by Solaris", bad: tarOf(pax("SUN.holesdata= 0 1"), file("a", "x")), rule: unpack.RuleSparse, twin: tarOf(pax("SUN.devmajor=1"), file("a", "x")), want: "a"},
		{name: "sparse by an unknown version of GNU", bad: tarOf(pax("GNU.sparse.future=1"), file("a", "x")), rule: unpack.RuleSparse, twin: tarOf(pax("GNU.dumpdir=Ya", "GNU.sparsely=1"), file("a", "x")), want: "a"},
		{name: "sparse by a global header", bad: tarOf(global("GNU.sparse.major=1"), file("a", "x")), rule: unpack.RuleSparse, twin: tarOf(global("GNU.volume.label=x"), file("a", "x")), want: "a"},
		{name: "on several volumes", bad: tarOf(global("GNU.volume.filename=a", "GNU.volume.size=9", "GNU.volume.offset=8"), file("a", "x")), rule: unpack.RuleSparse, twin: tarOf(global("GNU.volume.label=x"), file("a", "x")), want: "a"},
		{name: "names in another character set", bad: tarOf(pax("hdrcharset=ISO-IR 8859 1 1998", "path=\u00e9"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("hdrcharset=ISO-IR 10646 2000 UTF-8", "path=\u00e9"), file("a", "x")), want: "\u00e9"},
		{name: "names in another character set for all", bad: tarOf(global("hdrcharset=KOI8-R"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("hdrcharset=BINARY", "path=\u00e9"), file("a", "x")), want: "\u00e9"},
		{name: "time no number", bad: tarOf(pax("mtime=today"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("mtime=-1.5", "atime=1", "ctime=0.123456789"), file("a", "x")), want: "a"},
		{name: "time of two points", bad: tarOf(pax("atime=1.5.5"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("atime=1."), file("a", "x")), want: "a"},
		{name: "owner no number", bad: tarOf(pax("uid=-1x"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("uid=4294967294"), file("a", "x")), want: "a"},
		{name: "group empty", bad: tarOf(pax("gid="), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("gid=0"), file("a", "x")), want: "a"},
		{name: "global time no number", bad: tarOf(global("mtime=x"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(global("mtime=1"), file("a", "x")), want: "a"},
		{name: "key twice, not equal", bad: tarOf(pax("size=1", "size=2"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("size=1", "size=1", "path=b", "path=b"), file("a", "x")), want: "b"},
		{name: "target twice", bad: tarOf(pax("linkpath=b", "linkpath=c"), link("a", "b")), rule: unpack.RuleExtended, twin: tarOf(pax("comment=b", "comment=c", "mtime=1", "mtime=2"), link("a", "b")), want: "a>b"},
		{name: "key twice", bad: tarOf(pax("path=b", "path=c"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b", "mtime=1"), file("a", "x")), want: "b"},
		{name: "path empty", bad: tarOf(pax("path="), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b"), file("a", "x")), want: "b"},
		{name: "path with a NUL", bad: tarOf(pax("path=b\x00c"), file("a", "x")), rule: unpack.RuleText, twin: tarOf(pax("path=b c"), file("a", "x")), want: "b c"},
		{name: "path escapes", bad: tarOf(pax("path=../evil"), file("a", "x")), rule: unpack.RuleElements, twin: tarOf(pax("path="+deep), file("a", "x")), want: "a/ a/b/ a/b/c"},
		{name: "target escapes", bad: tarOf(pax("linkpath=../evil"), link("a", "b")), rule: unpack.RuleTarget, twin: tarOf(pax("linkpath=fine"), link("a", "b")), want: "a>fine"},
		{name: "target of a file", bad: tarOf(pax("linkpath=b"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("linkpath=b"), link("a", "x")), want: "a>b"},
		{name: "record too long", bad: tarOf(tarEntry{flag: 'x', data: "99 path=b\n"}, file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(tarEntry{flag: 'x', data: "10 path=b\n"}, file("a", "x")), want: "b"},
		{name: "record too short", bad: tarOf(tarEntry{flag: 'x', data: "9 path=b\n\n"}, file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b"), file("a", "x")), want: "b"},
		{name: "record length signed", bad: tarOf(tarEntry{flag: 'x', data: "+11 path=b\n"}, file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b"), file("a", "x")), want: "b"},
		{name: "record length padded", bad: tarOf(tarEntry{flag: 'x', data: "011 path=b\n"}, file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b"), file("a", "x")), want: "b"},
		{name: "record without a newline", bad: tarOf(tarEntry{flag: 'x', data: "10 path=bb"}, file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=bb"), file("a", "x")), want: "bb"},
		{name: "record without a value", bad: tarOf(tarEntry{flag: 'x', data: "8 path\n\n"}, file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b"), file("a", "x")), want: "b"},
		{name: "record without a key", bad: tarOf(pax("=b"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("comment="), file("a", "x")), want: "a"},
		{name: "records ended by NULs", bad: tarOf(tarEntry{flag: 'x', data: "10 path=b\n\x00\x00"}, file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b"), file("a", "x")), want: "b"},
		{name: "two for one entry", bad: tarOf(pax("path=b"), pax("mtime=1"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b", "mtime=1"), file("a", "x")), want: "b"},
		{name: "for no entry", bad: tarOf(file("a", "x"), pax("path=b")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b"), file("a", "x")), want: "b"},
		{name: "global path", bad: tarOf(global("path=b"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(global("comment=0123456789012345678901234567890123456789"), file("a", "x")), want: "a"},
		{name: "global size", bad: tarOf(global("size=0"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(global("mtime=0"), file("a", "x")), want: "a"},
		{name: "global target", bad: tarOf(global("linkpath=b"), link("a", "x")), rule: unpack.RuleExtended, twin: tarOf(global("KIST.linkpath=b"), link("a", "x")), want: "a>x"},
		{name: "global in between", bad: tarOf(pax("path=b"), global("comment=c"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(global("comment=c"), pax("path=b"), file("a", "x")), want: "b"},
		{name: "too large", bad: tarOf(pax("comment="+strings.Repeat("x", 1<<20)), file("a", "x")), rule: unpack.RuleCeiling, twin: tarOf(pax("comment="+strings.Repeat("x", 1<<19)), file("a", "x")), want: "a"},
		{name: "long name twice", bad: tarOf(long('L', "b"), long('L', "c"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(long('L', "b"), long('K', "c"), link("a", "x")), want: "b>c"},
		{name: "long target twice", bad: tarOf(long('K', "b"), long('K', "c"), link("a", "x")), rule: unpack.RuleExtended, twin: tarOf(long('K', "c"), long('L', "b"), link("a", "x")), want: "b>c"},
		{name: "long name with a NUL", bad: tarOf(long('L', "b\x00c"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(long('L', "bc"), file("a", "x")), want: "bc"},
		{name: "long name behind its size", bad: tarOf(tarEntry{name: "././@LongLink", flag: 'L', magic: gnuMagic, data: "bc", size: "00000000001\x00"}, file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(tarEntry{name: "././@LongLink", flag: 'L', magic: gnuMagic, data: "b"}, file("a", "x")), want: "b"},
		{name: "long name empty", bad: tarOf(long('L', ""), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(long('L', "b"), file("a", "x")), want: "b"},
		{name: "long name escapes", bad: tarOf(long('L', "../"+strings.Repeat("x", 120)), file("a", "x")), rule: unpack.RuleElements, twin: tarOf(long('L', strings.Repeat("x", 120)), file("a", "x")), want: strings.Repeat("x", 120)},
		{name: "long name and PAX", bad: tarOf(long('L', "b"), pax("path=c"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(long('L', "b"), file("a", "x")), want: "b"},
		{name: "PAX and long name", bad: tarOf(pax("mtime=1"), long('L', "b"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(pax("path=b"), file("a", "x")), want: "b"},
		{name: "long target of a file", bad: tarOf(long('K', "b"), file("a", "x")), rule: unpack.RuleExtended, twin: tarOf(long('K', "b"), link("a", "x")), want: "a>b"},
		{name: "long name for no entry", bad: tarOf(file("a", "x"), long('L', "b")), rule: unpack.RuleExtended, twin: tarOf(long('L', "b"), file("a", "x")), want: "b"},
	})
}

// The first bytes of a tar are a name, where programs look for magic numbers.
func TestHostileTarFormats(t *testing.T) {
	// A PAX header named like a gzip header whose extra field extends to the content of
	// a file that holds another tar.
	const mark = "another tar: "
	inner := gz(tarOf(file("evil", "x")))
	gzipped := func(extra int) []byte {
		h := pax("path=a")
		h.name = "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\x03"
		h.edit = func(b []byte) { copy(b, h.name); binary.LittleEndian.PutUint16(b[10:], uint16(extra)) }
		return tarOf(h, file("x", mark+string(inner[10:])))
	}
	both := gzipped(bytes.Index(gzipped(0), []byte(mark)) + len(mark) - 12)
	if r, err := gzip.NewReader(bytes.NewReader(both)); err != nil {
		t.Fatal(err)
	} else if _, err := io.CopyN(io.Discard, r, int64(len(tarOf(file("evil", "x"))))); err != nil {
		t.Fatal(err)
	}
	named := func(name string) []byte {
		return tarOf(pax("path=a"), tarEntry{data: "x", edit: func(b []byte) { copy(b, name) }})
	}
	extended := func(name string) []byte {
		h := pax("path=a")
		h.edit = func(b []byte) { clear(b[:100]); copy(b, name) }
		return tarOf(h, file("x", "x"))
	}
	long := (strings.Repeat("x", 99) + "ü")[:100] // cut within a character
	runAttacks(t, "tar", []attack{
		{name: "that is a gzip", bad: both, rule: unpack.RuleFormat, twin: extended("PaxHeaders/x"), want: "a"},
		{name: "something after a name", bad: named("x\x00y"), rule: unpack.RuleFormat, twin: named("x"), want: "a"},
		{name: "the magic number of lzma", bad: extended("]\x00\x00\x00\x04\xff\xff\xff\xff\xff\xff\xff\xff"), rule: unpack.RuleFormat, twin: extended("]"), want: "a"},
		{name: "the magic number of zstd", bad: extended("\x28\xb5\x2f\xfd\x20\x20"), rule: unpack.RuleFormat, twin: extended("\x28\xc2\xb5\x2f"), want: "a"},
		{name: "the magic number of bzip2", bad: tarOf(file("BZh91AY&SY", "x")), rule: unpack.RuleFormat, twin: tarOf(file("BZh91AY&S", "x")), want: "BZh91AY&S"},
		{name: "a replaced name of control characters", bad: named("\x1f\x9d"), rule: unpack.RuleFormat, twin: named("\u00a0"), want: "a"},
		{name: "a replaced name that is not UTF-8", bad: named("x\xffy"), rule: unpack.RuleFormat, twin: named(long), want: "a"},
	})
}

func TestHostileTarEnds(t *testing.T) {
	one := file("a", "x").bytes()
	join := func(parts ...string) []byte { return []byte(strings.Join(parts, "")) }
	half := tarEnd[:512]
	honest := join(string(one), tarEnd)
	runAttacks(t, "tar", []attack{
		{name: "no end", bad: one, rule: unpack.RuleEnd, twin: honest, want: "a"},
		{name: "one zero block", bad: join(string(one), half), rule: unpack.RuleEnd, twin: honest, want: "a"},
		{name: "header after one zero block", bad: join(string(one), half, string(file("b", "x").bytes()), tarEnd), rule: unpack.RuleEnd, twin: join(string(one), string(file("b", "x").bytes()), tarEnd), want: "a b"},
		{name: "archive after the end", bad: join(string(honest), string(tarOf(file("b", "x")))), rule: unpack.RuleEnd, twin: join(string(honest), strings.Repeat(half, 18)), want: "a"},
		{name: "garbage after the end", bad: join(string(honest), "garbage"), rule: unpack.RuleEnd, twin: join(string(honest), half), want: "a"},
		{name: "half a block after the end", bad: join(string(honest), half[:100]), rule: unpack.RuleEnd, twin: join(string(honest), half), want: "a"},
		{name: "zeros without end", bad: join(string(honest), strings.Repeat(tarEnd, 1025)), rule: unpack.RuleCeiling, twin: join(string(honest), strings.Repeat(tarEnd, 1024)), want: "a"},
		{name: "no file at all", bad: nil, rule: unpack.RuleEnd, twin: honest, want: "a"},
		{name: "not a tar", bad: bytes.Repeat([]byte("not a tar "), 200), rule: unpack.RuleHeader, twin: honest, want: "a"},
	})
}

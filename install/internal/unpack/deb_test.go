package unpack_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
)

func TestHostileDeb(t *testing.T) {
	tree := tarOf(dir("./"), dir("./usr/"), file("./usr/a", "x"))
	data := arMember{name: "data.tar.gz", data: string(gz(tree))}
	honest := arOf(debVersion, debControl, data)
	want := "usr/ usr/a"
	named := func(name string, content []byte) arMember { return arMember{name: name, data: string(content)} }
	version := func(v string) []byte { return arOf(arMember{name: "debian-binary", data: v}, debControl, data) }
	packed := func(codec string, parts ...[]byte) []byte {
		return arOf(debVersion, debControl, named("data.tar."+codec, slices.Concat(parts...)))
	}
	runAttacks(t, "deb", []attack{
		{name: "several gzip members", bad: packed("gz", gz(tree[:1000]), gz(tree[1000:])), rule: unpack.RuleStream, twin: packed("gz", gz(tree)), want: want},
		{name: "several xz streams (dpkg-deb reads only the first)", bad: packed("xz", xz(tree), xz(make([]byte, 512))), rule: unpack.RuleStream, twin: packed("xz", xz(tree)), want: want},
		{name: "several zstd frames", bad: packed("zst", zst(tree[:1000]), zst(tree[1000:])), rule: unpack.RuleStream, twin: packed("zst", zst(tree)), want: want},
		{name: "a skippable frame before the data", bad: packed("zst", []byte(skippable("x")), zst(tree)), rule: unpack.RuleStream, twin: packed("zst", zst(tree)), want: want},
		{name: "a skippable frame after the data", bad: packed("zst", zst(tree), []byte(skippable("x"))), rule: unpack.RuleStream, twin: packed("zst", zst(tree)), want: want},
		{name: "zeros after the data", bad: packed("xz", xz(tree), make([]byte, 4)), rule: unpack.RuleStream, twin: packed("xz", xz(tree)), want: want},
		{name: "hard link to an absolute link, over another", bad: debOf(link("./usr/lib/a", "/etc/x"), link("./usr/b", "x"), hard("./usr/b", "./usr/lib/a")), rule: unpack.RuleOnce,
			twin: debOf(link("./usr/lib/a", "/etc/x"), hard("./usr/b", "./usr/lib/a"), link("./usr/b", "/etc/x")), want: "usr/ usr/b>../etc/x usr/lib/ usr/lib/a>../../etc/x"},
		{name: "not ar", bad: append([]byte("!<arcH>\n"), honest[8:]...), rule: unpack.RuleDeb, twin: honest, want: want},
		{name: "version 3", bad: version("3.0\n"), rule: unpack.RuleDeb, twin: version("2.0\n"), want: want},
		{name: "version with more", bad: version("2.0\nx"), rule: unpack.RuleDeb, twin: honest, want: want},
		{name: "version empty", bad: version(""), rule: unpack.RuleDeb, twin: honest, want: want},
		{name: "no version", bad: arOf(debControl, data, data), rule: unpack.RuleDeb, twin: honest, want: want},
		{name: "version second", bad: arOf(debControl, debVersion, data), rule: unpack.RuleDeb, twin: honest, want: want},
		{name: "data before control", bad: arOf(debVersion, data, debControl), rule: unpack.RuleDeb, twin: honest, want: want},
		{name: "no control", bad: arOf(debVersion, data), rule: unpack.RuleEnd, twin: honest, want: want},
		{name: "no data", bad: arOf(debVersion, debControl), rule: unpack.RuleEnd, twin: honest, want: want},
		{name: "two data", bad: arOf(debVersion, debControl, data, data), rule: unpack.RuleEnd, twin: honest, want: want},
		{name: "a signature member", bad: arOf(debVersion, debControl, data, arMember{name: "_gpgorigin", data: "x"}), rule: unpack.RuleEnd, twin: honest, want: want},
		{name: "data of lzma", bad: arOf(debVersion, debControl, named("data.tar.lzma", tree)), rule: unpack.RuleDeb, twin: arOf(debVersion, debControl, named("data.tar.zst", zst(tree))), want: want},
		{name: "data of another kind", bad: arOf(debVersion, debControl, named("data.zip", tree)), rule: unpack.RuleDeb, twin: arOf(debVersion, debControl, named("data.tar", tree)), want: want},
		{name: "data by another codec than named", bad: arOf(debVersion, debControl, named("data.tar.xz", gz(tree))), rule: unpack.RuleStream, twin: arOf(debVersion, debControl, named("data.tar.xz", xz(tree))), want: want},
		{name: "control of another kind", bad: arOf(debVersion, named("control.zip", nil), data), rule: unpack.RuleDeb, twin: arOf(debVersion, named("control.tar.xz", nil), data), want: want},
		{name: "long name of BSD", bad: arOf(arMember{name: "#1/13", data: "debian-binary2.0\n"}, debControl, data), rule: unpack.RuleDeb, twin: arOf(arMember{name: "debian-binary/", data: "2.0\n"}, debControl, data), want: want},
		{name: "long name of GNU", bad: arOf(debVersion, arMember{name: "//", data: "data.tar.gz/\n"}, data), rule: unpack.RuleDeb, twin: honest, want: want},
		{name: "symbol table", bad: arOf(arMember{name: "/", data: "\x00\x00\x00\x00"}, debControl, data), rule: unpack.RuleDeb, twin: honest, want: want},
		{name: "size negative", bad: arOf(debVersion, debControl, arMember{name: "data.tar", size: "-1"}), rule: unpack.RuleHeader, twin: honest, want: want},
		{name: "size with a plus", bad: arOf(debVersion, debControl, arMember{name: "data.tar", size: "+1", data: "x"}), rule: unpack.RuleHeader, twin: honest, want: want},
		{name: "size not a number", bad: arOf(debVersion, debControl, arMember{name: "data.tar", size: "x"}), rule: unpack.RuleHeader, twin: honest, want: want},
		{name: "size past the end", bad: arOf(debVersion, debControl, arMember{name: "data.tar", size: "9999999999"}), rule: unpack.RuleEnd, twin: honest, want: want},
		{name: "member magic wrong", bad: arOf(debVersion, debControl, arMember{name: "data.tar", data: string(tree), magic: "xx"}), rule: unpack.RuleHeader, twin: honest, want: want},
		{name: "padding wrong", bad: arOf(debVersion, arMember{name: "control.tar", data: "x", pad: "x"}, data), rule: unpack.RuleDeb, twin: arOf(debVersion, arMember{name: "control.tar", data: "x"}, data), want: want},
		{name: "parent", bad: debOf(file("./../evil", "x")), rule: unpack.RuleElements, twin: debOf(file("./..fine", "x")), want: "..fine"},
		{name: "absolute name", bad: debOf(file("/evil", "x")), rule: unpack.RuleRelative, twin: debOf(file("./fine", "x")), want: "fine"},
		{name: "device", bad: debOf(tarEntry{name: "./dev/null", flag: '3'}), rule: unpack.RuleType, twin: debOf(file("./dev/null", "")), want: "dev/ dev/null"},
		{name: "relative link escapes", bad: debOf(link("./usr/a", "../../evil")), rule: unpack.RuleTarget, twin: debOf(link("./usr/a", "/../../fine")), want: "usr/ usr/a>../fine"},
		{name: "link as a directory", bad: debOf(link("./a", "/etc"), file("./a/evil", "x")), rule: unpack.RuleBelow, twin: debOf(link("./a", "/etc"), file("./etc/fine", "x")), want: "a>etc etc/ etc/fine"},
		{name: "nothing", bad: debOf(dir("./")), rule: unpack.RuleEmpty, twin: debOf(dir("./"), dir("./usr")), want: "usr/"},
		{name: "cut data", bad: arOf(debVersion, debControl, named("data.tar", tree[:1024])), rule: unpack.RuleEnd, twin: arOf(debVersion, debControl, named("data.tar", tree)), want: want},
	})
}

func TestDebLinksAreRerooted(t *testing.T) {
	for _, c := range []struct {
		name, target, into string
		strip              int
		want               string
	}{
		{"./usr/bin/awk", "/etc/alternatives/awk", "", 0, "../../etc/alternatives/awk"},
		{"./usr/bin/awk", "/usr/bin/mawk", "", 0, "mawk"},
		{"./usr/bin/awk", "/usr", "", 0, ".."},
		{"./usr/bin/awk", "/usr/bin", "", 0, "."},
		{"./usr/bin/awk", "/usr/bin/../lib/x", "", 0, "../lib/x"},
		{"./usr/bin/awk", "/", "", 0, "../.."},
		{"./awk", "/", "", 0, "."},
		{"./awk", "/usr/bin/awk", "", 0, "usr/bin/awk"},
		{"./usr/bin/awk", "/etc/awk", "root", 0, "../../etc/awk"},
		{"./awk", "/", "root", 0, "."},
		{"./usr/bin/awk", "/usr/lib/awk", "", 1, "../lib/awk"},
		{"./usr/bin/awk", "/usr/lib/awk", "a/b", 1, "../lib/awk"},
		{"./usr/bin/awk", "../lib/awk", "", 0, "../lib/awk"},
		{`./usr/a\x2db`, `/usr/c\x2dd`, "", 0, `c\x2dd`},
	} {
		layout := manifests.Layout{Format: "deb", Into: c.into, Strip: c.strip}
		entries, err := unpackAll(t, debOf(link(c.name, c.target)), layout, unpack.DefaultLimits())
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		last := entries[len(entries)-1]
		if last.Target != c.want || !strings.HasSuffix(c.name, last.Path[strings.LastIndex(last.Path, "/")+1:]) {
			t.Errorf("%v: got %v", c, last)
		}
	}
}

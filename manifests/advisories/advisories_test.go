package advisories_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests/advisories"
	"github.com/kist-tools/kist/manifests/debian"
)

var stdlib = advisories.Package{Ecosystem: "Go", Name: "stdlib"}

// record returns a record that affects the package in p, with these members of "affected".
func record(t *testing.T, p advisories.Package, members string) advisories.Record {
	t.Helper()
	list, err := advisories.Parse(fmt.Appendf(nil, `{"id": "X-1", "affected": [{"package": {"ecosystem": %q, "name": %q}, %s}]}`, p.Ecosystem, p.Name, members))
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func events(kind string, list ...string) string {
	for i, e := range list {
		name, version, _ := strings.Cut(e, " ")
		list[i] = fmt.Sprintf(`{%q: %q}`, name, version)
	}
	return fmt.Sprintf(`"ranges": [{"type": %q, "events": [%s]}]`, kind, strings.Join(list, ", "))
}

func TestAffects(t *testing.T) {
	bookworm, ok := advisories.OfSource("https://deb.example/dists/bookworm/main/binary-amd64/Packages.xz", "gcc-12")
	if !ok || bookworm.Ecosystem != "Debian:12" {
		t.Fatalf("%+v, %v", bookworm, ok)
	}
	for _, test := range []struct {
		name    string
		p       advisories.Package
		members string
		in      string // version and what fixes it
		out     string
	}{
		{"from the beginning", stdlib, events("SEMVER", "introduced 0", "fixed 1.26.3"), "1.26.2:1.26.3 1.26.3rc1:1.26.3 1.9:1.26.3", "1.26.3 1.27.0"},
		{"two lines", stdlib, events("SEMVER", "introduced 0", "fixed 1.25.9", "introduced 1.26.0-0", "fixed 1.26.3"),
			"1.25.8:1.25.9 1.26.0:1.26.3 1.26rc1:1.26.3 1.26.2:1.26.3", "1.25.9 1.25.10 1.26.3"},
		{"in any order", stdlib, events("SEMVER", "fixed 1.26.3", "introduced 1.26.0-0", "fixed 1.25.9", "introduced 0"), "1.25.8:1.25.9 1.26.0:1.26.3", "1.25.9 1.26.3"},
		{"not fixed", stdlib, events("SEMVER", "introduced 1.20"), "1.20: 1.30:", "1.19.9"},
		{"last affected", stdlib, events("ECOSYSTEM", "introduced 1.20", "last_affected 1.20.5"), "1.20.5:", "1.20.6 1.19"},
		{"listed", stdlib, `"versions": ["1.20.1", "tip"]`, "1.20.1: tip:", "1.20.2"},
		{"listed and in a range", stdlib, `"versions": ["1.20.1"], ` + events("SEMVER", "introduced 1.21", "fixed 1.21.4"), "1.20.1: 1.21.3:1.21.4", "1.20.2 1.21.4"},
		{"a version that cannot be ordered", stdlib, events("SEMVER", "introduced 0"), "1.0:", "tip"},
		{"commits", stdlib, events("GIT", "introduced 0"), "", "1.0"},
		{"no events", stdlib, events("SEMVER"), "", "1.0"},
		{"another package", advisories.Package{Ecosystem: "Go", Name: "example.org/stdlib"}, events("SEMVER", "introduced 0"), "", ""},
		{"in dpkg's order", bookworm, events("ECOSYSTEM", "introduced 0", "fixed 12.2.0-14+deb12u1"), "12.2.0-14:12.2.0-14+deb12u1 12.2.0-14+deb12u1~1:12.2.0-14+deb12u1", "12.2.0-14+deb12u1 1:1"},
	} {
		r := record(t, test.p, test.members)
		for _, one := range strings.Fields(test.in) {
			version, want, _ := strings.Cut(one, ":")
			if affected, fixed := r.Affects(test.p, version); !affected || fixed != want {
				t.Errorf("%s: %s: affected %v, fixed in %q, want %q", test.name, version, affected, fixed, want)
			}
		}
		for version := range strings.FieldsSeq(test.out) {
			if affected, fixed := r.Affects(test.p, version); affected || fixed != "" {
				t.Errorf("%s: %s is affected, fixed in %q", test.name, version, fixed)
			}
		}
		if affected, _ := r.Affects(advisories.Package{Ecosystem: "npm", Name: test.p.Name}, "1.20.1"); affected {
			t.Errorf("%s: another ecosystem is affected", test.name)
		}
	}
	list, err := advisories.Parse([]byte(`[{"id": "X-1", "withdrawn": "2026-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": "Go", "name": "stdlib"}, "versions": ["1.0"]}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	if affected, _ := list[0].Affects(stdlib, "1.0"); affected {
		t.Error("an advisory that was withdrawn counts")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                 "",
		"no JSON":                 "id: X-1",
		"cut":                     `{"id": "X-1", "affected": [`,
		"two records":             `{"id": "X-1"} {"id": "X-2"}`,
		"no id":                   `{"summary": "x"}`,
		"an id of two words":      `{"id": "X 1"}`,
		"an id with an escape":    `{"id": "X\u001b[2J"}`,
		"a long id":               `{"id": "` + strings.Repeat("x", 257) + `"}`,
		"a number for a version":  `{"id": "X-1", "affected": [{"versions": [1]}]}`,
		"a date that is none":     `{"id": "X-1", "withdrawn": "today"}`,
		"very many versions":      `{"id": "X-1", "affected": [{"versions": [` + strings.Repeat(`"1",`, 20_000) + `"1"]}]}`,
		"very many packages":      `{"id": "X-1", "affected": [` + strings.Repeat(`{},`, 20_000) + `{}]}`,
		"very many events":        `{"id": "X-1", "affected": [{"ranges": [{"type": "SEMVER", "events": [` + strings.Repeat(`{},`, 20_000) + `{}]}]}]}`,
		"an array with one of no": `[{"id": "X-1"}, {}]`,
	} {
		if list, err := advisories.Parse([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, list)
		}
	}
	for name, text := range map[string]string{
		"an id alone":    `{"id": "X-1"}`,
		"unknown fields": ` {"schema_version": "9", "id": "X-1", "severity": [{"type": "CVSS_V3", "score": "x"}], "affected": [{"package": {"purl": "pkg:x"}, "database_specific": {}}]} `,
		"no records":     `[]`,
	} {
		if _, err := advisories.Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDBKeepsWhatIsWanted(t *testing.T) {
	var db advisories.DB
	wanted := map[[2]string]bool{{"Go", "stdlib"}: true, {"kist", "acme/zig"}: true}
	affects := func(id, ecosystem, name string) []byte {
		return fmt.Appendf(nil, `{"id": %q, "affected": [{"package": {"ecosystem": %q, "name": %s}, "versions": ["1"]}]}`, id, ecosystem, name)
	}
	for i, file := range [][]byte{
		affects("GO-1", "Go", `"stdlib"`), affects("GO-2", "Go", `"std\u006cib"`), affects("OWN-1", "kist", `"acme\/zig"`),
		affects("PYPI-1", "PyPI", `"stdlib"`), affects("GO-3", "Go", `"toolchain"`),
	} {
		if err := db.Add(fmt.Sprint(i), file, wanted); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(p advisories.Package) (list []string) {
		for _, r := range db.About(p) {
			list = append(list, r.ID)
		}
		return list
	}
	if got := ids(stdlib); !slices.Equal(got, []string{"GO-1", "GO-2"}) {
		t.Errorf("stdlib: %v", got)
	}
	if got := ids(advisories.Package{Ecosystem: "kist", Name: "acme/zig"}); !slices.Equal(got, []string{"OWN-1"}) {
		t.Errorf("acme/zig: %v", got)
	}
	if db.Files() != 5 || db.Records() != 3 {
		t.Errorf("%d files, %d records", db.Files(), db.Records())
	}
	for _, cut := range []string{`{"id": "GO-4", "affected": [{"package": {"ecosystem": "Go", "name": "stdl`, `{"id": "GO-4", "affe`, "<html>", ""} {
		if err := db.Add("cut.json", []byte(cut), wanted); err == nil || !strings.Contains(err.Error(), "cut.json") {
			t.Errorf("%s: %v", cut, err)
		}
	}
}

func TestNames(t *testing.T) {
	if got := advisories.OfTool("go", "go", true); len(got) != 4 || got[1].Ecosystem != "Go" || got[1].Name != "stdlib" {
		t.Errorf("go: %+v", got)
	}
	if got := advisories.OfTool("mirror", "go", false); len(got) != 1 || got[0].Name != "mirror/go" {
		t.Errorf("a channel that somebody added is not upstream's: %+v", got)
	}
	for index, want := range map[string]string{
		"https://deb.example/debian/dists/trixie/main/binary-amd64/Packages.xz":                        "Debian:13",
		"https://deb.example/debian-security/dists/bookworm-security/main/binary-amd64/Packages.xz":    "Debian:12",
		"https://ubuntu.example/dists/noble-updates/main/binary-amd64/by-hash/SHA256/0123456789abcdef": "Ubuntu:24.04:LTS",
		"https://deb.example/debian/dists/bookwormish/main/binary-amd64/Packages.xz":                   "",
		"https://deb.example/debian/dists/sid/main/binary-amd64/Packages.xz":                           "",
	} {
		if p, ok := advisories.OfSource(index, "gcc-12"); ok != (want != "") || p.Ecosystem != want {
			t.Errorf("%s: %+v", index, p)
		}
	}
}

// Whatever the events of a range are, a version that is introduced and not fixed below or at
// it is affected, and what fixes it is higher.
func TestRangesAreConsistent(t *testing.T) {
	version := rapid.StringMatching(`[1-9]\.[0-9]{1,2}\.[0-9]{1,2}`)
	rapid.Check(t, func(r *rapid.T) {
		var list []string
		for range rapid.IntRange(1, 5).Draw(r, "events") {
			list = append(list, rapid.SampledFrom([]string{"introduced ", "fixed ", "last_affected "}).Draw(r, "kind")+version.Draw(r, "at"))
		}
		v := version.Draw(r, "version")
		p := advisories.Package{Ecosystem: "Debian:12", Name: "x", Compare: debian.Compare}
		affected, fixed := record(t, p, events("ECOSYSTEM", slices.Clone(list)...)).Affects(p, v)
		if fixed != "" && (!affected || debian.Compare(fixed, v) <= 0) {
			r.Errorf("%v: %s is fixed in %s", list, v, fixed)
		}
		began := slices.ContainsFunc(list, func(e string) bool {
			at, ok := strings.CutPrefix(e, "introduced ")
			return ok && debian.Compare(at, v) <= 0
		})
		if affected && !began {
			r.Errorf("%v: %s is affected", list, v)
		}
	})
}

func FuzzOSV(f *testing.F) {
	f.Add([]byte(`{"id": "GO-2026-1", "aliases": ["CVE-2026-1"], "summary": "x", "affected": [{"package": {"ecosystem": "Go", "name": "stdlib"},
		"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.25.9"}, {"introduced": "1.26.0-0"}, {"last_affected": "1.26.2"}]}], "versions": ["1.0"]}]}`), "1.26.1")
	f.Add([]byte(`[{"id": "X", "withdrawn": "2026-01-01T00:00:00Z"}, {"id": "Y", "details": "\u001b"}]`), "tip")
	f.Fuzz(func(t *testing.T, data []byte, version string) {
		list, err := advisories.Parse(data)
		if err != nil {
			return
		}
		for _, r := range list {
			if r.ID == "" || strings.ContainsAny(r.Title(), "\n\r") {
				t.Errorf("record %q: %q", r.ID, r.Title())
			}
			for _, a := range r.Affected {
				p := advisories.Package{Ecosystem: a.Package.Ecosystem, Name: a.Package.Name}
				if affected, fixed := r.Affects(p, version); fixed != "" && !affected {
					t.Errorf("%s: %s is not affected, and fixed in %s", r.ID, version, fixed)
				}
			}
		}
		var db advisories.DB
		if err := db.Add("x", data, map[[2]string]bool{{"Go", "stdlib"}: true}); err != nil {
			t.Errorf("parsed, and not added: %v", err)
		}
	})
}

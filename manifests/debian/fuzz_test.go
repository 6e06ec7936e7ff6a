package debian

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzIndex checks that every index is either refused as untrusted or yields a closure.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(newStanza("tool 1", "Depends: lib (>= 1) | other, base:any") + "\n" + newStanza("lib 1.0-1", "Provides: other (= 2)", "Multi-Arch: same") + "\n" + newStanza("base 1:2~3", "Multi-Arch: allowed")))
	f.Add([]byte("Package: a1\nVersion: 1\nArchitecture: all\nDescription: x\n y\n .\n\n\n"))
	f.Add([]byte("a:b\n\n:"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a := newArchive("amd64")
		if err := a.add(&index{name: "Packages", root: root, suite: "bookworm"}, proved(t, bytes.Clone(data))); err != nil {
			if !isUntrusted(err) {
				t.Fatalf("%v is neither untrusted nor unsatisfied", err)
			}
			return
		}
		for name := range a.packages {
			chosen, err := a.closure([]string{name}, nil)
			if err != nil && !isUntrusted(err) && !isType[*unsatisfiedError](err) {
				t.Fatalf("%v is neither untrusted nor unsatisfied", err)
			}
			for _, d := range chosen {
				if strings.Contains(d.filename, "..") || d.size <= 0 || d.digest.IsZero() {
					t.Fatalf("%+v", d)
				}
			}
		}
	})
}

func FuzzRelease(f *testing.F) {
	f.Add([]byte("Origin: Debian\nSuite: oldstable\nCodename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nValid-Until: Sat, 18 Jul 2026 10:16:37 UTC\nArchitectures: all amd64\nSHA256:\n " +
		strings.Repeat("0", 64) + " 12 main/binary-amd64/Packages.gz"))
	f.Add([]byte("Suite: x\nDate: Sat, 11 Jul 2026 10:16:37 GMT\nSHA256:"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRelease(proved(t, bytes.Clone(data)))
		if err != nil && !isUntrusted(err) {
			t.Fatalf("%v is neither untrusted nor unsatisfied", err)
		}
		if err == nil && (r.date.IsZero() || r.suite == "" && r.codename == "") {
			t.Fatalf("%+v says too little", r)
		}
	})
}

func FuzzSources(f *testing.F) {
	f.Add("debian.sources", []byte(deb822Sources))
	f.Add("sources.list", []byte(oneLineSources))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		for _, s := range bookwormOf("bookworm").Mirror("amd64", ParseSources(name, data)) {
			if !strings.HasSuffix(s.Root, "/") || strings.ContainsAny(s.Root, " \n") {
				t.Fatalf("%+v", s)
			}
		}
	})
}

func FuzzRelations(f *testing.F) {
	f.Add("a1, b2 | c3 (>= 1:2-3), d4:any")
	f.Fuzz(func(t *testing.T, text string) {
		clauses, err := parseRelations(text)
		if err != nil {
			return
		}
		var all []string
		for _, c := range clauses {
			all = append(all, c.String())
		}
		again, err := parseRelations(strings.Join(all, ", "))
		if err != nil || len(again) != len(clauses) {
			t.Fatalf("%q is read as %q, and that not at all: %v", text, all, err)
		}
	})
}

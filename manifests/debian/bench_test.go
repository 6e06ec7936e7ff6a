package debian

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
)

// trixieSized returns an index with as many stanzas and bytes as trixie's, with ninja
// near the end.
func trixieSized() manifesttest.Suite {
	s := bookworm()
	s.Packages = nil
	s.Change = func(index string) string {
		if index != "" {
			return index // of another suite
		}
		var b strings.Builder
		for i := range 68_829 {
			fmt.Fprintf(&b, "Package: librust-crate-%d-dev\nSource: rust-crate-%[1]d\nVersion: 1.%[1]d-%d+b1\nInstalled-Size: %d\nMaintainer: Debian Rust Maintainers <rust@example.org>\n"+
				"Architecture: amd64\nProvides: librust-crate-%[1]d+default-dev (= 1.%[1]d-%[2]d+b1), librust-crate-%[1]d-1-dev (= 1.%[1]d-%[2]d+b1)\n"+
				"Depends: librust-crate-%[4]d-dev (>= 1.0), libc6 (>= 2.34)\nDescription: crate %[1]d - source code\nDescription-md5: %032[1]x\nMulti-Arch: same\nSection: rust\nPriority: optional\n"+
				"Filename: pool/main/r/rust-crate-%[1]d/librust-crate-%[1]d-dev_1.%[1]d-%[2]d+b1_amd64.deb\nSize: %[5]d\nMD5sum: %032[1]x\nSHA256: %064[1]x\n\n", i, i%9, i%5000, i/2, i+1000)
		}
		return b.String()
	}
	return s
}

// BenchmarkResolve measures a first request, which reads the indices, and later ones,
// which the excerpt answers.
func BenchmarkResolve(b *testing.B) {
	w := newWorld(b)
	w.publish(b, root, trixieSized())
	tools := bookworm()
	tools.Name, tools.Suite = "bookworm-updates", "oldstable-updates"
	w.publish(b, root, tools)
	s, query := w.source(b), manifests.Query{Request: ask("ninja"), Now: now}
	s.Cache = memory{}
	resolve := func(b *testing.B) manifests.Catalog {
		c, err := s.Fetch(b.Context(), w, query)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Resolve(query.Request); err != nil {
			b.Fatal(err)
		}
		return c
	}
	query.Last = resolve(b).Mark()
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			resolve(b)
		}
	})
	s.Cache, query.Last = nil, verify.Mark{}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			resolve(b)
		}
	})
}

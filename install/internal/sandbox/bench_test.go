package sandbox

import (
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
)

// BenchmarkChild measures what a child costs: its start, the wall, one small archive,
// and its end; and the same archive without a child.
func BenchmarkChild(b *testing.B) {
	src, a := opened(b, archiveOf(b, "a")), archive("a")
	for way, c := range walls() {
		b.Run(way, func(b *testing.B) {
			for b.Loop() {
				s := newStage(b)
				u := s.start(b, c, unpack.DefaultLimits())
				if err := u.Add(b.Context(), src, a); err != nil {
					b.Fatal(err)
				}
				if _, err := u.Finish(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package sandbox

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
)

// BenchmarkWall measures what the wall costs for a large archive: the same toolchain,
// Go's own as a tar.gz, is unpacked behind it and without it, in pairs of alternating
// order. It reports the medians of the ratios, pair by pair, of wall time and of
// processor time.
//
//	go test -run '^$' -bench BenchmarkWall -benchtime 11x ./install/internal/sandbox
func BenchmarkWall(b *testing.B) {
	src := toolchain(b)
	a := unpack.Archive{Name: "go", Component: "go", Layout: manifests.Layout{Format: "tar.gz"}}
	unpackOnce := func(c Command) (wall, cpu time.Duration) {
		s := newStage(b)
		unix.Sync() // so that this run does not wait for the writes of the one before
		start, used := time.Now(), processorTime(b)
		u := s.start(b, c, unpack.DefaultLimits())
		if err := u.Add(b.Context(), src, a); err != nil {
			b.Fatal(err)
		}
		if _, err := u.Finish(b.Context()); err != nil {
			b.Fatal(err)
		}
		u.Close()
		return time.Since(start), processorTime(b) - used
	}
	unpackOnce(Command{}) // reads the archive into memory
	var walls, cpus, seconds []float64
	for i := 0; b.Loop(); i++ {
		var wall, cpu [2]time.Duration // without and behind the wall
		for _, behind := range []int{i % 2, 1 - i%2} {
			wall[behind], cpu[behind] = unpackOnce([]Command{{}, childOf("honest")}[behind])
		}
		walls = append(walls, float64(wall[1])/float64(wall[0]))
		cpus = append(cpus, float64(cpu[1])/float64(cpu[0]))
		seconds = append(seconds, wall[1].Seconds())
	}
	b.ReportMetric(median(walls), "wall-ratio")
	b.ReportMetric(median(cpus), "cpu-ratio")
	b.ReportMetric(median(seconds), "s/unpacking")
	b.ReportMetric(0, "ns/op") // hides the time of a pair, which means nothing
}

// toolchain returns an archive of the toolchain that runs this test.
func toolchain(b *testing.B) *os.File {
	b.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(filepath.Join(b.TempDir(), "go.tar.gz"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	if err := w.AddFS(os.DirFS(strings.TrimSpace(string(goroot)))); err != nil {
		b.Fatal(err)
	}
	for _, c := range []interface{ Close() error }{w, z} {
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
	src, err := os.Open(f.Name()) // for reading only
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { src.Close() })
	return src
}

// processorTime returns the processor time of this process and its children.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

func median(all []float64) float64 {
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

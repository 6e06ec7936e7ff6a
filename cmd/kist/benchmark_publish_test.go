//go:build benchmark

package main

import (
	"fmt"
	"path/filepath"
	"time"
)

// publishing compares one call of publish add for 500 files with 500 calls.
func (b *benchmark) publishing() {
	archives := b.dir()
	var files []string
	for i := range 500 {
		file := filepath.Join(archives, fmt.Sprintf("tool%d-1.%d-linux-amd64.tar.gz", i%50, i))
		write(b.t, file, string(hello(fmt.Sprint(i), 0)), 0o644)
		files = append(files, file)
	}
	var ratios []float64
	for range *benchRuns {
		dir, h := b.dir(), b.home()
		one, many := filepath.Join(dir, "one"), filepath.Join(dir, "many")
		h.must("publish", "init", one, "--channel", "tools")
		h.must("publish", "init", many, "--channel", "tools")
		start := time.Now()
		h.must(append([]string{"publish", "add", one, "--command", "bin/hello"}, files...)...)
		together := time.Since(start)
		start = time.Now()
		for _, file := range files {
			h.must("publish", "add", many, file, "--command", "bin/hello")
		}
		ratios = append(ratios, together.Seconds()/time.Since(start).Seconds())
	}
	b.report.row("500 files in one publish add: wall / 500 calls", median(ratios), 0.1)
}

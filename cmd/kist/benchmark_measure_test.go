//go:build benchmark

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// contender is one program that does one job.
type contender struct {
	name    string
	prepare func()           // before each run, outside the clock; may be nil
	command func() *exec.Cmd // a run, from start to end
}

// figure is the result of one run.
type figure struct {
	wall, cpu float64 // seconds
	memory    float64 // MiB, of the process and its children together; see resident
}

// contest runs the contenders in rotation, so that other work on the machine affects all
// of them, and returns their figures run by run.
func contest(t *testing.T, runs int, contenders ...contender) [][]figure {
	t.Helper()
	return rotate(t, runs, func() {}, contenders)
}

// installs is contest for installs that fill the page cache.
func installs(t *testing.T, runs int, contenders ...contender) [][]figure {
	t.Helper()
	return rotate(t, runs, func() { emptyPageCache(t) }, contenders)
}

func rotate(t *testing.T, runs int, before func(), contenders []contender) [][]figure {
	t.Helper()
	figures := make([][]figure, len(contenders))
	for run := -1; run < runs; run++ { // the first one only warms up
		before()
		for i, c := range contenders {
			if c.prepare != nil {
				c.prepare()
			}
			syscall.Sync()
			f := measure(t, c.command())
			if run >= 0 {
				figures[i] = append(figures[i], f)
			}
		}
	}
	for i, c := range contenders {
		wall := column(figures[i], func(f figure) float64 { return f.wall })
		t.Logf("%-32s wall %.3f s (%.3f to %.3f), CPU %.3f s, memory %.0f MiB", c.name, median(wall), slices.Min(wall), slices.Max(wall),
			median(column(figures[i], func(f figure) float64 { return f.cpu })), median(column(figures[i], func(f figure) float64 { return f.memory })))
	}
	return figures
}

// emptyPageCache drops the cached files of earlier runs, because writing to a machine
// whose memory is full of them takes several times as long. It then reads the sources of
// the installs again. Only root can do that.
func emptyPageCache(t *testing.T) {
	t.Helper()
	syscall.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0); err != nil {
		t.Logf("the page cache stays as it is: %v", err)
		return
	}
	for _, pattern := range []string{"rust/files/*", "node/*/*", "go/*"} {
		files, err := filepath.Glob(filepath.Join(*benchData, pattern))
		must(t, err)
		for _, name := range files {
			f, err := os.Open(name)
			must(t, err)
			io.Copy(io.Discard, f) // nothing of a directory
			f.Close()
		}
	}
}

func measure(t *testing.T, cmd *exec.Cmd) figure {
	t.Helper()
	start := time.Now()
	out, err := os.CreateTemp(t.TempDir(), "")
	must(t, err)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	must(t, cmd.Start())
	ended := make(chan struct{})
	peak := make(chan float64)
	go watchMemory(cmd.Process.Pid, ended, peak)
	err = cmd.Wait()
	wall := time.Since(start)
	close(ended)
	memory := <-peak
	if err != nil {
		said, _ := os.ReadFile(out.Name())
		t.Fatalf("%v: %v\n%s", cmd.Args, err, said)
	}
	return figure{wall.Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), memory}
}

// watchMemory samples the resident memory of a process and its children until ended is
// closed, and reports the highest sum.
func watchMemory(pid int, ended <-chan struct{}, peak chan<- float64) {
	var most float64
	for {
		select {
		case <-ended:
			peak <- most
			return
		case <-time.After(20 * time.Millisecond):
			most = max(most, resident(pid))
		}
	}
}

// resident is in MiB. Pages of files, such as those of a program that is its own
// child, count once. Source: proc_pid_statm(5), proc_pid_task(5).
func resident(pid int) float64 {
	own, files := pages(pid)
	return float64((own+files)*os.Getpagesize()) / (1 << 20)
}

// pages counts the pages of a process and its children: their anonymous ones, and the
// largest number of file pages of one of them.
func pages(pid int) (own, files int) {
	statm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if fields := strings.Fields(string(statm)); len(fields) > 2 {
		all, _ := strconv.Atoi(fields[1])
		files, _ = strconv.Atoi(fields[2])
		own = all - files
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(children)) {
			n, _ := strconv.Atoi(child)
			more, its := pages(n)
			own, files = own+more, max(files, its)
		}
	}
	return own, files
}

func column(figures []figure, of func(figure) float64) (values []float64) {
	for _, f := range figures {
		values = append(values, of(f))
	}
	return values
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratio returns the median of the ratios of ours to theirs, run by run.
func ratio(ours, theirs []figure, of func(figure) float64) float64 {
	var ratios []float64
	for i := range ours {
		ratios = append(ratios, of(ours[i])/of(theirs[i]))
	}
	return median(ratios)
}

func wall(f figure) float64   { return f.wall }
func cpu(f figure) float64    { return f.cpu }
func memory(f figure) float64 { return f.memory }

// report is the table that a benchmark prints.
type report struct {
	t    *testing.T
	rows []string
}

// row adds one measure: the value that was reached, and its limit.
func (r *report) row(name string, got, reach float64) {
	verdict := "yes"
	if got > reach {
		verdict = "no"
	}
	r.rows = append(r.rows, fmt.Sprintf("| %-58s | %5.2f | %5.2f | %-3s |", name, got, reach, verdict))
	r.t.Log(r.rows[len(r.rows)-1])
}

func (r *report) print() {
	fmt.Printf("\n| %-58s | ratio | reach | met |\n| --- | --- | --- | --- |\n%s\n", "measure", strings.Join(r.rows, "\n"))
}

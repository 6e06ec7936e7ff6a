package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install"
)

// A line never exceeds its columns: first the label is shortened, then the rate
// goes, then the bar.
func TestProgressLine(t *testing.T) {
	java := progressLine{"downloading", "java 21.0.5+11.0.LTS (a-component-of-a-long-name)", 50e6, 200e6, 12.3e6}
	for _, test := range []struct {
		line    progressLine
		columns int
		want    string
	}{
		{progressLine{"downloading", "go 1.27.4", 50e6, 200e6, 12.3e6}, 79,
			"downloading go 1.27.4  25% |███           |  50.0 MB of 200.0 MB  12.3 MB/s"},
		{progressLine{"downloading", "go 1.27.4", 50e6, 200e6, 12.3e6}, 81,
			"downloading go 1.27.4  25% |███           |  50.0 MB of 200.0 MB  12.3 MB/s"},
		{java, 120, "downloading java 21.0.5+11.0.LTS (a-component-of-a-long-name)  25% |███           |  50.0 MB of 200.0 MB  12.3 MB/s"},
		{java, 79, "downloading java 2…-name)  25% |███           |  50.0 MB of 200.0 MB  12.3 MB/s"},
		{java, 72, "downloading java 21.…ng-name)  25% |███           |  50.0 MB of 200.0 MB"},
		{java, 59, "downloading java 21.0.5+1…a-long-name)  50.0 MB of 200.0 MB"},
		{java, 39, "downloading java 21.0…ng-name)  50.0 MB"},
		{java, 19, "java 21.0…ong-name)"},
		{progressLine{"unpacking", "日本語の道具 1.0.0", 5, -1, 0}, 30, "unpacking 日本語の道….0.0  5 B"},
		{progressLine{"verifying", "a\x1b[2J", 1, 2, 0}, 19, `verifying a\x1b[2J`},
	} {
		got := test.line.render(test.columns)
		if width := uniseg.StringWidth(got); width > test.columns {
			t.Errorf("%d columns: %d wide: %q", test.columns, width, got)
		}
		if got != test.want {
			t.Errorf("%d columns:\n got %q\nwant %q", test.columns, got, test.want)
		}
	}
}

func TestProgressLineFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(-1, 1<<60).Draw(t, "total")
		line := progressLine{
			doing: "downloading", total: total, done: rapid.Int64Range(0, 1<<60).Draw(t, "done"),
			label: rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("aé日本e\u0301🇩🇪👩\u200d🔧")))).Draw(t, "label"),
			rate:  rapid.Float64Range(0, 1e15).Draw(t, "rate"),
		}
		for _, columns := range []int{0, 1, 2, 19, 20, 39, 40, 59, 60, 79, 80, rapid.IntRange(0, 300).Draw(t, "columns")} {
			got := line.render(columns)
			if width := uniseg.StringWidth(got); width > columns {
				t.Fatalf("%d columns: %d wide: %q", columns, width, got)
			}
			if strings.ContainsAny(got, "\r\n\x1b") {
				t.Fatalf("it moves the cursor: %q", got)
			}
		}
	})
}

// A terminal that becomes narrower gets narrower lines from the next one on.
func TestProgressResize(t *testing.T) {
	var out bytes.Buffer
	now, width := time.Unix(0, 0), 100
	d := &display{out: &out, now: func() time.Time { return now }, width: func() int { return width }, bars: true}
	for done := range int64(20) {
		if done == 10 {
			width = 30
		}
		out.Reset()
		d.show(install.Progress{Stage: install.Download, Name: "OpenJDK21U-jdk_x64_linux_hotspot_21.0.5_11.tar.gz", Label: "java 21.0.5+11", Done: done * 1e6, Total: 20e6})
		now = now.Add(time.Second)
		for line := range strings.SplitSeq(out.String(), "\r") {
			if uniseg.StringWidth(line) >= width {
				t.Errorf("%d columns: %q", width, line)
			}
		}
		if !strings.Contains(out.String(), "downloading java") || strings.Contains(out.String(), "\n") {
			t.Errorf("%q", out.String())
		}
	}
	out.Reset()
	d.end()
	if got := strings.ReplaceAll(out.String(), " ", ""); got != "\r\r" {
		t.Errorf("it ends with %q", out.String())
	}
}

// No rate is shown before a second has passed, and none counts what was in the
// cache before.
func TestProgressRate(t *testing.T) {
	var out bytes.Buffer
	start := time.Unix(0, 0)
	now := start
	d := &display{out: &out, now: func() time.Time { return now }, width: func() int { return 120 }, bars: true}
	for _, at := range []struct {
		after time.Duration
		done  int64
		want  string
	}{{0, 500e6, ""}, {999 * time.Millisecond, 509e6, ""}, {2 * time.Second, 520e6, "10.0 MB/s"}} {
		out.Reset()
		now = start.Add(at.after)
		d.show(install.Progress{Stage: install.Download, Name: "a", Label: "go 1.27.4", Done: at.done, Total: 1000e6})
		if got := out.String(); !strings.Contains(got, "/s") != (at.want == "") || !strings.Contains(got, at.want) {
			t.Errorf("after %v: %q", at.after, got)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, test := range []struct {
		s       string
		columns int
		want    string
	}{
		{"abcdef", 6, "abcdef"}, {"abcdef", 5, "ab…ef"}, {"abcdef", 4, "ab…f"}, {"abcdef", 1, "…"}, {"abcdef", 0, ""}, {"", 3, ""},
		{"日本語", 6, "日本語"}, {"日本語", 5, "日…語"}, {"日本語", 4, "日…"}, {"日本語", 2, "…"},
	} {
		if got := shorten(test.s, test.columns); got != test.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", test.s, test.columns, got, test.want)
		}
	}
}

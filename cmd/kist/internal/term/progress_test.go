package term

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
		if got := Shorten(test.s, test.columns); got != test.want {
			t.Errorf("Shorten(%q, %d) = %q, want %q", test.s, test.columns, got, test.want)
		}
	}
}

// TestProgressLines: without a terminal a step is a line when it begins, and
// one every few seconds; never one for each chunk.
func TestProgressLines(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	d := &display{out: &out, now: func() time.Time { return now }}
	for done := int64(0); done <= 10_000_000; done += 100_000 {
		d.show(install.Progress{Stage: install.Download, Name: "zig.tar.gz", Done: done, Total: 10_000_000})
		now = now.Add(110 * time.Millisecond)
	}
	for done := range int64(100) {
		d.show(install.Progress{Stage: install.Unpack, Name: "zig.tar.gz", Done: done, Total: -1})
	}
	d.end()
	want := "downloading zig.tar.gz (10.0 MB)\n" +
		"downloading zig.tar.gz: 4.6 MB of 10.0 MB\n" +
		"downloading zig.tar.gz: 9.2 MB of 10.0 MB\n" +
		"unpacking zig.tar.gz\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// TestProgressOfSeveral: steps that run at the same time are shown as one; each
// is named once, when it begins.
func TestProgressOfSeveral(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	d := &display{out: &out, now: func() time.Time { return now }}
	for done := int64(0); done <= 10; done++ {
		for _, name := range []string{"rustc", "cargo"} {
			d.show(install.Progress{Stage: install.Download, Name: name, Done: done * 1e6, Total: 10e6})
			now = now.Add(300 * time.Millisecond)
			if done == 10 && name == "rustc" {
				d.show(install.Progress{Stage: install.Unpack, Name: "rustc", Done: 1e6, Total: 10e6})
			}
		}
	}
	now = now.Add(linesEvery)
	d.show(install.Progress{Stage: install.Unpack, Name: "rustc", Done: 2e6, Total: 10e6})
	d.end()
	want := "downloading rustc (10.0 MB)\n" +
		"downloading cargo (10.0 MB)\n" +
		"downloading 2 files: 17.0 MB of 20.0 MB\n" +
		"unpacking rustc\n" +
		"unpacking rustc: 2.0 MB of 10.0 MB\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// TestProgressBars: on a terminal the bar is drawn in place, and taken away.
func TestProgressBars(t *testing.T) {
	var out bytes.Buffer
	d := &display{out: &out, now: time.Now, width: func() int { return 100 }, bars: true}
	d.show(install.Progress{Stage: install.Download, Name: "zig.tar.gz", Done: 5_000_000, Total: 10_000_000})
	d.show(install.Progress{Stage: install.Download, Name: "zig.tar.gz", Done: 10_000_000, Total: 10_000_000})
	d.end()
	if text := out.String(); !strings.Contains(text, "downloading zig.tar.gz") || !strings.Contains(text, "\r") || strings.Contains(text, "\n") {
		t.Errorf("%q", text)
	}
}

func TestByteSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 47082308: "47.1 MB", 999_949: "999.9 kB",
		999_950: "1.0 MB", 1 << 62: "4.6 EB"} {
		if got := ByteSize(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/kist-tools/kist/install"
)

// linesEvery is how often a long step is reported where there is no terminal.
const linesEvery = 5 * time.Second

// A display shows how far the work is: a bar on a terminal, else a line when a
// step begins and one every few seconds.
type display struct {
	out   io.Writer
	bars  bool
	now   func() time.Time
	width int

	mu    sync.Mutex
	stage install.Stage
	name  string
	last  time.Time
	bar   *progressbar.ProgressBar
}

// progress returns the function that shows progress, nil where none is wanted.
func (a *app) progress() func(install.Progress) {
	if a.flags.quiet || a.flags.noProgress || a.flags.json {
		return nil
	}
	a.display = &display{
		out: a.Stderr, now: a.Now, width: a.Terminal.Width,
		bars: a.Terminal.Stderr && a.Getenv("CI") == "" && a.Getenv("TERM") != "dumb",
	}
	return a.display.show
}

func (a *app) endProgress() {
	if a.display != nil {
		a.display.end()
	}
}

func (d *display) show(p install.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.Stage != d.stage || p.Name != d.name {
		d.begin(p)
	}
	if d.bar != nil {
		d.bar.Set64(min(p.Done, max(p.Total, p.Done)))
		return
	}
	if !d.bars && d.now().Sub(d.last) >= linesEvery {
		d.last = d.now()
		fmt.Fprintf(d.out, "%s %s: %s\n", doing(p.Stage), clean(p.Name), amount(p.Done, p.Total))
	}
}

func (d *display) begin(p install.Progress) {
	d.finishBar()
	d.stage, d.name, d.last = p.Stage, p.Name, d.now()
	if !d.bars {
		size := ""
		if p.Total > 0 && p.Stage == install.Download {
			size = " (" + byteSize(p.Total) + ")"
		}
		fmt.Fprintf(d.out, "%s %s%s\n", doing(p.Stage), clean(p.Name), size)
		return
	}
	total := p.Total
	if total <= 0 {
		total = -1
	}
	d.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(d.out),
		progressbar.OptionSetDescription(fmt.Sprintf("%-11s %s", doing(p.Stage), clean(p.Name))),
		progressbar.OptionSetWidth(max(10, min(30, d.width/4))),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}

func (d *display) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finishBar()
	d.stage, d.name = "", ""
}

func (d *display) finishBar() {
	if d.bar != nil {
		d.bar.Finish()
		d.bar = nil
	}
}

func doing(s install.Stage) string {
	switch s {
	case install.Download:
		return "downloading"
	case install.Verify:
		return "verifying"
	case install.Unpack:
		return "unpacking"
	}
	return string(s)
}

func amount(done, total int64) string {
	if total <= 0 {
		return byteSize(done)
	}
	return fmt.Sprintf("%s of %s", byteSize(done), byteSize(total))
}

// byteSize writes a size for people, in powers of ten.
func byteSize(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.95 {
		f /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", f, units[unit])
}

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
// step begins and one every few seconds. Of steps that run at the same time it
// shows those of the earliest stage, as one.
type display struct {
	out   io.Writer
	bars  bool
	now   func() time.Time
	width int

	mu    sync.Mutex
	steps []*step // in the order in which they began
	last  time.Time
	bar   *progressbar.ProgressBar
	shown string // what the bar says that it shows
}

// A step is one stage of one artifact.
type step struct {
	install.Progress
	over bool
}

// progress returns the function that shows progress, nil where none is wanted.
func (a *app) progress() func(install.Progress) {
	if a.flags.quiet || a.flags.noProgress || a.flags.json {
		return nil
	}
	a.display = &display{
		out: a.stderr(), now: a.Now, width: a.Terminal.Width,
		bars: a.Terminal.Stderr && a.Getenv("CI") == "" && a.Getenv("TERM") != "dumb",
	}
	return a.display.show
}

// chosen tells which of several archives is fetched, and why.
func (a *app) chosen(c install.Choice) {
	if a.flags.verbose && a.display != nil {
		a.display.pause()
	}
	a.detail("%s", c)
}

func (a *app) endProgress() {
	if a.display != nil {
		a.display.end()
	}
}

func (d *display) show(p install.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	began := d.note(p)
	switch {
	case d.bars:
		d.draw(d.sum(p))
	case began:
		d.last = d.now()
		size := ""
		if p.Total > 0 && p.Stage == install.Download {
			size = " (" + byteSize(p.Total) + ")"
		}
		writeLine(d.out, "%s %s%s", doing(p.Stage), p.Name, size)
	case d.now().Sub(d.last) >= linesEvery:
		d.last = d.now()
		what, done, total := d.sum(p)
		writeLine(d.out, "%s: %s", what, amount(done, total))
	}
}

// note keeps how far a step is, and reports whether it has just begun: then the
// earlier ones of that artifact are over.
func (d *display) note(p install.Progress) (began bool) {
	for _, s := range d.steps {
		if s.Name == p.Name && s.Stage == p.Stage {
			s.Progress, s.over = p, p.Done == p.Total
			return false
		}
	}
	for _, s := range d.steps {
		s.over = s.over || s.Name == p.Name
	}
	d.steps = append(d.steps, &step{p, p.Done == p.Total})
	return true
}

// sum is the work of the earliest stage at which there is any, last being what
// was heard of last.
func (d *display) sum(last install.Progress) (what string, done, total int64) {
	for _, stage := range []install.Stage{install.Download, install.Verify, install.Unpack} {
		var working []*step
		done, total = 0, 0
		for _, s := range d.steps {
			if s.Stage != stage {
				continue
			}
			done += s.Done
			if s.Total <= 0 || total < 0 {
				total = -1
			} else {
				total += s.Total
			}
			if !s.over {
				working = append(working, s)
			}
		}
		switch len(working) {
		case 0:
		case 1:
			return doing(stage) + " " + working[0].Name, done, total
		default:
			return fmt.Sprintf("%s %d files", doing(stage), len(working)), done, total
		}
	}
	return doing(last.Stage) + " " + last.Name, last.Done, last.Total
}

func (d *display) draw(what string, done, total int64) {
	if d.bar == nil || d.shown != what {
		d.finishBar()
		d.shown = what
		d.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(d.out),
			progressbar.OptionSetDescription(escape(what)),
			progressbar.OptionSetWidth(max(10, min(30, d.width/4))),
			progressbar.OptionShowBytes(true),
			progressbar.OptionShowTotalBytes(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	d.bar.Set64(done)
}

// pause takes the bar away until there is more to show, so that a line can be said.
func (d *display) pause() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finishBar()
}

func (d *display) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finishBar()
	d.steps = nil
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

package term

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/kist-tools/kist/install"
)

// Upload is the stage of sending a file to a registry.
const Upload install.Stage = "upload"

const (
	// linesEvery is how often a long step is reported without a terminal.
	linesEvery = 5 * time.Second
	// redrawEvery is how often a progress line is redrawn.
	redrawEvery = 100 * time.Millisecond
	// rateAfter is how long bytes must have been counted before a rate is shown:
	// the first ones come in bursts.
	rateAfter = time.Second
)

// A display shows progress: one line that is redrawn on a terminal, else a line
// when a step begins and one every few seconds. If several steps run at the same
// time, it shows those of the earliest stage as one.
type display struct {
	out   io.Writer
	bars  bool
	now   func() time.Time
	width func() int // columns of the terminal, read before each line

	mu     sync.Mutex
	steps  []*step // in the order they began
	last   time.Time
	shown  string // what the last line was about
	drawn  int    // columns of the line on the screen, 0 if there is none
	speeds map[install.Stage]*speed
}

// A step is one stage of one artifact.
type step struct {
	install.Progress
	over bool
}

// A speed counts the bytes that a stage has moved since it began.
type speed struct {
	began time.Time
	moved int64
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
		if p.Total > 0 && (p.Stage == install.Download || p.Stage == Upload) {
			size = " (" + ByteSize(p.Total) + ")"
		}
		writeLine(d.out, "%s %s%s", doing(p.Stage), labelOf(p), size)
	case d.now().Sub(d.last) >= linesEvery:
		d.last = d.now()
		line := d.sum(p)
		writeLine(d.out, "%s %s: %s", line.doing, line.label, amount(line.done, line.total))
	}
}

// labelOf returns the name to show for the artifact of p.
func labelOf(p install.Progress) string {
	if p.Label != "" {
		return p.Label
	}
	return p.Name
}

// note records the progress of a step, and reports whether it has just begun. Then
// the earlier steps of that artifact are over.
func (d *display) note(p install.Progress) (began bool) {
	for _, s := range d.steps {
		if s.Name == p.Name && s.Stage == p.Stage {
			d.speeds[p.Stage].moved += max(0, p.Done-s.Done)
			s.Progress, s.over = p, p.Done == p.Total
			return false
		}
	}
	for _, s := range d.steps {
		s.over = s.over || s.Name == p.Name
	}
	if d.speeds == nil {
		d.speeds = map[install.Stage]*speed{}
	}
	if d.speeds[p.Stage] == nil { // bytes that an earlier run left in the cache do not count
		d.speeds[p.Stage] = &speed{began: d.now()}
	}
	d.steps = append(d.steps, &step{p, p.Done == p.Total})
	return true
}

// sum adds up the earliest stage that has unfinished steps, or else returns last,
// the latest report.
func (d *display) sum(last install.Progress) progressLine {
	for _, stage := range []install.Stage{install.Download, Upload, install.Verify, install.Unpack} {
		var working []*step
		line := progressLine{doing: doing(stage)}
		for _, s := range d.steps {
			if s.Stage != stage {
				continue
			}
			line.done += s.Done
			if s.Total <= 0 || line.total < 0 {
				line.total = -1
			} else {
				line.total += s.Total
			}
			if !s.over {
				working = append(working, s)
			}
		}
		if len(working) == 0 {
			continue
		}
		if line.label = labelOf(working[0].Progress); len(working) > 1 {
			line.label = fmt.Sprintf("%d files", len(working))
		}
		line.rate = d.rate(stage)
		return line
	}
	return progressLine{doing: doing(last.Stage), label: labelOf(last), done: last.Done, total: last.Total}
}

// rate returns the bytes a second that a stage has moved, or 0 if not known yet.
func (d *display) rate(stage install.Stage) float64 {
	s := d.speeds[stage]
	if s == nil {
		return 0
	}
	passed := d.now().Sub(s.began)
	if passed < rateAfter {
		return 0
	}
	return float64(s.moved) / passed.Seconds()
}

// draw redraws the line, unless it was drawn a moment ago about the same thing.
func (d *display) draw(line progressLine) {
	about := line.doing + " " + line.label
	if d.drawn > 0 && d.shown == about && d.now().Sub(d.last) < redrawEvery {
		return
	}
	d.last, d.shown = d.now(), about
	columns := d.width() - 1 // a character in the last column would wrap
	text := line.render(columns)
	drawn := Width(text)
	writeText(d.out, "\r"+text+blanks(min(d.drawn, columns)-drawn))
	d.drawn = drawn
}

// pause clears the line until there is more to show.
func (d *display) pause() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear()
}

func (d *display) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear()
	d.steps, d.speeds = nil, nil
}

func (d *display) clear() {
	if d.drawn > 0 {
		writeText(d.out, "\r"+blanks(min(d.drawn, d.width()-1))+"\r")
		d.drawn = 0
	}
}

func doing(s install.Stage) string {
	switch s {
	case install.Download:
		return "downloading"
	case Upload:
		return "uploading"
	case install.Verify:
		return "verifying"
	case install.Unpack:
		return "unpacking"
	}
	return string(s)
}

func amount(done, total int64) string {
	if total <= 0 {
		return ByteSize(done)
	}
	return fmt.Sprintf("%s of %s", ByteSize(done), ByteSize(total))
}

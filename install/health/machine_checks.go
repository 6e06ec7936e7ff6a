package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/cache"
	"github.com/kist-tools/kist/verify"
)

// How much must be free on the file system of a directory, in bytes, and how many inodes.
const (
	lowBytes, veryLowBytes   = 1 << 30, 200 << 20
	lowInodes, veryLowInodes = 20_000, 1_000
)

// checkSpace checks the space and the inodes of each file system that kist writes to.
func checkSpace(_ context.Context, h Host) (findings []Finding, facts []string) {
	fix := "kist gc"
	if items, err := h.Cache(); err == nil && cache.Size(items) > 0 {
		fix = "kist cache prune --all"
	}
	seen := map[int64]bool{}
	for _, s := range h.Spaces() {
		if seen[s.Volume] {
			continue
		}
		seen[s.Volume] = true
		facts = append(facts, fmt.Sprintf("%s free at %s", size(s.Bytes), s.Path))
		f := Finding{Severity: Warning, Fix: fix, Why: "a toolchain takes some hundred megabytes and thousands of files"}
		switch {
		case s.Bytes < veryLowBytes || s.Inodes < veryLowInodes:
			f.Severity, f.Why = Problem, "installs and updates will fail"
		case s.Bytes >= lowBytes && s.Inodes >= lowInodes:
			continue
		}
		f.What = fmt.Sprintf("only %s are free at %s", size(s.Bytes), s.Path)
		if s.Bytes >= lowBytes || s.Inodes < veryLowInodes && s.Bytes >= veryLowBytes {
			f.What = fmt.Sprintf("only %d more files can be made at %s", s.Inodes, s.Path)
		}
		findings = append(findings, f)
	}
	return findings, facts
}

// maxSkew is how far a clock may be behind a signer's.
const maxSkew = 10 * time.Minute

// checkClock checks the clock against the newest date that a channel signed.
func checkClock(_ context.Context, h Host) (findings []Finding, _ []string) {
	marks, _, err := h.Marks()
	if err != nil {
		return nil, nil // checkMarks says so
	}
	var newest time.Time
	var by string
	for _, m := range marks {
		for _, at := range append([]time.Time{m.Issued}, lineDates(m)...) {
			if at.After(newest) {
				newest, by = at, m.Channel
			}
		}
	}
	if !newest.After(h.Now.Add(maxSkew)) {
		return nil, nil
	}
	return []Finding{{Severity: Problem,
		What: fmt.Sprintf("the clock of this machine says %s, but channel %s signed something on %s", h.Now.UTC().Format(time.RFC3339), by, newest.UTC().Format(time.RFC3339)),
		Why:  "with a clock that is behind, kist refuses what is new, and cannot tell what has expired",
		Fix:  clockFix(h.OS)}}, nil
}

func lineDates(m verify.Mark) (dates []time.Time) {
	for _, line := range m.Lines {
		dates = append(dates, line.Issued)
	}
	return dates
}

// clockFix returns the command that sets the clock by the network.
func clockFix(os string) string {
	switch os {
	case "windows":
		return "w32tm /resync"
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	}
	return "sudo timedatectl set-ntp true"
}

// checkMarks checks whether the marks can be read.
func checkMarks(_ context.Context, h Host) (findings []Finding, _ []string) {
	_, damaged, err := h.Marks()
	if err != nil {
		return unknown("the marks of channels", err), nil
	}
	for _, d := range damaged {
		channel := strings.TrimSuffix(d.Path[strings.LastIndexAny(d.Path, `/\`)+1:], ".json")
		findings = append(findings, Finding{Severity: Problem, What: fmt.Sprintf("%s cannot be read: %s", d.Path, d.Reason), Fix: "kist channel refresh " + quoteName(channel),
			Why: "kist does not know what is the newest it has seen of that channel, and so accepts nothing from it"})
	}
	return findings, nil
}

// oldPartial is how old a partial download is when nobody will continue it.
const oldPartial = 7 * 24 * time.Hour

// checkCache checks whether the cache can be read, and holds what it should.
func checkCache(_ context.Context, h Host) (findings []Finding, facts []string) {
	items, err := h.Cache()
	if err != nil {
		return unknown("the cache", err), nil
	}
	total := cache.Size(items)
	if len(items) > 0 {
		facts = append(facts, size(total))
	}
	var stale []cache.Item
	for _, it := range items {
		if it.Kind == cache.Partial && h.Now.Sub(it.Modified) > oldPartial {
			stale = append(stale, it)
		}
	}
	if h.CacheMax > 0 && total > h.CacheMax {
		findings = append(findings, Finding{Severity: Warning, What: fmt.Sprintf("the cache has %s, and may have %s (cache-max-size)", size(total), size(h.CacheMax)),
			Why: "it takes space until the next install", Fix: fmt.Sprintf("kist cache prune --all --max-size '%d B'", h.CacheMax)})
	}
	if len(stale) > 0 {
		findings = append(findings, Finding{Severity: Warning, What: fmt.Sprintf("the cache has partial downloads of more than a week ago: %s", size(cache.Size(stale))),
			Why: "they take space, and nobody continues them", Fix: "kist cache prune --older-than 7d"})
	}
	return findings, facts
}

// checkSandbox checks behind what archives are unpacked.
func checkSandbox(_ context.Context, h Host) (findings []Finding, facts []string) {
	level, lacks, err := h.Sandbox()
	if proc, ok := errors.AsType[interface {
		error
		Kind() string
	}](err); ok && proc.Kind() == "no-proc" {
		return []Finding{{Severity: Problem, What: "/proc is not mounted", Why: "kist unpacks in a separate process, and needs /proc to start it", Fix: "sudo mount -t proc proc /proc"}}, nil
	}
	if err != nil {
		return unknown("the sandbox", err), nil
	}
	facts = append(facts, "archives are unpacked behind: "+level)
	if len(lacks) > 0 {
		facts = append(facts, "this system lacks: "+strings.Join(lacks, "; "))
	}
	return nil, facts
}

// Package health finds out what is wrong with kist on this machine: with its directories,
// its links, its settings, and what it depends on. It changes nothing.
//
// Each check is a function of a [Host], the machine as far as checks look at it, so that a
// test can describe any machine. A check that panics or hangs is reported as a finding, and
// keeps none of the others from running.
package health

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/cache"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// A Severity says how bad a finding is.
type Severity string

const (
	Problem Severity = "problem" // something does not work, or is not safe
	Warning Severity = "warning" // it works, but not as expected, or not for long
)

// A Finding is one thing that is wrong.
type Finding struct {
	Check    string   `json:"check"` // the name of the check that found it
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Why      string   `json:"why"`           // why it matters
	Fix      string   `json:"fix,omitempty"` // the command of a shell that fixes it; empty: Why says what to do
}

// A Fact is something that a check learned and that is not wrong.
type Fact struct {
	Check string `json:"check"`
	Text  string `json:"text"`
}

// A Report is what the checks found, the problems first.
type Report struct {
	Findings []Finding `json:"findings"`
	Facts    []Fact    `json:"facts"`
}

// Count returns how many findings have a severity.
func (r Report) Count(s Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// A Host is a machine with kist's directories. No function may be nil. The functions about
// what is installed return nothing if OpenErr is not nil.
type Host struct {
	OS     string // a GOOS
	Now    time.Time
	Home   string // the user's; may be empty
	User   string // the user's name; may be empty
	Shell  string // the name of the user's login shell, such as "bash"; may be empty
	Bin    string // the directory of kist's commands
	Getenv func(string) string

	// ReadFile reads a small regular file.
	ReadFile func(path string) ([]byte, error)
	// Directories describes the five directories.
	Directories func() ([]install.Diagnosis, error)
	Settings    func() []Settings
	// Sandbox is install.Sandbox.
	Sandbox func() (level string, lacks []string, err error)
	Spaces  func() []Space

	OpenErr   error // why kist's directories cannot be opened, or what is installed cannot be read
	ChangeErr error // why nothing can be changed
	Moved     error // that the store was moved or copied
	// Holder describes the process that is changing what is installed.
	Holder     func() (holder string, held bool, err error)
	Leftovers  func() ([]install.Leftover, error)
	Obstacles  func() ([]install.Leftover, error)
	Obstructed func() (paths []string, err error)
	Damaged    func() map[record.ID]error // the receipts that cannot be read
	Missing    func() []*install.MissingError
	Marks      func() (all []verify.Mark, damaged []install.Leftover, err error)
	Channels   func() ([]Channel, error) // those in use
	Cache      func() ([]cache.Item, error)
	CacheMax   int64 // how many bytes the cache may have; 0: no limit

	OnPath   bool                     // Bin is on PATH
	Commands func() []string          // the names of kist's commands
	HiddenBy func(name string) string // the path of the command that hides one of kist's
	// Reach asks the server of a URL. The error is nil if it answers, with whatever.
	Reach func(ctx context.Context, url string) error
}

// Settings is a file of settings or of a policy.
type Settings struct {
	Kind string // "settings" or "policy"
	Path string
	Err  error // why it cannot be used
	// Unsafe reports that others than the user and root can change the file.
	Unsafe bool
}

// A Space is what is free on the file system of one of kist's directories.
type Space struct {
	Role, Path    string
	Bytes, Inodes int64
	Volume        int64 // tells file systems apart
}

// A Channel is a channel that the user added, or that something installed came from.
type Channel struct {
	Name  string
	Added bool             // the user added it
	Err   error            // why it cannot be used
	Keys  []verify.Finding // about its keys
	URLs  []string         // at which it can be asked; Shown are the same without secrets
	Shown []string
}

// A check finds out about one subject.
type check struct {
	name string
	run  func(ctx context.Context, h Host) (findings []Finding, facts []string)
	time time.Duration // the ceiling on its time; 0: checkTime
}

// checks are all checks, in the order of their facts.
func checks() []check {
	return []check{
		{name: "directories", run: checkDirectories},
		{name: "store", run: checkStore},
		{name: "receipts", run: checkReceipts},
		{name: "toolchains", run: checkToolchains},
		{name: "lock", run: checkLock},
		{name: "leftovers", run: checkLeftovers},
		{name: "links", run: checkLinks},
		{name: "path", run: checkPath},
		{name: "hidden", run: checkHidden},
		{name: "shell", run: checkShell},
		{name: "space", run: checkSpace},
		{name: "clock", run: checkClock},
		{name: "marks", run: checkMarks},
		{name: "channels", run: checkChannels},
		{name: "settings", run: checkSettings},
		{name: "cache", run: checkCache},
		{name: "sandbox", run: checkSandbox},
		{name: "proxy", run: checkProxies},
		{name: "certificates", run: checkCertificates},
	}
}

// The ceilings of one report.
const (
	checkTime   = 15 * time.Second // of one check
	networkTime = time.Minute      // of asking all servers
	reachTime   = 10 * time.Second // of asking one server
	maxNamed    = 5                // names in one text
)

// Examine runs all checks on h; with network, it also asks the servers of the channels.
func Examine(ctx context.Context, h Host, network bool) Report {
	all := checks()
	if network {
		all = append(all, check{name: "network", run: checkNetwork})
	}
	return examine(ctx, h, all)
}

func examine(ctx context.Context, h Host, all []check) Report {
	r := Report{Findings: []Finding{}, Facts: []Fact{}}
	for _, c := range all {
		findings, facts := runCheck(ctx, c, h)
		for _, f := range findings {
			f.Check = c.name
			r.Findings = append(r.Findings, f)
		}
		for _, text := range facts {
			r.Facts = append(r.Facts, Fact{c.name, text})
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Severity, b.Severity) })
	return r
}

// runCheck runs one check, for as long as it may take, and turns a panic or a timeout into a finding.
func runCheck(ctx context.Context, c check, h Host) ([]Finding, []string) {
	limit := cmp.Or(c.time, checkTime)
	type result struct {
		findings []Finding
		facts    []string
	}
	failed := func(format string, args ...any) []Finding {
		return []Finding{{Severity: Problem, What: fmt.Sprintf("the check of %s %s", c.name, fmt.Sprintf(format, args...)),
			Why: "kist can't check it; the other checks are not affected"}}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- result{failed("failed: %v", p), nil}
			}
		}()
		findings, facts := c.run(ctx, h)
		done <- result{findings, facts}
	}()
	select {
	case r := <-done:
		return r.findings, r.facts
	case <-ctx.Done():
	}
	select { // it may have ended because of ctx
	case r := <-done:
		return r.findings, r.facts
	case <-time.After(limit / 10):
		return failed("did not end within %v: perhaps a file system does not answer", limit), nil
	}
}

// unknown returns the finding that a check could not learn something.
func unknown(what string, err error) []Finding {
	return []Finding{{Severity: Problem, What: fmt.Sprintf("%s: %v", what, err), Why: "kist can't check it until this is fixed"}}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/plan"
)

func (a *app) manCommand() *cobra.Command {
	return a.command(verb{
		group: housekeeping, use: "man DIR", short: "Write manual pages into a directory",
		long: `Writes a manual page for kist and for each of its verbs into DIR, which it makes
if it is missing. Pages that kist wrote before are replaced; if any other file has
the name of a page, nothing is written. man finds the pages if DIR is named man1
and lies in a directory that MANPATH or man's settings name.`,
		example: `kist man ~/.local/share/man/man1
man kist-install`,
		exits:   []int{0, 1, 2, 8, 9},
		args:    exactly(1),
		changes: true,
		local:   true,
		run:     func(_ context.Context, args []string) (result, error) { return a.writeManPages(args[0]) },
	})
}

// manResult lists the pages that were written.
type manResult struct {
	DryRun bool     `json:"dry_run,omitempty"`
	Dir    string   `json:"dir"`
	Pages  []string `json:"pages"`
}

func (r manResult) Render(p *term.Page) {
	if r.DryRun {
		p.Line("would write %s to %s", term.Count(len(r.Pages), "manual page"), r.Dir)
		return
	}
	p.Line("wrote %s to %s", term.Count(len(r.Pages), "manual page"), r.Dir)
}

// manMark is the first line of each page, a comment: it tells kist's pages from other
// files.
const manMark = `.\" Written by kist man.` + "\n"

// writeManPages writes the pages into dir, unless another file has the name of one.
func (a *app) writeManPages(dir string) (result, error) {
	pages := manPages(a.now)
	r := manResult{DryRun: a.flags.dryRun, Dir: dir, Pages: slices.Sorted(maps.Keys(pages))}
	root, err := namedfiles.OpenRoot(dir, false)
	if _, missing := errors.AsType[*namedfiles.MissingError](err); missing && a.flags.dryRun {
		return r, nil
	} else if missing {
		root, err = namedfiles.OpenRoot(dir, true)
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, name := range r.Pages {
		if err := checkManPage(root, name); err != nil {
			return nil, err
		}
	}
	if a.flags.dryRun {
		return r, nil
	}
	for _, name := range r.Pages {
		a.changed = true
		if err := root.WriteFile(name, pages[name], 0o666); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// checkManPage returns a *plan.ForeignFileError if name is anything but a page that kist
// wrote.
func checkManPage(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	what := "a file"
	switch {
	case info.IsDir():
		what = "a directory"
	case info.Mode().Type() == fs.ModeSymlink:
		what = "a link"
	case info.Mode().IsRegular():
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		head, err := io.ReadAll(io.LimitReader(f, int64(len(manMark))))
		if err != nil || string(head) == manMark {
			return err
		}
	}
	return &plan.ForeignFileError{Path: filepath.Join(root.Name(), name), What: what}
}

// manPages returns the page of kist and of each verb, by file name. now is the date that
// the pages bear.
func manPages(now time.Time) map[string][]byte {
	root := (&app{}).root()
	pages := map[string][]byte{}
	for _, cmd := range append(descendants(root), root) {
		pages[manName(cmd)+".1"] = manPage(cmd, now)
	}
	return pages
}

// manName returns the name of the page of cmd: kist-channel-add.
func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// descendants returns every command below cmd that the help lists.
func descendants(cmd *cobra.Command) (all []*cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(append(all, c), descendants(c)...)
		}
	}
	return all
}

// manPage returns the page of cmd in the man macros of roff. See man(7). cobra's own
// generator needs a Markdown and a YAML parser, which would take a quarter of a
// millisecond of each start of kist.
func manPage(cmd *cobra.Command, now time.Time) []byte {
	var b bytes.Buffer
	b.WriteString(manMark)
	fmt.Fprintf(&b, ".TH %s 1 %s %q kist\n", strings.ToUpper(manName(cmd)), now.UTC().Format(time.DateOnly), "kist "+kistVersion().Version)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(cmd)), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n%s\n.SH DESCRIPTION\n", roff(useLine(cmd)))
	for i, paragraph := range strings.Split(cmd.Long, "\n\n") {
		switch {
		case strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n "): // a table or a list
			fmt.Fprintf(&b, ".PP\n.nf\n%s\n.fi\n", roff(paragraph))
		case i > 0:
			fmt.Fprintf(&b, ".PP\n%s\n", roff(paragraph))
		default:
			fmt.Fprintf(&b, "%s\n", roff(paragraph))
		}
	}
	flags := cmd.LocalFlags()
	if flags.HasAvailableFlags() {
		b.WriteString(".SH OPTIONS\n")
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names, usage := describeFlag(f)
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", roff(names), roff(usage))
		}
	})
	if cmd.HasExample() {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
	}
	codes := exitsOf(cmd)
	if !cmd.HasParent() {
		codes = failure.Exits()
	}
	if len(codes) > 0 {
		b.WriteString(".SH EXIT STATUS\n")
	}
	for _, e := range codes {
		fmt.Fprintf(&b, ".TP\n\\fB%d\\fR\n%s\n", e.Code, roff(e.Means))
	}
	b.WriteString(".SH SEE ALSO\n")
	var others []string
	if cmd.HasParent() {
		others = append(others, roff(manName(cmd.Parent()))+"(1)")
	}
	for _, c := range descendants(cmd) {
		others = append(others, roff(manName(c))+"(1)")
	}
	fmt.Fprintln(&b, strings.Join(others, ",\n"))
	return b.Bytes()
}

// roff escapes text: what would be a macro at the beginning of a line, and backslashes.
// Hyphens stay what they are, so that command lines can be copied.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// describeFlag returns a flag as documents show it, "-c, --component NAME", and its use.
func describeFlag(f *pflag.Flag) (names, usage string) {
	value, usage := pflag.UnquoteUsage(f)
	names = strings.TrimSpace("--" + f.Name + " " + value)
	if f.NoOptDefVal != "" && value != "" {
		names = fmt.Sprintf("--%s [%s]", f.Name, value)
	}
	if f.Shorthand != "" {
		names = fmt.Sprintf("-%s, %s", f.Shorthand, names)
	}
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
	default:
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	return names, usage
}

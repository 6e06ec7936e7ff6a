package help

import (
	"bytes"
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
	"github.com/kist-tools/kist/install/plan"
)

// manMark is the first line of each page, a comment: it tells kist's pages from other
// files.
const manMark = `.\" Written by kist man.` + "\n"

// ManPages are manual pages, by file name.
type ManPages map[string][]byte

// NewManPages returns the page of root and of each command below it. now is the date that
// the pages bear, version that of kist.
func NewManPages(root *cobra.Command, version string, now time.Time) ManPages {
	pages := ManPages{}
	for _, cmd := range append(Descendants(root), root) {
		pages[manName(cmd)+".1"] = manPage(cmd, version, now)
	}
	return pages
}

// Names returns the sorted names of the files.
func (m ManPages) Names() []string { return slices.Sorted(maps.Keys(m)) }

// Check returns a *plan.ForeignFileError if a page cannot be written to dir because another
// file has its name.
func (m ManPages) Check(dir *os.Root) error {
	for _, name := range m.Names() {
		if err := checkManPage(dir, name); err != nil {
			return err
		}
	}
	return nil
}

// Write writes the pages to dir, over whatever has their names.
func (m ManPages) Write(dir *os.Root) error {
	for _, name := range m.Names() {
		if err := dir.WriteFile(name, m[name], 0o666); err != nil {
			return err
		}
	}
	return nil
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

// manName returns the name of the page of cmd: kist-channel-add.
func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage returns the page of cmd in the man macros of roff. See man(7). cobra's own
// generator needs a Markdown and a YAML parser, which would take a quarter of a
// millisecond of each start of kist.
func manPage(cmd *cobra.Command, version string, now time.Time) []byte {
	var b bytes.Buffer
	b.WriteString(manMark)
	fmt.Fprintf(&b, ".TH %s 1 %s %q kist\n", strings.ToUpper(manName(cmd)), now.UTC().Format(time.DateOnly), "kist "+version)
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
			names, usage := DescribeFlag(f)
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
	for _, c := range Descendants(cmd) {
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

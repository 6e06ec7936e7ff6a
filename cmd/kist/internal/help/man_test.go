package help_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/help"
	"github.com/kist-tools/kist/install/plan"
)

func newPages() help.ManPages {
	root := &cobra.Command{Use: "tool", Short: "Do things", Long: "Does things.\n.so /etc/passwd\n'quoted' and \\-slashed"}
	verb := &cobra.Command{Use: "verb FILE", Short: "Do one", Long: "Does one.", Example: "  tool verb x",
		Annotations: help.AnnotateExits([]int{0, 3}, map[int]string{3: "no such thing"}), Run: func(*cobra.Command, []string) {}}
	verb.Flags().StringP("out", "o", "x", "write to `FILE`")
	root.AddCommand(verb)
	return help.NewManPages(root, "1.2", time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
}

func TestManPages(t *testing.T) {
	pages := newPages()
	if got := strings.Join(pages.Names(), " "); got != "tool-verb.1 tool.1" {
		t.Fatal(got)
	}
	for name, wants := range map[string][]string{
		"tool.1":      {`.TH TOOL 1 2026-11-22 "kist 1.2" kist`, "\n\\&.so /etc/passwd\n\\&'quoted' and \\e\\-slashed\n", `tool\-verb(1)`},
		"tool-verb.1": {`\fB\-o, \-\-out FILE\fR`, "(default x)", "tool verb x", ".TP\n\\fB3\\fR\nno such thing"},
	} {
		for _, want := range wants {
			if !strings.Contains(string(pages[name]), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, pages[name])
			}
		}
	}
}

// TestManPagesReplaceOnlyTheirOwn checks that pages replace pages that kist wrote, and
// that any other file of the same name is refused.
func TestManPagesReplaceOnlyTheirOwn(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	pages := newPages()
	if err := errors.Join(pages.Check(dir), pages.Write(dir), pages.Check(dir)); err != nil {
		t.Fatal(err)
	}
	for what, make := range map[string]func() error{
		"a file":      func() error { return dir.WriteFile("tool.1", []byte("mine"), 0o666) },
		"a directory": func() error { return dir.Mkdir("tool.1", 0o777) },
		"a link":      func() error { return dir.Symlink("tool-verb.1", "tool.1") },
	} {
		if err := errors.Join(dir.Remove("tool.1"), make()); err != nil {
			t.Fatal(err)
		}
		if foreign, ok := errors.AsType[*plan.ForeignFileError](pages.Check(dir)); !ok || foreign.What != what {
			t.Errorf("%s: %v", what, foreign)
		}
	}
}

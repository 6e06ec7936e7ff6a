package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/help"
)

var rewrite = flag.Bool("update", false, "write the generated parts of docs/cli.md")

// generatedPart matches a part of docs/cli.md that TestReference writes, by its name and
// text.
var generatedPart = regexp.MustCompile(`(?s)<!-- generated: ([^\n]*) -->\n(.*?)<!-- end -->\n`)

// TestReference compares the tables in docs/cli.md with the commands and the table of
// kinds, from which they are generated. With -update it writes them.
func TestReference(t *testing.T) {
	const file = "../../docs/cli.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := reference()
	written := generatedPart.ReplaceAllStringFunc(string(page), func(part string) string {
		name := generatedPart.FindStringSubmatch(part)[1]
		text, ok := want[name]
		if !ok {
			t.Errorf("docs/cli.md has a generated part %q, which nothing generates", name)
			return part
		}
		delete(want, name)
		return fmt.Sprintf("<!-- generated: %s -->\n%s<!-- end -->\n", name, text)
	})
	for name, text := range want {
		t.Errorf("docs/cli.md lacks the part <!-- generated: %s -->\n%s<!-- end -->", name, text)
	}
	switch {
	case written == string(page):
	case *rewrite:
		if err := os.WriteFile(file, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("docs/cli.md differs from the commands: go test ./cmd/kist -run TestReference -update writes it")
	}
}

// reference returns the generated parts of docs/cli.md, by name.
func reference() map[string]string {
	root := kistCommand()
	parts := map[string]string{"exit codes": exitTable(), "kinds": kindTable(), "flags": flagTable(root.PersistentFlags())}
	for _, cmd := range leaves(root) {
		if table := flagTable(cmd.NonInheritedFlags()); table != "" {
			parts["flags of "+verbOf(cmd)] = table
		}
	}
	return parts
}

// verbOf returns the words of a command after "kist".
func verbOf(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "kist ") }

func exitTable() string {
	var b strings.Builder
	b.WriteString("| code | meaning |\n| --- | --- |\n")
	for _, e := range failure.Exits() {
		fmt.Fprintf(&b, "| %d | %s |\n", e.Code, e.Means)
	}
	return b.String()
}

// kindTable lists the kinds by exit code.
func kindTable() string {
	var b strings.Builder
	b.WriteString("| code | kind | meaning |\n| --- | --- | --- |\n")
	for _, e := range failure.Exits() {
		for _, k := range failure.Kinds() {
			if k.Code == e.Code {
				fmt.Fprintf(&b, "| %d | `%s` | %s |\n", k.Code, k.Name, k.Means)
			}
		}
	}
	return b.String()
}

// flagTable lists flags, as the help describes them; "" if there are none.
func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		names, usage := help.DescribeFlag(f)
		names = "`" + strings.Replace(names, ", ", "`, `", 1) + "`"
		fmt.Fprintf(&b, "| %s | %s |\n", names, strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`).Replace(usage))
	})
	if b.Len() == 0 {
		return ""
	}
	return "| flag | |\n| --- | --- |\n" + b.String()
}

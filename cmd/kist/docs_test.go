package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/manifests/upstreams"
)

// TestDocsAgreeWithHelp: docs/cli.md has a section for every verb, and for no other; it
// names the verb's other names and its exit codes. TestReference holds the flags.
func TestDocsAgreeWithHelp(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, part := range strings.Split("\n"+string(page), "\n## ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		sections[title] = text
	}
	root := kistCommand()
	seen := []string{"Words", "Flags of every verb", "Exit codes", "JSON", "Environment"}
	for _, cmd := range leaves(root) {
		verb := strings.TrimPrefix(cmd.CommandPath(), "kist ")
		seen = append(seen, verb)
		text, ok := sections[verb]
		if !ok {
			t.Errorf("docs/cli.md has no section on %s", verb)
			continue
		}
		if !strings.Contains(text, "`kist "+verb) {
			t.Errorf("%s: no line with its use", verb)
		}
		for _, alias := range cmd.Aliases {
			if !strings.Contains(text, "`"+alias+"`") {
				t.Errorf("%s: its other name %s is not there", verb, alias)
			}
		}
		if got, want := statedCodes(text), helpCodes(cmd); got != want {
			t.Errorf("%s: the exit codes are %s, the page has %s", verb, want, got)
		}
	}
	for title := range sections {
		if !slices.Contains(seen, title) {
			t.Errorf("docs/cli.md has a section on %q, which is no verb", title)
		}
	}
}

// leaves are the verbs that do something.
func leaves(cmd *cobra.Command) (list []*cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && (!c.HasSubCommands() || c.Example != "") { // a family has no example
			list = append(list, c)
		}
		list = append(list, leaves(c)...)
	}
	return list
}

var number = regexp.MustCompile(`\b\d+\b`)

// statedCodes are the numbers of a section's sentence on exit codes.
func statedCodes(text string) string {
	_, rest, _ := strings.Cut(text, "\nExit codes: ")
	sentence, _, _ := strings.Cut(rest, ".")
	return strings.Join(number.FindAllString(sentence, -1), " ")
}

// helpCodes are the numbers of the table in a verb's help.
func helpCodes(cmd *cobra.Command) string {
	_, rest, _ := strings.Cut(cmd.Long+"\n"+cmd.UsageString(), "\nExit codes\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	return strings.Join(firstNumbers(table), " ")
}

// firstNumbers are the numbers that lines of text begin with.
func firstNumbers(text string) (numbers []string) {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 && number.FindString(fields[0]) == fields[0] {
			numbers = append(numbers, fields[0])
		}
	}
	return numbers
}

// TestReadmeInstallsAsDocumented: the README has the lines of docs/install.md, which
// TestBootstrap runs.
func TestReadmeInstallsAsDocumented(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{"Debian", "Any Linux"} {
		_, rest, _ := strings.Cut(string(page), "\n## "+title+"\n")
		_, rest, _ = strings.Cut(rest, "```sh\n")
		lines, _, ok := strings.Cut(rest, "```")
		if !ok || !strings.Contains(string(readme), "```sh\n"+lines+"```") {
			t.Errorf("README.md does not have the lines for %s", title)
		}
	}
}

// TestDocsNameOwnAddress: what a user installs by hand comes from the address where kist then
// looks for its own channel, and .ci/release finds that address in the source.
func TestDocsNameOwnAddress(t *testing.T) {
	site, ok := strings.CutSuffix(upstreams.OwnURL, "/channel/channel.toml")
	if !ok {
		t.Fatalf("a release has its manifest at channel/channel.toml, not at %s", upstreams.OwnURL)
	}
	assigned := regexp.MustCompile(`(?m)^(?:kist=|ARG KIST=)(\S+?)(?:/0\.1\.0)?(?:\s|$)`)
	for name, want := range map[string]int{"README.md": 2, "docs/install.md": 3} {
		page, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		found := assigned.FindAllStringSubmatch(string(page), -1)
		if len(found) != want {
			t.Errorf("%s assigns the address %d times, want %d", name, len(found), want)
		}
		for _, f := range found {
			if f[1] != site {
				t.Errorf("%s has %s, and kist %s", name, f[1], site)
			}
		}
	}
	source, err := os.ReadFile("../../manifests/upstreams/own.go")
	if err != nil {
		t.Fatal(err)
	}
	if line := "\n\tOwnURL = \"" + upstreams.OwnURL + "\"\n"; strings.Count(string(source), line) != 1 {
		t.Errorf("own_url in .ci/release.d/sign.sh looks for the line %q", line)
	}
}

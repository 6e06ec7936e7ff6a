package main

import (
	"fmt"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestArchitecture compares the drawing in docs/architecture.md with the tables of
// edges. With -update it writes the drawing.
func TestArchitecture(t *testing.T) {
	const file = "../../docs/architecture.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), "-update -->\n")
	_, after, closed := strings.Cut(rest, "<!-- end -->")
	if !ok || !closed {
		t.Fatalf("%s has no place for the drawing", file)
	}
	want := before + "-update -->\n" + drawLayers(t) + "<!-- end -->" + after
	if want == string(text) {
		return
	}
	if !*rewrite {
		t.Fatalf("%s differs from the layers: go test ./cmd/kist -run TestArchitecture -update writes it", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o666); err != nil {
		t.Fatal(err)
	}
}

// drawLayers returns the layers from the top down, then a table of the packages: what
// each does, and which others of kist it imports.
func drawLayers(t *testing.T) string {
	layers := layersOf(t)
	var text strings.Builder
	text.WriteString("\n```text\n")
	for i, layer := range slices.Backward(layers) {
		if i < len(layers)-1 {
			text.WriteString("    ↓\n")
		}
		line := ""
		for _, name := range layer {
			if line != "" && len(line)+3+len(name) > 100 {
				text.WriteString(line + "\n")
				line = ""
			}
			if line != "" {
				line += "   "
			}
			line += name
		}
		text.WriteString(line + "\n")
	}
	text.WriteString("```\n\n| package | what it does |\n| --- | --- |\n")
	for _, layer := range slices.Backward(layers) {
		for _, name := range layer {
			fmt.Fprintf(&text, "| `%s` | %s |\n", name, strings.ReplaceAll(synopsis(t, name), "<", "&lt;"))
		}
	}
	text.WriteString("\n")
	return text.String()
}

// synopsis returns the first sentence of a package's doc comment, without the words
// "Package x".
func synopsis(t *testing.T, name string) string {
	t.Helper()
	files, err := filepath.Glob("../../" + name + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Doc != nil {
			sentence := new(doc.Package).Synopsis(parsed.Doc.Text())
			_, said, _ := strings.Cut(sentence, " "+parsed.Name.Name+" ")
			if said == "" {
				said = sentence
			}
			return strings.TrimSuffix(said, ".")
		}
	}
	t.Errorf("package %s has no doc comment", name)
	return ""
}

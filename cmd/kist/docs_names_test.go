package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsNameRealTests looks for every test and script that a document names.
func TestDocumentsNameRealTests(t *testing.T) {
	root, err := os.OpenRoot("../..")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var pages, code strings.Builder
	scripts := map[string]bool{}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var into *strings.Builder
		switch {
		case strings.HasSuffix(name, ".md"):
			into = &pages
		case strings.HasSuffix(name, "_test.go"):
			into = &code
		case strings.HasSuffix(name, ".txtar"):
			scripts[filepath.Base(name)] = true
		}
		if into == nil {
			return nil
		}
		data, err := root.ReadFile(name)
		into.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*|[a-z0-9_]+\\.txtar)").FindAllStringSubmatch(pages.String(), -1)
	if len(named) < 30 {
		t.Fatalf("only %d names were found", len(named))
	}
	for _, m := range named {
		name := m[1]
		if strings.HasSuffix(name, ".txtar") && !scripts[name] || !strings.HasSuffix(name, ".txtar") && !strings.Contains(code.String(), "func "+name+"(") {
			t.Errorf("a document names %s, which does not exist", name)
		}
	}
}

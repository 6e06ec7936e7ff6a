package assemble

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
)

// TestLaunchers checks the rules that hold for every launcher of every tool.
func TestLaunchers(t *testing.T) {
	for _, tool := range Tools() {
		for _, arch := range []string{"amd64", "arm64"} {
			for _, host := range []bool{false, true} {
				files := tool.files(arch, host)
				if (len(files) == 0) != (tool.launchers == nil) || len(files) > manifests.MaxFiles {
					t.Errorf("%s: %d files", tool.Name, len(files))
				}
				seen := map[string]bool{}
				var commands []string
				for _, f := range files {
					if seen[f.Path] {
						t.Errorf("%s: %s occurs twice", tool.Name, f.Path)
					}
					seen[f.Path] = true
					if f.Link == "" && f.Exec {
						checkLauncher(t, tool.Name, arch, f, files)
					}
					for _, pattern := range tool.Commands {
						if ok, _ := path.Match(pattern, f.Path); ok && f.Exec {
							commands = append(commands, path.Base(f.Path))
							if err := manifests.MatchedCommand(path.Base(f.Path)); err != nil {
								t.Errorf("%s: %v", tool.Name, err)
							}
						}
					}
				}
				if tool.launchers != nil && len(commands) == 0 {
					t.Errorf("%s: no command", tool.Name)
				}
			}
		}
	}
}

func checkLauncher(t *testing.T, tool, arch string, f manifests.File, files []manifests.File) {
	t.Helper()
	text := string(f.Data)
	if !strings.HasPrefix(text, "#!/bin/sh\n") || !strings.HasSuffix(text, "\n") || strings.Contains(text, "{multiarch}") || strings.Contains(text, "{loader}") {
		t.Errorf("%s: %s is not a complete script:\n%s", tool, f.Path, text)
	}
	if strings.Contains(text, "LD_LIBRARY_PATH") || strings.Contains(text, "LD_PRELOAD") {
		t.Errorf("%s: %s makes every child's loader use libraries of the prefix", tool, f.Path)
	}
	other := map[string]string{"amd64": "aarch64", "arm64": "x86"}[arch]
	if strings.Contains(text, other) {
		t.Errorf("%s: %s is for %s but mentions %s", tool, f.Path, arch, other)
	}
	// Programs started from a launcher directory must be launchers.
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \"\n}", r) }) {
		called, ok := strings.CutPrefix(word, "$top/kist/tools/")
		if !ok || called == "" {
			continue
		}
		if !slices.ContainsFunc(files, func(f manifests.File) bool { return f.Path == "kist/tools/"+called && f.Exec }) {
			t.Errorf("%s: %s starts %s, which is not a launcher", tool, f.Path, word)
		}
	}
}

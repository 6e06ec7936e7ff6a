package project_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/project"
)

func TestPin(t *testing.T) {
	zig := project.Ask{Channel: "acme", Tool: "zig", Version: "0.14.0"}
	rust := project.Ask{Tool: "rust", Version: "1.95", Components: []string{"clippy"}, Targets: []string{"wasm32-unknown-unknown"}, Profile: "minimal"}
	for _, test := range []struct {
		name, text string
		ask        project.Ask
		want       string
	}{
		{"no file", "", project.Ask{Tool: "go", Version: "1.26"}, "[tools]\ngo = \"1.26\"\n"},
		{"only a comment", "# ours", zig, "# ours\n\n[tools]\n\"acme/zig\" = \"0.14.0\"\n"},
		{"another tool", "[tools]\ngo = \"1.26\"", zig, "[tools]\ngo = \"1.26\"\n\"acme/zig\" = \"0.14.0\"\n"},
		{"the end of the table", "[tools] # x\n\n# newest\ngo = \"1.26\"\n\n# end\n", zig, "[tools] # x\n\n# newest\ngo = \"1.26\"\n\n# end\n\"acme/zig\" = \"0.14.0\"\n"},
		{"replaced", "# a\n[tools]\ngo   = \"1.26\"  # the \"newest\"\nnode = '22'\n", project.Ask{Tool: "go", Version: "=1.27.4"}, "# a\n[tools]\ngo   = \"=1.27.4\"  # the \"newest\"\nnode = '22'\n"},
		{"CRLF", "[tools]\r\ngo = \"1.26\"\r\n", project.Ask{Tool: "go", Version: "1.27"}, "[tools]\r\ngo = \"1.27\"\r\n"},
		{"quoted key", "[tools]\n'acme/zig' = \"#1\"  # x\n", zig, ""}, // "#1" is no version: the file is broken
		{"literal key", "[tools]\n'acme/zig' = \"1\"\n", zig, "[tools]\n'acme/zig' = \"0.14.0\"\n"},
		{"a table", "[tools]\nrust = { version = \"1.90\", profile = \"default\" }\n", rust,
			"[tools]\nrust = { version = \"1.95\", components = [\"clippy\"], targets = [\"wasm32-unknown-unknown\"], profile = \"minimal\" }\n"},
		{"a table over several lines", "[tools]\nrust = { version = \"1.90\", components = [\n\"a\",\n] }\n", rust, ""},
		{"a table of its own", "[tools.rust]\nversion = \"1.90\"\n", rust, ""},
		{"a dotted key", "tools.go = \"1.26\"\n", project.Ask{Tool: "go", Version: "1.27"}, ""},
		{"broken", "[tools\n", zig, ""},
		{"says more", "[tools]\n[hooks]\n", zig, ""},
	} {
		got, err := project.Pin([]byte(test.text), test.ask)
		if string(got) != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: got %q, %v, want %q", test.name, got, err, test.want)
		}
	}
}

// TestPinRefusesTheToolOfAnotherChannel checks that a tool is not pinned from a second
// channel, and that each can be pinned again.
func TestPinRefusesTheToolOfAnotherChannel(t *testing.T) {
	for _, test := range []struct {
		text string
		ask  project.Ask
		have string // "" if it is pinned
	}{
		{"[tools]\n\"acme/zig\" = \"1\"\n", project.Ask{Tool: "zig", Version: "9"}, "acme/zig"},
		{"[tools]\nzig = \"1\"\n", project.Ask{Channel: "acme", Tool: "zig", Version: "9"}, "zig"},
		{"[tools]\n\"acme/zig\" = \"1\"\n", project.Ask{Channel: "other", Tool: "zig", Version: "9"}, "acme/zig"},
		{"[tools]\n\"acme/zig\" = \"1\"\n", project.Ask{Channel: "acme", Tool: "zig", Version: "9"}, ""},
		{"[tools]\nzig = \"1\"\n", project.Ask{Tool: "zig", Version: "9"}, ""},
		{"[tools]\n\"acme/go\" = \"1\"\n", project.Ask{Tool: "zig", Version: "9"}, ""},
	} {
		_, err := project.Pin([]byte(test.text), test.ask)
		other, ok := errors.AsType[*project.OtherChannelError](err)
		if test.have == "" && err != nil || test.have != "" && (!ok || other.Have != test.have || other.Version != "9") {
			t.Errorf("%s in %q: %v", test.ask, test.text, err)
		}
	}
}

// TestKistFileSaysHowToWriteIt checks what kist says of the usual slips in kist.toml.
func TestKistFileSaysHowToWriteIt(t *testing.T) {
	for text, want := range map[string]string{
		"[tools]\nhello = 1.10 # x\n":         `write hello = "1.10"`,
		"[tools]\nhello = 22\n":               `write hello = "22"`,
		"[tools]\n\"acme/hello\" = 1.0\n":     `write "acme/hello" = "1.0"`,
		"tools = { hello = 1.0 }\n":           `write hello = "`,
		"[tools]\n\"acme/@team\" = \"\"\n":    `"acme/@team" is a set, and here each tool is named by itself; kist install CHANNEL/@NAME installs a set`,
		"[tools]\n\"@team\" = \"\"\n":         "is a set",
		"[tools]\nacme/hello = \"1.0\" # x\n": `line 2: quote it: "acme/hello" = "1.0"`,
		"[tool]\nhello = \"1.0\"\n":           "did you mean [tools]?",
		"[hooks]\nhello = \"1.0\"\n":          `unknown key "hooks"`,
		"[tools]\nhello = \"1.10\"\n":         "",
		"[tools]\n\"acme/hello\" = \"1.0\"\n": "",
	} {
		_, err := format(t, project.File).Parse("kist.toml", []byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// What Pin writes asks for exactly what it was given, and keeps every comment.
func FuzzPin(f *testing.F) {
	f.Add("[tools]\ngo = \"1.26\" # x\n", "go", "1.27")
	f.Add("# a\n[tools]\nrust = { version = \"1\" }\n[other]\n", "acme/rust", "=1.95.0")
	f.Fuzz(func(t *testing.T, text, tool, version string) {
		channel, name, named := strings.Cut(tool, "/")
		if !named {
			channel, name = "", tool
		}
		got, err := project.Pin([]byte(text), project.Ask{Channel: channel, Tool: name, Version: version})
		if err != nil {
			return
		}
		c, err := format(t, project.File).Parse(project.File, got)
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		found := 0
		for _, a := range c.Asks {
			if a.Tool == name && a.Channel == channel && a.Version == version {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%q pinned %s@%s: %q", text, tool, version, got)
		}
	})
}

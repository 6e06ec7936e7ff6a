package rust_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rust"
)

func TestToolchainFile(t *testing.T) {
	const toml, bare = "rust-toolchain.toml", "rust-toolchain"
	for _, test := range []struct {
		name, text string
		want       rust.ToolchainFile
	}{
		{toml, "[toolchain]\nchannel = \"1.95\"\n", rust.ToolchainFile{Channel: "1.95"}},
		{toml, "[toolchain]\nchannel = \"nightly-2026-11-01\"\ncomponents = [\"clippy\", \"rust-src\"]\ntargets = [\"wasm32-unknown-unknown\"]\nprofile = \"default\"\n",
			rust.ToolchainFile{"nightly-2026-11-01", []string{"clippy", "rust-src"}, []string{"wasm32-unknown-unknown"}, "default"}},
		{toml, "# a comment\n[toolchain]\ncomponents = []\nlater = 1\n[other]\nx = 1\n", rust.ToolchainFile{}},
		{bare, "[toolchain]\nprofile = \"minimal\"\n", rust.ToolchainFile{Profile: "minimal"}},
		{bare, "1.95.0\n", rust.ToolchainFile{Channel: "1.95.0"}},
		{bare, "  stable  ", rust.ToolchainFile{Channel: "stable"}},
		{bare, "\r\n[toolchain]\r\nchannel = \"beta\"\r\n", rust.ToolchainFile{Channel: "beta"}},
	} {
		got, err := rust.ParseToolchainFile(test.name, []byte(test.text))
		if err != nil || got.Channel != test.want.Channel || got.Profile != test.want.Profile ||
			len(got.Components)+len(test.want.Components) > 0 && !reflect.DeepEqual(got.Components, test.want.Components) ||
			!reflect.DeepEqual(got.Targets, test.want.Targets) {
			t.Errorf("%s %q: %+v, %v", test.name, test.text, got, err)
		}
	}
	for _, test := range []struct{ name, text, rule string }{
		{toml, "1.95.0\n", "line 1"},
		{toml, "", "toolchain is missing"},
		{bare, "", "empty"},
		{bare, " \n", "empty"},
		{bare, "stable\nbeta\n", "line"},
		{bare, "../../x", "channel"},
		{bare, "stäble", "channel"},
		{toml, "[toolchain]\n", "none of"},
		{toml, "[toolchain]\nlater = 1\n", "none of"},
		{toml, "[Toolchain]\nchannel = \"stable\"\n", "toolchain is missing"},
		{toml, "toolchain = \"stable\"\n", "not a table"},
		{toml, "[toolchain]\npath = \"/opt/rust\"\n", "nobody signs a path"},
		{toml, "[toolchain]\nchannel = \"stable\"\npath = \"x\"\n", "nobody signs a path"},
		{toml, "[toolchain]\nchannel = 1.95\n", "toolchain: channel is not a string"},
		{toml, "[toolchain]\nchannel = \"\"\n", "empty"},
		{toml, "[toolchain]\nchannel = \"https://evil.example/dist\"\n", "channel"},
		{toml, "[toolchain]\nchannel = \"mirror/stable\"\n", "channel"},
		{toml, "[toolchain]\ncomponents = \"clippy\"\n", "not a list of"},
		{toml, "[toolchain]\ncomponents = [1]\n", "not a string"},
		{toml, "[toolchain]\ncomponents = [\"../x\"]\n", "component"},
		{toml, "[toolchain]\ntargets = [\"A\"]\n", "target"},
		{toml, "[toolchain]\nprofile = \"a b\"\n", "profile"},
		{toml, "[toolchain]\ntargets = [" + strings.Repeat("\"x\",", rust.MaxNames+1) + "]\n", "limit"},
		{toml, "[toolchain]\nchannel = \"stable\"\n" + strings.Repeat("#", rust.MaxToolchainFile), "limit"},
	} {
		_, err := rust.ParseToolchainFile(test.name, []byte(test.text))
		var refused *rust.ToolchainFileError
		if !errors.As(err, &refused) || refused.File != test.name || !strings.Contains(err.Error(), test.rule) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %.40q: %v, want %q", test.name, test.text, err, test.rule)
		}
	}
}

func FuzzToolchainFile(f *testing.F) {
	f.Add("rust-toolchain", []byte("stable"))
	f.Add("rust-toolchain.toml", []byte("[toolchain]\nchannel = \"1.95\"\ncomponents = [\"clippy\"]\n"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		file, err := rust.ParseToolchainFile(name, data)
		if err != nil {
			return
		}
		if file.Channel != "" && manifests.ValidVersion(file.Channel) != nil {
			t.Errorf("channel %q", file.Channel)
		}
		for _, name := range append(file.Components, file.Targets...) {
			if manifests.ValidName(name) != nil {
				t.Errorf("name %q", name)
			}
		}
	})
}

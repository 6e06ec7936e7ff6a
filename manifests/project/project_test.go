package project_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/project"
)

func format(t testing.TB, name string) project.Format {
	for _, f := range project.Formats() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no format %s", name)
	return project.Format{}
}

func TestFiles(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       string // the requests, then "!" and what is not answered, with blanks between
	}{
		{"kist.toml", "[tools]\ngo = \"1.26\"\n\"acme/zig\" = \"0.14.0\"\nnode = { version = \"=22.1.0\" }\nrust = {}\n", "acme/zig@0.14.0 go@1.26 node@=22.1.0 rust"},
		{"kist.toml", "", ""},
		{"go.mod", "module x\n\ngo 1.25\n", "go@1.25"},
		{"go.mod", "module x\ngo 1.25.1\ntoolchain go1.26.3\n", "go@=1.26.3"},
		{"go.mod", "module x\ngo 1.25.1\ntoolchain default\n", "go@1.25.1"},
		{"go.mod", "module x\ngo 1.25\ntoolchain go1.26.3-acme\n", "!go \"go1.26.3-acme\": a toolchain that somebody built; kist installs only those of the Go project"},
		{"go.mod", "module x\n", ""},
		{"go.work", "go 1.24\nuse ./a\n", "go@1.24"},
		{".go-version", "1.25.3\n", "go@1.25.3"},
		{".go-version", "# comment\ngo1.25\n", "go@1.25"},
		{".nvmrc", "v22.11.0\n", "node@22.11.0"},
		{".nvmrc", "lts/*", "node@lts"},
		{".nvmrc", "lts/Jod", "node@lts-jod"},
		{".nvmrc", "node", "node@latest"},
		{".nvmrc", "system", "!node \"system\": kist installs only what a channel publishes"},
		{".nvmrc", "iojs-1.2", "!node \"iojs-1.2\": kist knows no such version"},
		{".node-version", "22\n", "node@22"},
		{".java-version", "21", "java@21"},
		{".java-version", "1.8", "java@8"},
		{".java-version", "temurin-21.0.5+11.0.LTS", "java@21.0.5+11"},
		{".java-version", "openjdk64-17.0.2", "java@17.0.2"},
		{".java-version", "zulu-21.0.5", "!java \"zulu-21.0.5\": kist's java is Eclipse Temurin, not zulu"},
		{".sdkmanrc", "# x\njava=21.0.5-tem\ngradle=8.10\n", "java@21.0.5 gradle@8.10"},
		{".sdkmanrc", "java=21.0.5-zulu\n", "!java \"21.0.5-zulu\": kist's java is Eclipse Temurin, not \"zulu\" of SDKMAN"},
		{".terraform-version", "1.9.8", "terraform@1.9.8"},
		{".terraform-version", "latest", "terraform"},
		{".terraform-version", "latest:^1.5", "!terraform \"latest:^1.5\": kist installs only what a channel publishes"},
		{".bun-version", "v1.1.30", "bun@1.1.30"},
		{".tool-versions", "golang 1.25.1\nnodejs 22.1.0 20 # x\nrust nightly\nzig 0.13.0\n", "go@1.25.1 node@22.1.0 rust@nightly zig@0.13.0"},
		{".tool-versions", "ruby path:/opt/ruby\npython system\n", "!ruby \"path:/opt/ruby\": kist installs only what a channel publishes !python \"system\": kist installs only what a channel publishes"},
		{"package.json", `{"engines":{"node":">=20 <23","npm":">=10"}}`, "node >=20 <23"},
		{"package.json", `{"volta":{"node":"22.1.0","npm":"10"},"engines":{"node":"20"}}`, "node@22.1.0"},
		{"package.json", `{"engines":["node >= 0.6"]}`, ""},
		{"package.json", `{"name":"x"}`, ""},
		{"package.json", `{"volta":{"extends":"../../package.json"},"engines":{"node":">=18"}}`, ""},
		{"package.json", `{"volta":{"extends":"../../package.json","node":"20.1.0"}}`, "node@20.1.0"},
		{"package.json", `{"engines":{"node":"; rm -rf /"}}`, "!node \"; rm -rf /\": not a range of versions"},
		{"rust-toolchain", "1.95\n", "rust@1.95"},
		{"rust-toolchain.toml", "[toolchain]\nchannel = \"1.95\"\ncomponents = [\"clippy\"]\n", "rust@1.95"},
	} {
		c, err := format(t, test.name).Parse("dir/"+test.name, []byte(test.text))
		var got []string
		for _, a := range c.Asks {
			got = append(got, a.String())
		}
		for _, line := range c.Unanswered {
			got = append(got, "!"+line)
		}
		if text := strings.Join(got, " "); err != nil || text != test.want {
			t.Errorf("%s %q: got %q, %v, want %q", test.name, test.text, text, err, test.want)
		}
	}
}

func TestParts(t *testing.T) {
	c, err := format(t, "kist.toml").Parse("kist.toml", []byte("[tools]\nrust = { version = \"1.95\", components = [\"clippy\"], targets = [\"wasm32-unknown-unknown\"], profile = \"minimal\" }\n"))
	want := []project.Ask{{Tool: "rust", Version: "1.95", Components: []string{"clippy"}, Targets: []string{"wasm32-unknown-unknown"}, Profile: "minimal"}}
	if err != nil || !reflect.DeepEqual(c.Asks, want) {
		t.Errorf("got %+v, %v, want %+v", c.Asks, err, want)
	}
}

// A file can name tools, versions and parts, and nothing else.
func TestRefusedFiles(t *testing.T) {
	nested := strings.Repeat("[", 10_000)
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for _, test := range []struct{ name, text, want string }{
		{"kist.toml", "[tools]\ngo = 1.26", `write go = "1.26"`},
		{"kist.toml", "[channel]\nurl = \"https://evil.example/\"", `unknown key "channel"`},
		{"kist.toml", "go = \"1.26\"", `unknown key "go"`},
		{"kist.toml", "[tools]\ngo = { version = \"1.26\", url = \"https://evil.example/\" }", `unknown key "url"`},
		{"kist.toml", "[tools]\ngo = { run = \"sh\" }", `unknown key "run"`},
		{"kist.toml", "[tools]\n\"../x\" = \"1\"", "may occur"},
		{"kist.toml", "[tools]\n\"a/b/c\" = \"1\"", "may occur"},
		{"kist.toml", "[tools]\n\"/go\" = \"1\"", "it is empty"},
		{"kist.toml", "[tools]\ngo = \"$(id)\"", "may occur"},
		{"kist.toml", "[tools]\ngo = \"1.26\\u001b[2J\"", "may occur"},
		{"kist.toml", "[tools]\nrust = { components = [\"../../x\"] }", "may occur"},
		{"kist.toml", "[tools]\nrust = { profile = \"A\" }", "lower case"},
		{"kist.toml", "[tools]\nx = " + nested, "levels"},
		{"kist.toml", "#" + strings.Repeat("x", 64<<10), "larger than the limit"},
		{"go.mod", "\x00\x00", "go.mod"},
		{"go.work", "go 1.x\n", "go.work"},
		{".nvmrc", "", "names no version"},
		{".nvmrc", strings.Repeat("x", 65<<10), "larger than the limit"},
		{".tool-versions", "go\n", "go has no version"},
		{".tool-versions", "../../etc 1\n", "may occur"},
		{".tool-versions", strings.Repeat("a 1\n", 300), "more than 256 tools"},
		{".sdkmanrc", "java\n", "java has no version"},
		{".sdkmanrc", "$(id)=1\n", "may occur"},
		{"package.json", "{", "unexpected end"},
		{"package.json", deep, "exceeded max depth"},
		{"rust-toolchain.toml", "[toolchain]\npath = \"/opt/x\"\n", "path is not supported"},
	} {
		_, err := format(t, test.name).Parse("dir/"+test.name, []byte(test.text))
		var refused *project.Error
		if !errors.As(err, &refused) || refused.File != "dir/"+test.name || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %.60q: got %v, want an *Error with %q", test.name, test.text, err, test.want)
		}
	}
}

func TestMerge(t *testing.T) {
	read := func(path string, asks ...project.Ask) project.Read {
		return project.Read{Path: path, Content: project.Content{Asks: asks}}
	}
	ask := func(tool, version string) project.Ask { return project.Ask{Tool: tool, Version: version} }
	got := project.Merge([]project.Read{
		read("/a/b/.nvmrc", ask("node", "20")),
		read("/a/b/package.json", project.Ask{Tool: "node", Range: ">=18"}),
		read("/a/kist.toml", ask("go", "1.26"), ask("node", "22")),
		read("/a/go.mod", ask("go", "1.26")),
		read("/a/.tool-versions", ask("go", "1.25"), ask("zig", "0.13")),
	})
	want := []project.Want{
		{Ask: ask("go", "1.26"), Path: "/a/kist.toml", Over: []project.Overruled{{ask("go", "1.25"), "/a/.tool-versions"}}},
		{Ask: ask("node", "22"), Path: "/a/kist.toml", Over: []project.Overruled{
			{ask("node", "20"), "/a/b/.nvmrc"}, {project.Ask{Tool: "node", Range: ">=18"}, "/a/b/package.json"}}},
		{Ask: ask("zig", "0.13"), Path: "/a/.tool-versions"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if nearer := project.Merge([]project.Read{read("/a/b/.nvmrc", ask("node", "20")), read("/a/.nvmrc", ask("node", "18"))}); nearer[0].Version != "20" {
		t.Errorf("the nearest file does not decide: %+v", nearer)
	}
}

// A go.work decides for the modules below it, as the go command does, and a version that
// somebody chose before the ranges that it is in.
func TestMergeOfWorkspaces(t *testing.T) {
	for _, test := range []struct {
		name, files string // path=version, or path:range
		want        string
	}{
		{"go.work above", "/w/a/go.mod=1.24 /w/go.work=1.26.3 /w/go.mod=1.25", "1.26.3 of /w/go.work"},
		{"no go.work", "/w/a/go.mod=1.24 /w/go.mod=1.25", "1.24 of /w/a/go.mod"},
		{"a nearer file of one version", "/w/a/.go-version=1.22 /w/a/go.mod=1.24 /w/go.work=1.26.3", "1.22 of /w/a/.go-version"},
		{"a farther file of one version", "/w/a/go.mod=1.24 /w/.go-version=1.22", "1.24 of /w/a/go.mod"},
		{"kist.toml above go.work", "/w/a/go.mod=1.24 /w/go.work=1.26.3 /kist.toml=1.20", "1.20 of /kist.toml"},
		{"in the range", "/w/a/package.json:>=20 /w/.nvmrc=22.11.0", "22.11.0 of /w/.nvmrc"},
		{"outside the range", "/w/a/package.json:>=20 /w/.nvmrc=18.1.0", ">=20 of /w/a/package.json"},
		{"a beginning in the range", "/w/package.json:>=22.3 /w/.tool-versions=22", "22 of /w/.tool-versions"},
		{"a beginning outside the range", "/w/package.json:<22.3 /w/.tool-versions=22", "<22.3 of /w/package.json"},
		{"a label", "/w/a/package.json:>=20 /w/.nvmrc=lts-jod", ">=20 of /w/a/package.json"},
		{"exactly, in the range", "/w/a/package.json:^20 /w/.nvmrc==20.1.0", "=20.1.0 of /w/.nvmrc"},
		{"the nearest of two in the range", "/w/a/package.json:>=20 /w/.nvmrc=22 /.nvmrc=24", "22 of /w/.nvmrc"},
		{"two ranges", "/w/a/package.json:>=20 /w/package.json:>=18", ">=20 of /w/a/package.json"},
	} {
		var files []project.Read
		for _, word := range strings.Fields(test.files) {
			at := strings.IndexAny(word, ":=")
			a := project.Ask{Tool: "tool", Version: word[at+1:]}
			if word[at] == ':' {
				a.Version, a.Range = "", a.Version
			}
			files = append(files, project.Read{Path: word[:at], Content: project.Content{Asks: []project.Ask{a}}})
		}
		got := project.Merge(files)
		if len(got) != 1 || got[0].Version+got[0].Range+" of "+got[0].Path != test.want || len(got[0].Over) != len(files)-1 {
			t.Errorf("%s: got %+v, want %s", test.name, got, test.want)
		}
	}
}

func TestAllows(t *testing.T) {
	for _, test := range []struct {
		ask     project.Ask
		version string
		want    bool
	}{
		{project.Ask{Range: ">=20 <23"}, "22.11.0", true},
		{project.Ask{Range: ">=20 <23"}, "23.0.0", false},
		{project.Ask{Range: "^18.19 || ^20.11.1 || >=22"}, "20.12.0", true},
		{project.Ask{Range: "^18.19 || ^20.11.1 || >=22"}, "19.0.0", false},
		{project.Ask{Range: "20.x"}, "20.1.2", true},
		{project.Ask{Range: "not a range"}, "20.1.2", false},
		{project.Ask{Range: ">=20"}, "nonsense", false},
		{project.Ask{Version: "1.26"}, "1.26.3", true},
		{project.Ask{Version: "1.26"}, "1.27.0", false},
		{project.Ask{Version: "=1.26"}, "1.26.3", false},
		{project.Ask{Version: "lts"}, "22.11.0", true},
		{project.Ask{}, "1", true},
	} {
		if got := test.ask.Allows(test.version, []string{"lts"}); got != test.want {
			t.Errorf("%s allows %s: %v, want %v", test.ask, test.version, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(0, "[tools]\ngo = \"1.26\"\n")
	f.Add(5, "module x\ngo 1.25\n")
	f.Add(8, `{"engines":{"node":">=20"}}`)
	f.Add(13, "golang 1.25\n")
	f.Fuzz(func(t *testing.T, n int, text string) {
		formats := project.Formats()
		if n < 0 || n >= len(formats) {
			return
		}
		c, err := formats[n].Parse("x", []byte(text))
		if err != nil {
			return
		}
		for _, a := range c.Asks {
			if strings.ContainsAny(a.Tool+a.Channel+a.Version+a.Profile+strings.Join(a.Components, "")+strings.Join(a.Targets, ""), "/\\ \t\r\n\x00\x1b$`;") {
				t.Errorf("%q: %+v", text, a)
			}
		}
	})
}

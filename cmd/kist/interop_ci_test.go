//go:build interop

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// These tests run the commands of docs/ci.md, and of the files in docs/ci, as the CI systems would: in a job that saves
// what the fragment says, and in one that restores it in another home and has no network.

// fragmentsOf returns the blocks of a page in a language.
func fragmentsOf(t *testing.T, page, language string) (blocks []string) {
	t.Helper()
	for _, part := range strings.Split(takeFile(t, page), "\n```"+language+"\n")[1:] {
		block, _, ended := strings.Cut(part, "```\n")
		if !ended {
			t.Fatalf("%s: a block does not end", page)
		}
		blocks = append(blocks, block)
	}
	return blocks
}

// job runs a script of a CI job, which must succeed, in a directory of h.
func (h *home) job(dir, script string, variables ...string) (said string) {
	h.t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir, cmd.Env = dir, append(slices.Clone(h.env), variables...)
	cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(h.program)+":"+os.Getenv("PATH"))
	o := finish(h.t, cmd)
	if o.code != 0 {
		h.t.Fatalf("%s\n%v", script, o)
	}
	return o.stdout + o.stderr
}

// offline returns h with no upstream to reach.
func (h *home) offline() *home {
	h.t.Helper()
	config := h.path(".config", "kist", "config.toml")
	write(h.t, config, regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/`).ReplaceAllString(takeFile(h.t, config), "http://127.0.0.1:9/"), 0o644)
	return h
}

func TestCIFragments(t *testing.T) {
	f := forge(t)
	yaml := fragmentsOf(t, "../../docs/ci.md", "yaml")
	if len(yaml) != 2 {
		t.Fatalf("docs/ci.md has %d fragments in YAML, want the uses of ci/action.yml and ci/gitlab.yml", len(yaml))
	}
	t.Run("any system", func(t *testing.T) { anyCI(t, f, fragmentsOf(t, "../../docs/ci.md", "sh")[0]) })
	t.Run("GitHub Actions", func(t *testing.T) { githubActions(t, f, yaml[0]) })
	t.Run("GitLab", func(t *testing.T) { gitlab(t, f, yaml[1]) })
	t.Run("Dockerfile", func(t *testing.T) { dockerfile(t, f, fragmentsOf(t, "../../docs/ci.md", "dockerfile")[0]) })
}

// save packs directories of a home into a file.
func save(t *testing.T, h *home, paths ...string) (cache string) {
	t.Helper()
	cache = filepath.Join(commonDir(t), "cache.tar")
	tool(t, "tar", append([]string{"-C", h.dir, "-cf", cache}, paths...)...)
	return cache
}

// restore unpacks what save packed into another home.
func (h *home) restore(cache string) { tool(h.t, "tar", "-C", h.dir, "-xf", cache) }

func anyCI(t *testing.T, f forged, script string) {
	acme := newHome(t, f.program)
	signer, channel := newSigner(t, "ed25519"), commonDir(t)
	publishHello(t, acme, channel, signer, "1.0")
	script = strings.ReplaceAll(script, "https://tools.acme.example/", channel)
	const restores = "# Here the CI system restores"
	if !strings.Contains(script, restores) {
		t.Fatalf("no line with %q in:\n%s", restores, script)
	}
	job := func(h *home, cache string) string {
		repo := h.checkOut("go")
		write(t, filepath.Join(repo, "ci", "acme.asc"), takeFile(t, signer.publicKey()), 0o644)
		script := strings.Replace(script, restores, "[ -z \"$CACHE\" ] || tar -C \"$HOME\" -xf \"$CACHE\" "+restores, 1)
		return h.job(repo, script+"\necho \"key is $key\"; kist run go version", "CACHE="+cache)
	}
	first := f.home(t)
	said := job(first, "")
	contains(t, said, "go version go1.26.3")
	key := regexp.MustCompile(`(?m)^key is kist\S+$`).FindString(said)
	again := job(f.home(t).offline(), save(t, first, ".local/share/kist", ".local/state/kist"))
	contains(t, again, "go version go1.26.3")
	contains(t, again, "already installed")
	if key == "" || !strings.Contains(again, key+"\n") {
		t.Errorf("the keys of two jobs differ: %q, %s", key, again)
	}
}

// dockerfile runs the RUN lines of a Dockerfile of two stages in two homes, with the
// directories that it names.
func dockerfile(t *testing.T, f forged, text string) {
	build, image := f.home(t), f.home(t).offline()
	opt := image.path("opt")
	at, environ := build, []string(nil)
	for _, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.NewReplacer("/root/", build.dir+"/", "/opt/kist", opt).Replace(rest)
		switch word {
		case "FROM":
			if !strings.Contains(rest, " AS ") {
				at = image
			}
		case "ENV":
			environ = strings.Fields(strings.ReplaceAll(rest, "$PATH", os.Getenv("PATH")))
		case "COPY":
			if from := strings.Fields(rest); from[0] == "--from=build" {
				must(t, os.MkdirAll(filepath.Dir(from[2]), 0o755))
				tool(t, "cp", "-a", from[1], from[2])
			}
		case "RUN":
			at.job(at.dir, rest[strings.Index(rest, "kist "):], environ...)
		}
	}
	if got := tool(t, "setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "--", filepath.Join(opt, "bin", "go")); !strings.HasPrefix(got, "go version go1.26.8 ") {
		t.Errorf("the image has %q", got)
	}
}

//go:build interop

package main

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readYAML reads the part of YAML that the files in docs/ci use: mappings, lists, one-line
// scalars, lists in brackets, and blocks after "|". A mapping is a map[string]any, a list a
// []any, anything else a string.
func readYAML(t *testing.T, text string) any {
	t.Helper()
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	r := yamlReader{t, lines}
	value := r.value(0)
	if len(r.lines) > 0 {
		t.Fatalf("a line that cannot be read: %q", r.lines[0])
	}
	return value
}

type yamlReader struct {
	t     *testing.T
	lines []string
}

// peek returns the next line that is not a comment or empty, and its indentation.
func (r *yamlReader) peek() (line string, indent int, ok bool) {
	for len(r.lines) > 0 {
		line := strings.TrimLeft(r.lines[0], " ")
		if line != "" && line[0] != '#' {
			return line, len(r.lines[0]) - len(line), true
		}
		r.lines = r.lines[1:]
	}
	return "", 0, false
}

// value reads the mapping or list at least as far indented as indent.
func (r *yamlReader) value(indent int) any {
	line, at, ok := r.peek()
	if !ok || at < indent {
		return ""
	}
	if strings.HasPrefix(line, "- ") {
		var list []any
		for {
			line, now, ok := r.peek()
			if !ok || now != at || !strings.HasPrefix(line, "- ") {
				return list
			}
			item := strings.TrimPrefix(line, "- ")
			if _, _, isMapping := r.pair(item); isMapping {
				r.lines[0] = strings.Repeat(" ", at+2) + item
				list = append(list, r.value(at+2))
				continue
			}
			r.lines = r.lines[1:]
			list = append(list, r.scalar(item, at))
		}
	}
	mapping := map[string]any{}
	for {
		line, now, ok := r.peek()
		if !ok || now != at {
			return mapping
		}
		key, rest, isPair := r.pair(line)
		if !isPair || mapping[key] != nil {
			r.t.Fatalf("not a pair, or a second one: %q", line)
		}
		if r.lines = r.lines[1:]; rest == "" {
			mapping[key] = r.value(at + 1)
		} else {
			mapping[key] = r.scalar(rest, at)
		}
	}
}

func (*yamlReader) pair(line string) (key, rest string, ok bool) {
	m := regexp.MustCompile(`^([.A-Za-z_][A-Za-z0-9_-]*):(?: (.*))?$`).FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// scalar reads a value that begins on a line indented by indent.
func (r *yamlReader) scalar(text string, indent int) any {
	switch {
	case text == "|":
		var block []string
		for len(r.lines) > 0 && (strings.TrimSpace(r.lines[0]) == "" || strings.HasPrefix(r.lines[0], strings.Repeat(" ", indent+1))) {
			block, r.lines = append(block, r.lines[0]), r.lines[1:]
		}
		margin := len(block[0]) - len(strings.TrimLeft(block[0], " "))
		for i, line := range block {
			block[i] = line[min(margin, len(line)):]
		}
		return strings.Join(block, "\n") + "\n"
	case text[0] == '"':
		value, rest, ok := strings.Cut(text[1:], `"`)
		if rest = strings.TrimSpace(rest); !ok || rest != "" && rest[0] != '#' {
			r.t.Fatalf("not a quoted value: %q", text)
		}
		return value
	case text[0] == '[':
		var list []any
		for _, item := range strings.Split(strings.Trim(text, "[]"), ", ") {
			list = append(list, item)
		}
		return list
	}
	value, _, _ := strings.Cut(text, " #")
	return value
}

// under returns the value at a path of keys.
func under(t *testing.T, value any, keys ...string) any {
	t.Helper()
	for _, key := range keys {
		mapping, ok := value.(map[string]any)
		if !ok || mapping[key] == nil {
			t.Fatalf("no %q in %v", key, value)
		}
		value = mapping[key]
	}
	return value
}

// anAction runs the steps of ci/action.yml as GitHub's runner does, for as far as these
// steps need. caches are the saved directories, by key.
type anAction struct {
	h       *home
	repo    string
	inputs  map[string]string
	caches  map[string]string
	outputs map[string]string // of steps, by "step.name"
	env     []string
	path    string
	key     string // of the cache that was asked for
}

func (a *anAction) expand(text any) string {
	return regexp.MustCompile(`\$\{\{ ([a-z0-9.]+) \}\}`).ReplaceAllStringFunc(fmt.Sprint(text), func(all string) string {
		name := strings.Trim(all, "${ }")
		if input, ok := strings.CutPrefix(name, "inputs."); ok {
			return a.inputs[input]
		}
		step, output, ok := strings.Cut(strings.TrimPrefix(name, "steps."), ".outputs.")
		value, known := a.outputs[step+"."+output]
		if !ok || !known {
			a.h.t.Fatalf("%s is not known", all)
		}
		return value
	})
}

// run runs the steps, and returns the outcome of the first one that fails, else of the last.
func (a *anAction) run() (last outcome) {
	t := a.h.t
	t.Helper()
	action := readYAML(t, takeFile(t, "../../docs/ci/action.yml"))
	for name, input := range under(t, action, "inputs").(map[string]any) {
		if _, given := a.inputs[name]; !given {
			if input.(map[string]any)["required"] == "true" {
				t.Fatalf("input %s is required", name)
			}
			a.inputs[name] = fmt.Sprint(under(t, input, "default"))
		}
	}
	a.outputs, a.path = map[string]string{}, os.Getenv("PATH")
	temp := commonDir(t)
	for _, one := range under(t, action, "runs", "steps").([]any) {
		step := one.(map[string]any)
		if step["uses"] != nil {
			a.cache(step)
			continue
		}
		cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", fmt.Sprint(under(t, step, "run")))
		if under(t, step, "shell") != "bash" {
			t.Fatalf("step %v has another shell", step)
		}
		cmd.Dir = a.repo
		if dir := step["working-directory"]; dir != nil {
			cmd.Dir = filepath.Join(a.repo, a.expand(dir))
		}
		cmd.Env = append(slices.Clone(a.h.env), a.env...)
		if variables, ok := step["env"].(map[string]any); ok {
			for name, value := range variables {
				cmd.Env = append(cmd.Env, name+"="+a.expand(value))
			}
		}
		files := map[string]string{}
		for _, name := range []string{"GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_ENV"} {
			files[name] = filepath.Join(temp, name)
			write(t, files[name], "", 0o644)
			cmd.Env = append(cmd.Env, name+"="+files[name])
		}
		cmd.Env = append(cmd.Env, "RUNNER_TEMP="+temp, "PATH="+a.path)
		if last = finish(t, cmd); last.code != 0 {
			return last
		}
		for line := range strings.Lines(takeFile(t, files["GITHUB_OUTPUT"])) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			a.outputs[fmt.Sprint(step["id"])+"."+name] = value
		}
		for line := range strings.Lines(takeFile(t, files["GITHUB_PATH"])) {
			a.path = strings.TrimSpace(line) + ":" + a.path
		}
		for line := range strings.Lines(takeFile(t, files["GITHUB_ENV"])) {
			a.env = append(a.env, strings.TrimSpace(line))
		}
	}
	return last
}

// cache is the step that restores a cache.
func (a *anAction) cache(step map[string]any) {
	t := a.h.t
	if !regexp.MustCompile(`^actions/cache@[0-9a-f]{40}$`).MatchString(fmt.Sprint(step["uses"])) {
		t.Fatalf("step %v is not the cache, by its commit", step)
	}
	if paths := fmt.Sprint(under(t, step, "with", "path")); paths != "~/.local/share/kist\n~/.local/state/kist\n" {
		t.Fatalf("the cache has the paths %q", paths)
	}
	a.key = a.expand(under(t, step, "with", "key"))
	if saved := a.caches[a.key]; saved != "" {
		a.h.restore(saved)
	}
}

// downloads serves kist by https, as a program and in an archive, and returns the URL, the
// variables by which curl trusts the server, and the digests of the files.
func downloads(t *testing.T, program string) (url, trust string, digests map[string]string) {
	t.Helper()
	dir := commonDir(t)
	must(t, os.Mkdir(filepath.Join(dir, "kist-1.0"), 0o755))
	tool(t, "cp", program, filepath.Join(dir, "kist"))
	tool(t, "cp", program, filepath.Join(dir, "kist-1.0", "kist"))
	tool(t, "tar", "-C", dir, "-czf", filepath.Join(dir, "kist-1.0.tar.gz"), "kist-1.0")
	digests = map[string]string{}
	for _, name := range []string{"kist", "kist-1.0.tar.gz"} {
		digests[name] = fmt.Sprintf("%x", sha256.Sum256([]byte(takeFile(t, filepath.Join(dir, name)))))
	}
	server := httptest.NewTLSServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	authority := filepath.Join(dir, "ca.pem")
	write(t, authority, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), 0o644)
	return server.URL + "/", "CURL_CA_BUNDLE=" + authority, digests
}

// locked returns a repository in h that has a kist.lock of Go.
func (f forged) locked(t *testing.T, h *home) (repo string) {
	t.Helper()
	author := f.home(t)
	author.in(author.checkOut("go")).must("lock")
	repo = h.checkOut("go")
	must(t, os.Chmod(repo, 0o777)) // as a runner makes it
	write(t, filepath.Join(repo, "kist.lock"), takeFile(t, author.path("go", "kist.lock")), 0o666)
	return repo
}

// githubActions runs ci/action.yml in jobs that save a cache and restore it, and with other
// digests than that of kist.
func githubActions(t *testing.T, f forged, usage string) {
	at, trust, digests := downloads(t, f.program)
	use := readYAML(t, usage).([]any)[1]
	declared := under(t, readYAML(t, takeFile(t, "../../docs/ci/action.yml")), "inputs").(map[string]any)
	for input := range under(t, use, "with").(map[string]any) {
		if declared[input] == nil {
			t.Errorf("docs/ci.md gives the input %s, which does not exist", input)
		}
	}
	acme, signer, channel := newHome(t, f.program), newSigner(t, "ed25519"), commonDir(t)
	publishHello(t, acme, channel, signer, "1.0")
	job := func(h *home, file, digest string, caches map[string]string) (*anAction, outcome) {
		repo := f.locked(t, h)
		write(t, filepath.Join(repo, "ci", "acme.asc"), takeFile(t, signer.publicKey()), 0o644)
		before := strings.ReplaceAll(fmt.Sprint(under(t, use, "with", "before")), "https://tools.acme.example/", channel)
		a := &anAction{h: h.with(trust), repo: repo, caches: caches, inputs: map[string]string{"url": at + file, "sha256": digest, "before": before}}
		return a, a.run()
	}
	later := func(a *anAction) string {
		cmd := exec.Command("bash", "-ec", "go version")
		cmd.Dir, cmd.Env = a.repo, append(slices.Clone(a.h.env), "PATH="+a.path)
		return finish(t, cmd).stdout
	}
	caches := map[string]string{}
	for name, digest := range digests {
		h := f.home(t)
		a, o := job(h, name, digest, nil)
		if o.code != 0 || !strings.HasPrefix(later(a), "go version go1.26.3 ") || !strings.HasPrefix(a.key, "kist") {
			t.Errorf("%s: key %s, %v, a later step says %q", name, a.key, o, later(a))
		}
		contains(t, h.must("channel", "list"), "acme")
		caches[a.key] = save(t, h, ".local/share/kist", ".local/state/kist")
	}
	if len(caches) != 1 {
		t.Errorf("the keys differ: %v", slices.Collect(maps.Keys(caches)))
	}
	a, o := job(f.home(t).offline(), "kist", digests["kist"], caches)
	if o.code != 0 || !strings.HasPrefix(later(a), "go version go1.26.3 ") {
		t.Errorf("with the cache, and no network: %v, %q", o, later(a))
	}
	if _, o := job(f.home(t).offline(), "kist", digests["kist"], nil); o.code != 6 {
		t.Errorf("with neither: %v", o)
	}
	for name, digest := range map[string]string{"another digest": strings.Repeat("0", 64), "no digest": "", "the digest of the archive": digests["kist-1.0.tar.gz"]} {
		a, o := job(f.home(t), "kist", digest, caches)
		if o.code == 0 || a.path != os.Getenv("PATH") {
			t.Errorf("%s: %v, PATH %s", name, o, a.path)
		}
	}
}

// gitlab runs the scripts of ci/gitlab.yml, and a script after them, likewise.
func gitlab(t *testing.T, f forged, usage string) {
	at, trust, digests := downloads(t, f.program)
	template := under(t, readYAML(t, takeFile(t, "../../docs/ci/gitlab.yml")), ".kist")
	declared := under(t, template, "variables").(map[string]any)
	for name := range under(t, readYAML(t, usage), "test", "variables").(map[string]any) {
		if _, ok := declared[name]; !ok {
			t.Errorf("docs/ci.md sets %s, which does not exist", name)
		}
	}
	if paths, key := under(t, template, "cache", "paths"), under(t, template, "cache", "key"); fmt.Sprint(paths) != "[.kist]" || fmt.Sprint(key) != "map[files:[kist.lock] prefix:kist-$CI_RUNNER_EXECUTABLE_ARCH]" {
		t.Errorf("the cache has the paths %v and the key %v", paths, key)
	}
	script := ""
	for _, line := range under(t, template, "before_script").([]any) {
		script += strings.TrimSuffix(fmt.Sprint(line), "\n") + "\n"
	}
	job := func(h *home, cache, file, digest string) outcome {
		repo := f.locked(t, h)
		if cache != "" {
			h.restore(cache)
		}
		variables := map[string]string{"CI_PROJECT_DIR": repo}
		for name, value := range declared {
			variables[name] = strings.ReplaceAll(fmt.Sprint(value), "$CI_PROJECT_DIR", repo)
		}
		variables["KIST_URL"], variables["KIST_SHA256"] = at+file, digest
		variables["KIST_BEFORE"] = "kist version"
		cmd := exec.Command("sh", "-ec", script+"go version")
		cmd.Dir, cmd.Env = repo, append(slices.Clone(h.env), trust)
		for name, value := range variables {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		return finish(t, cmd)
	}
	for name, digest := range digests {
		first := f.home(t)
		if o := job(first, "", name, digest); o.code != 0 || !strings.Contains(o.stdout, "\ngo version go1.26.3 ") {
			t.Errorf("%s: %v", name, o)
		}
		if o := job(f.home(t).offline(), save(t, first, "go/.kist"), name, digest); o.code != 0 || !strings.Contains(o.stdout, "\ngo version go1.26.3 ") {
			t.Errorf("%s, from the cache, without a network: %v", name, o)
		}
	}
	for name, digest := range map[string]string{"another digest": strings.Repeat("0", 64), "no digest": ""} {
		if o := job(f.home(t), "", "kist", digest); o.code == 0 || strings.Contains(o.stdout, "go version") {
			t.Errorf("%s: %v", name, o)
		}
	}
}

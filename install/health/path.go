package health

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/host"
)

// checkPath checks whether the directory of kist's commands is on PATH.
func checkPath(_ context.Context, h Host) (findings []Finding, facts []string) {
	if h.OnPath || h.Bin == "" || len(h.Commands()) == 0 {
		return nil, nil
	}
	f := Finding{Severity: Problem, What: h.Bin + " is not on PATH", Why: "the shell does not find kist's commands by their names", Fix: addToPath(h)}
	if file := startupFileWithBin(h); file != "" {
		f.Severity = Warning
		f.Why = fmt.Sprintf("the shell does not find kist's commands by their names. %s names the directory, so a new login shell will", file)
		f.Fix = "exec " + loginShell(h) + " -l"
	}
	return []Finding{f}, nil
}

// checkShell checks whether the login shell of the user puts the directory of kist's commands
// on PATH. It reads the shell's start-up files, and runs nothing.
func checkShell(_ context.Context, h Host) (_ []Finding, facts []string) {
	if h.OS == "windows" || h.Bin == "" {
		return nil, nil
	}
	if file := startupFileWithBin(h); file != "" {
		return nil, []string{fmt.Sprintf("%s, whose %s names %s", loginShell(h), file, h.Bin)}
	}
	if h.OnPath {
		return nil, []string{fmt.Sprintf("%s, none of whose start-up files names %s: PATH has it from elsewhere", loginShell(h), h.Bin)}
	}
	return nil, []string{fmt.Sprintf("%s, none of whose start-up files names %s", loginShell(h), h.Bin)}
}

// checkHidden checks whether other commands come before kist's on PATH.
func checkHidden(_ context.Context, h Host) (findings []Finding, _ []string) {
	hidden := map[string][]string{} // names, by the directory of what hides them
	for _, name := range h.Commands() {
		if by := h.HiddenBy(name); by != "" {
			dir := filepath.Dir(by)
			hidden[dir] = append(hidden[dir], name)
		}
	}
	for dir, list := range sorted(hidden) {
		slices.Sort(list)
		whose, of := "another program", ""
		if manager := managerOf(dir); manager != "" {
			whose, of = manager+"'s", ", of "+manager+","
		}
		count := "one of kist's commands"
		if len(list) > 1 {
			count = fmt.Sprintf("%d of kist's commands", len(list))
		}
		findings = append(findings, Finding{Severity: Warning,
			What: fmt.Sprintf("%s%s comes before %s on PATH and hides %s: %s", dir, of, h.Bin, count, names(list)),
			Why:  "these names start " + whose + ", and not what kist list shows", Fix: addToPath(h)})
	}
	return findings, nil
}

// managerOf returns the program that keeps its commands in dir, by the path, or "".
func managerOf(dir string) string {
	slashed := filepath.ToSlash(dir) + "/"
	for _, m := range []struct{ part, name string }{
		{"/.cargo/bin/", "rustup"}, {"/.rustup/", "rustup"},
		{"/mise/shims/", "mise"}, {"/mise/installs/", "mise"}, {"/rtx/shims/", "mise"},
		{"/.asdf/", "asdf"}, {"/asdf/shims/", "asdf"},
		{"/.nvm/", "nvm"}, {"/nvm/versions/", "nvm"}, {"/fnm_multishells/", "fnm"}, {"/.volta/", "volta"},
		{"/.pyenv/", "pyenv"}, {"/.rbenv/", "rbenv"}, {"/.goenv/", "goenv"}, {"/.jenv/", "jenv"}, {"/.sdkman/", "SDKMAN"},
		{"/.ghcup/", "ghcup"}, {"/.juliaup/", "juliaup"}, {"/.bun/", "bun"}, {"/.deno/", "deno"}, {"/.proto/", "proto"},
		{"/homebrew/", "Homebrew"}, {"/linuxbrew/", "Homebrew"}, {"/.linuxbrew/", "Homebrew"}, {"/Cellar/", "Homebrew"},
		{"/snap/bin/", "snap"}, {"/.nix-profile/", "Nix"}, {"/nix/", "Nix"}, {"/miniconda3/", "conda"}, {"/anaconda3/", "conda"},
	} {
		if strings.Contains(slashed, m.part) {
			return m.name
		}
	}
	return ""
}

// loginShell returns the name of the user's login shell, or sh.
func loginShell(h Host) string {
	if h.Shell == "" {
		return "sh"
	}
	return h.Shell
}

// addToPath returns the command that puts the directory of kist's commands first on the PATH
// of every login shell to come.
func addToPath(h Host) string {
	if h.OS == "windows" {
		_, line := host.Cmd.AddToPath(h.OS, h.Bin, h.Home)
		return line
	}
	if loginShell(h) == "fish" {
		return "fish -c " + host.Quote("fish_add_path --prepend --move "+host.QuoteWords(h.Bin))
	}
	files := startupFiles(h)
	file := files[len(files)-1] // the last one wins
	shown := host.QuoteWords(file)
	if below, ok := strings.CutPrefix(file, h.Home+"/"); ok && h.Home != "" && host.QuoteWords(below) == below {
		shown = "~/" + below
	}
	return "echo " + host.Quote(host.POSIX.PathLine(h.Bin, h.Home)) + " >>" + shown
}

// startupFiles returns the files that a login shell of the user reads, as far as they are the
// user's, the one to add to last. Sources: bash(1) INVOCATION, zsh(1) STARTUP/SHUTDOWN FILES,
// POSIX.1-2024 sh.
func startupFiles(h Host) []string {
	at := func(name string) string { return filepath.Join(h.Home, filepath.FromSlash(name)) }
	switch loginShell(h) {
	case "bash":
		for _, name := range []string{".bash_profile", ".bash_login"} {
			if _, err := h.ReadFile(at(name)); err == nil {
				return []string{at(".bashrc"), at(name)}
			}
		}
		return []string{at(".bashrc"), at(".profile")}
	case "zsh":
		dir := h.Home
		if z := h.Getenv("ZDOTDIR"); filepath.IsAbs(z) {
			dir = z
		}
		return []string{filepath.Join(dir, ".zshenv"), filepath.Join(dir, ".zshrc"), filepath.Join(dir, ".zlogin"), filepath.Join(dir, ".zprofile")}
	case "fish":
		return []string{at(".config/fish/fish_variables"), at(".config/fish/config.fish")}
	}
	return []string{at(".profile")}
}

// startupFileWithBin returns the first file that a login shell reads and that names the
// directory of kist's commands, or "".
func startupFileWithBin(h Host) string {
	system := map[string][]string{
		"bash": {"/etc/profile", "/etc/bash.bashrc"}, "zsh": {"/etc/zsh/zshenv", "/etc/zshenv", "/etc/zprofile", "/etc/zsh/zprofile"},
		"fish": {"/etc/fish/config.fish"},
	}
	names := []string{h.Bin}
	if below, ok := strings.CutPrefix(h.Bin, h.Home+"/"); ok && h.Home != "" {
		names = append(names, "$HOME/"+below, "${HOME}/"+below, "~/"+below)
	}
	files := append([]string{"/etc/environment"}, system[loginShell(h)]...)
	if loginShell(h) != "fish" && loginShell(h) != "zsh" {
		files = append(files, "/etc/profile")
	}
	for _, file := range append(files, startupFiles(h)...) {
		text, err := h.ReadFile(file)
		if err == nil && namesAny(string(text), names) {
			return file
		}
	}
	return ""
}

// namesAny reports whether a line of text that is no comment holds one of names, as a whole.
func namesAny(text string, names []string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, name := range names {
			for rest := line; ; {
				_, after, found := strings.Cut(rest, name)
				if !found {
					break
				}
				if rest = strings.TrimPrefix(after, "/"); rest == "" || strings.ContainsAny(rest[:1], ":\"' \t\r\n;)") {
					return true
				}
			}
		}
	}
	return false
}

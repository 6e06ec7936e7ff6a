package host

import "strings"

// A Hook is a function that an interactive shell calls before each prompt. It sets the
// environment of the project that the working directory belongs to, and undoes that
// outside. It reads the project's files only to compare them with those of the last
// prompt, and starts kist only if they, or what is installed, changed.
type Hook struct {
	Kist       string   // the absolute path of kist
	Generation string   // the path of a file that changes with what is installed
	Files      []string // the names of the files that a project may have
}

// HookShells returns the shells for which there is a hook.
func HookShells() []string { return []string{"bash", "zsh", "fish"} }

// HookShell returns the shell whose syntax the hook of a shell evaluates.
func HookShell(name string) Shell {
	if name == "fish" {
		return Fish
	}
	return POSIX
}

// Script returns the lines that install h in a shell, one of HookShells.
func (h Hook) Script(shell string) string {
	quoteWord := Quote
	if shell == "fish" {
		quoteWord = quoteFish
	}
	var files []string
	for _, name := range h.Files {
		files = append(files, quoteWord(name))
	}
	text := map[string]string{"bash": bashHook + posixHook, "zsh": zshHook + posixHook, "fish": fishHook}[shell]
	return strings.NewReplacer("{kist}", quoteWord(h.Kist), "{generation}", quoteWord(h.Generation), "{files}", strings.Join(files, " ")).Replace(text)
}

// UndoLine returns the line that keeps undo, lines in the syntax of s, for the hook.
func (s Shell) UndoLine(undo string) string {
	if s == Fish {
		return "set -g _kist_undo " + quoteFish(undo)
	}
	return "_kist_undo=" + Quote(undo)
}

// DropLine returns the line by which the hook of s takes dirs off PATH.
func (s Shell) DropLine(dirs []string) string {
	quoteWord := Quote
	if s == Fish {
		quoteWord = quoteFish
	}
	line := "_kist_drop"
	for _, dir := range dirs {
		line += " " + quoteWord(dir)
	}
	return line
}

// bashHook and zshHook define how each shell reads a file, and finds the physical
// directory, without another process; bash needs one for the directory when it changes,
// and before version 4 one for each file.
const bashHook = `_kist_read() {
	if (( BASH_VERSINFO[0] < 4 )); then
		_kist_text=$(<"$1")
		return
	fi
	local lines
	mapfile lines <"$1"
	local IFS=
	_kist_text=${lines[*]}
} 2>/dev/null
_kist_where() {
	if [[ $PWD != "${_kist_pwd-}" ]]; then
		_kist_pwd=$PWD
		_kist_dir=$(pwd -P)
	fi
}
if [[ ${PROMPT_COMMAND[*]-} != *_kist_hook* ]]; then
	PROMPT_COMMAND="_kist_hook${PROMPT_COMMAND:+; $PROMPT_COMMAND}"
fi
`

const zshHook = `_kist_read() { _kist_text=$(<"$1"); } 2>/dev/null
_kist_where() { _kist_dir=${PWD:A}; }
autoload -Uz add-zsh-hook && add-zsh-hook precmd _kist_hook
`

const posixHook = `_kist_drop() {
	local dir list=":$PATH:"
	for dir; do
		while [[ $list == *":$dir:"* ]]; do list=${list/":$dir:"/:}; done
	done
	list=${list#:}
	PATH=${list%:}
}
_kist_hook() {
	local before=$? dir file now= _kist_text=
	_kist_where
	dir=$_kist_dir
	[[ $dir == / ]] && dir=
	while :; do
		for file in {files}; do
			if [[ -f $dir/$file && ! -L $dir/$file ]]; then
				_kist_read "$dir/$file"
				now+=$dir/$file:$_kist_text:
			fi
		done
		[[ -z $dir || $dir -ef ${HOME-} ]] && break
		dir=${dir%/*}
	done
	if [[ -n $now ]]; then
		_kist_read {generation}
		now+=$_kist_text
	fi
	if [[ $now != "${_kist_seen-}" ]]; then
		_kist_seen=$now
		eval "${_kist_undo-}"
		_kist_undo=
		[[ -n $now ]] && eval "$({kist} env --shell posix-hook)"
	fi
	return $before
}
`

const fishHook = `function _kist_drop
	for dir in $argv
		while set -l at (contains -i -- $dir $PATH)
			set -e PATH[$at]
		end
	end
end
function _kist_hook --on-event fish_prompt
	set -l dir (pwd -P)
	set -l now ''
	set -l text
	test "$dir" = /; and set dir ''
	while true
		for file in {files}
			if test -f "$dir/$file" -a ! -L "$dir/$file"
				read -z text <"$dir/$file" 2>/dev/null
				set now "$now$dir/$file:$text:"
			end
		end
		if test -z "$dir" -o "$dir" = "$HOME"
			break
		end
		set dir (string replace -r '/[^/]*$' '' -- $dir | string collect -a)
	end
	if test -n "$now"
		read -z text <{generation} 2>/dev/null
		set now "$now$text"
	end
	if test "$now" != "$_kist_seen"
		set -g _kist_seen $now
		eval "$_kist_undo"
		set -g _kist_undo
		if test -n "$now"
			{kist} env --shell fish-hook | source
		end
	end
end
`

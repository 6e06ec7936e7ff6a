// Package launcher writes the launcher of commands that vary by project, and the answers
// that it looks up. Both are text for a POSIX shell. The package writes no files.
//
// The launcher is a script that runs a command of the release that the project of the
// working directory uses. It must be fast, and a repository must not be able to influence
// it, so it only tests whether files exist and whether they changed: it reads none, and
// starts no other process. What a project uses is decided by kist, which reads the
// project's files as data and stores an Answer for the project's directory. Without an
// answer, or if the project's files are not those that the answer was made from, the
// launcher leaves the decision to kist ("kist shims run").
package launcher

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Names in the directory of a generation.
const (
	File     = "launcher" // the script
	Defaults = "default"  // the directory of links to the commands of the defaults
	Answers  = "projects" // the directory of answers
	answer   = "answer"
	seen     = "seen" // beside an answer: the record of a project, see EncodeSeen
)

// MaxFile is the most bytes that the script or an answer may have.
const MaxFile = 1 << 20

// A Script is the launcher.
type Script struct {
	Current string   // the absolute path that leads to the generation in force
	Kist    string   // the absolute path of kist, "" if it is not known
	Files   []string // the names of the files that make a directory a project's
}

// Encode returns the text of s. All of its variables begin with _kist_, since the command
// inherits those that the environment already had, with their new values.
//
// The directory is the physical one, as cd -P finds it without another process; PWD and
// OLDPWD are then restored for the command. In a removed directory, nothing is known of a
// project, and the defaults count.
func (s Script) Encode() []byte {
	return seal(`#!/bin/sh
# Written by kist: runs the command that it is called as, of the release that the project
# of the working directory uses, else of the default.
_kist_current=` + quote(s.Current) + `
_kist_kist=` + quote(s.Kist) + `
_kist_name=${0##*/}
_kist_target=
_kist_project=

_kist_pwd=${PWD-} _kist_old=${OLDPWD-} _kist_had=${OLDPWD+yes}
_kist_dir=
if cd -P . 2>/dev/null; then _kist_dir=$PWD; fi
PWD=$_kist_pwd
if [ "$_kist_had" ]; then OLDPWD=$_kist_old; else unset OLDPWD; fi

case $_kist_dir in
/*)
	_kist_key=
	_kist_rest=${_kist_dir#/}
	while [ "$_kist_rest" ]; do
		_kist_key=$_kist_key/=${_kist_rest%%/*}
		case $_kist_rest in
		*/*) _kist_rest=${_kist_rest#*/} ;;
		*) _kist_rest= ;;
		esac
	done
	_kist_dir=${_kist_dir%/}
	while :; do
		for _kist_file in ` + quoteAll(s.Files) + `; do
			if [ -e "$_kist_dir/$_kist_file" ]; then
				_kist_project=yes
				break 2
			fi
		done
		if [ -z "$_kist_dir" ] || [ "$_kist_dir" -ef "${HOME-}" ]; then break; fi
		_kist_dir=${_kist_dir%/*}
		_kist_key=${_kist_key%/*}
	done
	;;
esac

if [ "$_kist_project" ]; then
	_kist_place=$_kist_current/` + Answers + `$_kist_key
	if [ -f "$_kist_place/` + answer + `" ]; then . "$_kist_place/` + answer + `"; fi
else
	_kist_target=$_kist_current/` + Defaults + `/$_kist_name
fi
if [ "$_kist_target" ] && [ -x "$_kist_target" ]; then
	exec "$_kist_target" "$@"
fi
if [ -x "$_kist_kist" ]; then
	exec "$_kist_kist" shims run -- "$_kist_name" "$@"
fi
echo "$_kist_name: kist, which would start it, is not at $_kist_kist; run kist shims off, or install kist again" >&2
exit 127
`)
}

// An Answer says which commands of launchers run what in one project.
type Answer struct {
	// Dir is the nearest directory, with links resolved, that holds a file of the project.
	Dir string
	// Files are the absolute paths of the files that the answer was made from. Beside the
	// answer is a stamp for each, an empty file with the same time of modification.
	Files []string
	// Absent are the paths of the files that would count if they existed.
	Absent   []string
	Commands []Command
}

// A Command is what a launcher called Name runs: the default if Target is empty.
type Command struct {
	Name   string
	Target string            // the absolute path of the program
	Path   string            // what comes first on PATH for it
	Set    map[string]string // variables that it needs set
	Unset  []string
}

// AnswerFile returns the path of the answer for the directory dir, below that of the
// generation. Each element of dir is one of the path, after a "=", so that no directory
// can be called like the answer of another, and none is too long.
func AnswerFile(dir string) string {
	place := Answers
	for _, element := range strings.Split(strings.Trim(dir, "/"), "/") {
		if element != "" {
			place = path.Join(place, "="+element)
		}
	}
	return path.Join(place, answer)
}

// StampFile returns the path of the stamp of Files[i] of the answer for dir.
func StampFile(dir string, i int) string {
	return path.Join(path.Dir(AnswerFile(dir)), strconv.Itoa(i))
}

// Encode returns the text of a, which the script reads. It tests that the project's files
// are those that a was made from, and then sets what the command needs.
func (a Answer) Encode() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by kist: what the launchers run in one project.\n[ \"$_kist_dir\" = %s ] || return 0\n", quote(strings.TrimSuffix(a.Dir, "/")))
	for i, file := range a.Files {
		f, stamp := quote(file), fmt.Sprintf(`"$_kist_place/%d"`, i)
		fmt.Fprintf(&b, "if ! [ -f %[1]s ] || [ -L %[1]s ] || ! [ -f %[2]s ] || [ %[1]s -nt %[2]s ] || [ %[1]s -ot %[2]s ]; then return 0; fi\n", f, stamp)
	}
	if len(a.Absent) > 0 {
		fmt.Fprintf(&b, "for _kist_file in %s; do\n\tif [ -e \"$_kist_file\" ]; then return 0; fi\ndone\n", quoteAll(a.Absent))
	}
	b.WriteString("case $_kist_name in\n")
	for _, c := range a.Commands {
		fmt.Fprintf(&b, "%s)\n", quote(c.Name))
		if c.Target == "" {
			b.WriteString("\t_kist_target=$_kist_current/" + Defaults + "/$_kist_name\n\t;;\n")
			continue
		}
		// Nothing of the environment changes if kist has to decide after all.
		fmt.Fprintf(&b, "\t_kist_target=%s\n\tif ! [ -x \"$_kist_target\" ]; then return 0; fi\n", quote(c.Target))
		for _, name := range c.Unset {
			fmt.Fprintf(&b, "\tunset %s\n", name)
		}
		for _, name := range slices.Sorted(maps.Keys(c.Set)) {
			fmt.Fprintf(&b, "\texport %s=%s\n", name, quote(c.Set[name]))
		}
		if c.Path != "" {
			fmt.Fprintf(&b, "\texport PATH=%s\"${PATH:+:$PATH}\"\n", quote(c.Path))
		}
		b.WriteString("\t;;\n")
	}
	b.WriteString("esac\n")
	return seal(b.String())
}

// seal appends to text the line by which IsOwn recognizes it.
func seal(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return []byte(text + sealPrefix + hex.EncodeToString(sum[:]) + "\n")
}

const sealPrefix = "# kist sha256:"

// IsOwn reports whether data is a script or an answer, of this or another version of kist,
// as it was written.
func IsOwn(data []byte) bool {
	at := bytes.LastIndex(data, []byte(sealPrefix))
	return at > 0 && bytes.Equal(data, seal(string(data[:at])))
}

// IsAnswerDir reports whether name, below the directory of a generation, can be a directory
// of answers.
func IsAnswerDir(name string) bool {
	below, ok := strings.CutPrefix(name+"/", Answers+"/")
	for element := range strings.SplitSeq(strings.TrimSuffix(below, "/"), "/") {
		ok = ok && (below == "" || strings.HasPrefix(element, "="))
	}
	return ok
}

// IsAnswer reports whether name, below the directory of a generation, can be an answer.
func IsAnswer(name string) bool { return path.Base(name) == answer && IsAnswerDir(path.Dir(name)) }

// IsStamp reports whether name, below the directory of a generation, can be a stamp.
func IsStamp(name string) bool {
	n, err := strconv.Atoi(path.Base(name))
	return err == nil && strconv.Itoa(n) == path.Base(name) && IsAnswerDir(path.Dir(name))
}

// SeenFile returns the path of the record of the project in dir, below the directory of the
// generation.
func SeenFile(dir string) string { return path.Join(path.Dir(AnswerFile(dir)), seen) }

// IsSeen reports whether name, below the directory of a generation, can be the record of a
// project.
func IsSeen(name string) bool { return path.Base(name) == seen && IsAnswerDir(path.Dir(name)) }

// EncodeSeen returns the content of the record of a project: text, which is one line.
func EncodeSeen(text []byte) []byte { return seal(seenPrefix + string(text) + "\n") }

const seenPrefix = "# Written by kist: a project in which toolchains were installed.\n"

// DecodeSeen returns what EncodeSeen was given. ok is false for other data.
func DecodeSeen(data []byte) (text []byte, ok bool) {
	text, ok = bytes.CutPrefix(data, []byte(seenPrefix))
	if !ok || !IsOwn(data) {
		return nil, false
	}
	text, _, ok = bytes.Cut(text, []byte("\n"))
	return text, ok
}

// quote makes s one word of a POSIX shell; it holds no NUL. Source: POSIX.1-2024, Shell
// Command Language, 2.2.2.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quote(word)
	}
	return strings.Join(quoted, " ")
}

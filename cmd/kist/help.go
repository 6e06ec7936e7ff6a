package main

import (
	"fmt"
	"strings"
)

// usageTemplate is how every help page ends: for kist itself the verbs by
// group, for a verb its flags and an example.
const usageTemplate = `Usage
  {{if .HasAvailableSubCommands}}{{.CommandPath}} VERB{{else}}{{.UseLine}}{{end}}
{{- if .Aliases}}
  also:{{range .Aliases}} {{.}}{{end}}
{{- end}}
{{- if .HasExample}}

Example{{if not .HasParent}}s{{end}}
{{.Example}}
{{- end}}
{{- if .HasAvailableSubCommands}}{{$cmds := .Commands}}
{{- if .Groups}}{{range $group := .Groups}}

{{.Title}}
{{- range $cmds}}{{if and (eq .GroupID $group.ID) .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}
{{- else}}

Verbs
{{- range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{- end}}
{{- end}}
{{- if and .HasParent .HasAvailableLocalFlags}}

Flags
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
{{- with index .Annotations "exits"}}

{{.}}
{{- end}}
{{- if not .HasParent}}

Flags of every verb
{{.PersistentFlags.FlagUsages | trimTrailingWhitespaces}}

TOOL is [channel/]name[@version]: go, go@1.25, acme/zig@0.14.0.
"kist VERB --help" tells more, with an example and the exit codes.
{{- else}}

"kist --help" shows the flags that every verb has.
{{- end}}
`

// exitMeaning says in a few words what an exit code means.
func exitMeaning(code int) string {
	switch code {
	case 0:
		return "done, or nothing to do"
	case 1:
		return "failed, or something has changed since it was installed"
	case 2:
		return "the command line is wrong"
	case 3:
		return "no such tool, version, component, target, profile or platform; not installed"
	case 4:
		return "not trusted: a signature, digest, archive or manifest is not what it must be"
	case 5:
		return "stale: expired, or older than what was already seen"
	case 6:
		return "the network gave no usable answer, or was forbidden"
	case 7:
		return "another kist is at work"
	case 8:
		return "no space, or no permission"
	case 9:
		return "refused for safety"
	case 10:
		return "done, but changed files were kept"
	case 100:
		return "there are updates"
	case 125:
		return "the toolchain is not installed, or kist itself failed"
	case 126:
		return "the command cannot be executed"
	case 127:
		return "the command was not found"
	}
	return ""
}

func exitTable(codes []int) string {
	var b strings.Builder
	b.WriteString("Exit codes")
	for _, c := range codes {
		fmt.Fprintf(&b, "\n  %-4d %s", c, exitMeaning(c))
	}
	return b.String()
}

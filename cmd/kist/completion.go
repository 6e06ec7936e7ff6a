package main

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	var cmd *cobra.Command
	cmd = a.command(verb{
		group: housekeeping, use: "completion bash|zsh|fish|powershell",
		short: "Print completions for a shell",
		long: `Prints a script that completes kist's command line. Load it from your shell's
start-up file, or store it where your shell looks for completions. It needs no
package for bash; in zsh, compinit must run, before or after it.`,
		example: `source <(kist completion bash)    # in ~/.bashrc
source <(kist completion zsh)     # in ~/.zshrc
kist completion fish | source     # in ~/.config/fish/config.fish`,
		exits:    []int{0, 2},
		args:     exactly(1),
		plain:    true,
		complete: completion.First(completion.Words(shells...)),
		run: func(_ context.Context, args []string) (result, error) {
			var script bytes.Buffer
			var err error
			switch root := cmd.Root(); args[0] {
			case "bash":
				return scriptResult(completion.Bash), nil
			case "zsh":
				return scriptResult(completion.Zsh), nil
			case "fish":
				err = root.GenFishCompletion(&script, true)
			case "powershell":
				err = root.GenPowerShellCompletionWithDesc(&script)
			default:
				err = usage("completion: %q is not one of %s", args[0], strings.Join(shells, ", "))
			}
			return scriptResult(script.String()), err
		},
	})
	return cmd
}

// scriptResult is text for a shell.
type scriptResult string

func (r scriptResult) Render(p *term.Page) { p.Raw(string(r)) }

// Completion reads only what is on this machine and never uses the network. On an
// error it offers less.

// completeInstalled offers installed tools, as TOOL.
func (a *app) completeInstalled(_ []string, typed string) (refs []string, files bool) {
	a.peek(func(_ *toolset.Set, installed []record.Head) { refs = installedRefs(installed, typed) })
	return refs, false
}

// installedRefs returns references to installed releases, with the channel if typed
// has one.
func installedRefs(installed []record.Head, typed string) (refs []string) {
	for _, r := range installed {
		if strings.Contains(typed, "/") {
			refs = append(refs, r.Channel+"/"+r.Tool, r.Ref())
			continue
		}
		refs = append(refs, r.Tool, r.Tool+"@"+r.Version)
		if own, ok := trust.BuiltinChannel(r.Tool); !ok || own != r.Channel {
			refs = append(refs, r.Channel+"/")
		}
	}
	return refs
}

// completeTools offers tools that kist can install or has installed, as TOOL: channels
// while typed may be one, versions once a tool is named.
func (a *app) completeTools(_ []string, typed string) (refs []string, files bool) {
	ref, _, versioned := strings.Cut(typed, "@")
	channel, name, named := strings.Cut(ref, "/")
	if !named {
		channel, name = "", ref
	}
	if !named && !versioned {
		refs = trust.BuiltinTools()
		for _, name := range upstreams.Names() {
			if u, _ := upstreams.Lookup(name); u.IsDistro() {
				refs = append(refs, name+"/")
			}
		}
	}
	a.peek(func(s *toolset.Set, installed []record.Head) {
		ctx := context.Background()
		refs = append(refs, installedRefs(installed, typed)...)
		switch {
		case versioned:
			for _, v := range s.Desk.CachedVersions(ctx, trust.Ref{Channel: channel, Name: name}) {
				refs = append(refs, ref+"@"+v.Version)
				for _, label := range v.Labels {
					refs = append(refs, ref+"@"+label)
				}
			}
		case named:
			for _, tool := range s.Desk.ToolsOf(ctx, channel) {
				refs = append(refs, channel+"/"+tool)
			}
		default:
			for _, c := range addedChannels(s) {
				refs = append(refs, c.Name+"/")
				for _, o := range s.Desk.OffersOf(ctx, c) {
					refs = append(refs, o.Tool)
				}
			}
		}
	})
	return refs, false
}

// completeBuiltin offers the tools of the built-in channels.
func completeBuiltin([]string, string) (names []string, files bool) {
	return trust.BuiltinTools(), false
}

// completeDemanded offers the tools that ensure can look for.
func (a *app) completeDemanded(args []string, typed string) (refs []string, files bool) {
	if below, ok := strings.CutPrefix(typed, system.Channel+"/"); ok && !strings.ContainsAny(below, "@>=") {
		for _, tool := range system.Names() {
			refs = append(refs, system.Channel+"/"+tool)
		}
		return refs, false
	}
	refs, _ = a.completeTools(args, typed)
	return append(append(refs, system.Names()...), system.Channel+"/"), false
}

// completeRun offers installed tools, then --, then the commands of the tool.
func (a *app) completeRun(args []string, typed string) (candidates []string, files bool) {
	dash := slices.Contains(a.Args[:len(a.Args)-1], "--")
	switch {
	case !dash && len(args) == 0:
		return a.completeInstalled(args, typed)
	case !dash:
		return []string{"--"}, false
	case len(args) != 1:
		return nil, true // the command's own arguments
	}
	ref, err := trust.ParseRef(args[0])
	if err != nil {
		return nil, false
	}
	a.peek(func(s *toolset.Set, _ []record.Head) {
		if r, err := s.InUse(ref); err == nil {
			for _, c := range r.Commands {
				candidates = append(candidates, c.Name)
			}
		}
	})
	return candidates, false
}

// completeCommands offers the linked commands.
func (a *app) completeCommands([]string, string) (names []string, files bool) {
	a.peek(func(s *toolset.Set, _ []record.Head) { names = s.LinkedCommands() })
	return names, false
}

// completeComponents offers the installed optional components, which can be removed,
// of the tools in args.
func (a *app) completeComponents(args []string, _ string) (names []string, files bool) {
	a.peek(func(s *toolset.Set, _ []record.Head) {
		for _, arg := range args {
			ref, err := trust.ParseRef(arg)
			if err != nil {
				continue
			}
			if r, err := s.InUse(ref); err == nil {
				names = append(names, r.Optional...)
			}
		}
	})
	return names, false
}

// completeChannels offers every channel.
func (a *app) completeChannels(args []string, typed string) ([]string, bool) {
	names, _ := a.completeAdded(args, typed)
	return append(append(names, upstreams.Names()...), system.Channel), false
}

// completeAdded offers the channels that the user added.
func (a *app) completeAdded([]string, string) (names []string, files bool) {
	a.peek(func(s *toolset.Set, _ []record.Head) {
		for _, c := range addedChannels(s) {
			names = append(names, c.Name)
		}
	})
	return names, false
}

// completeRefreshed offers the channels that can be refreshed: all but the system's.
func (a *app) completeRefreshed(args []string, typed string) ([]string, bool) {
	names, _ := a.completeAdded(args, typed)
	return append(names, upstreams.Names()...), false
}

// completeList offers installed tools, or with --available or --distros the tools that
// could be installed; then, with --distros, names of distributions.
func (a *app) completeList(args []string, typed string) ([]string, bool) {
	distros := slices.ContainsFunc(a.Args, func(arg string) bool { return arg == "--distros" || strings.HasPrefix(arg, "--distros=") })
	switch {
	case len(args) == 1 && distros:
		return completion.List(a.completeDistros)(args, typed)
	case len(args) > 0:
		return nil, false
	case distros:
		return debian.Names(), false
	case slices.Contains(a.Args, "--available"):
		return a.completeTools(args, typed)
	}
	return a.completeInstalled(args, typed)
}

// completeShown offers installed tools, and tools of channels with cached documents:
// show has nothing to print about others.
func (a *app) completeShown(args []string, typed string) (refs []string, files bool) {
	all, _ := a.completeTools(args, typed)
	a.peek(func(s *toolset.Set, installed []record.Head) {
		refs = slices.DeleteFunc(all, func(ref string) bool {
			channel, builtin := trust.BuiltinChannel(ref)
			return builtin && !s.Desk.HasDocuments(channel) && !slices.ContainsFunc(installed, func(r record.Head) bool { return r.Tool == ref })
		})
	})
	return refs, false
}

// completeDistros offers the distributions that ship the tool in args.
func (a *app) completeDistros(args []string, _ string) ([]string, bool) {
	tool := debian.Names()[0]
	if len(args) > 0 {
		tool = args[0]
	}
	return upstreams.Distros(tool), false
}

// addedChannels returns the user's channels; on an error it returns those that can be
// read, and prints nothing.
func addedChannels(s *toolset.Set) []channels.Channel {
	added, _ := s.Desk.List()
	return added
}

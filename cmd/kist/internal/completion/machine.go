package completion

import (
	"context"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// A Machine offers what is on this machine: it never uses the network. On an error it
// offers less. Its methods are Completers.
type Machine struct {
	Args []string // the command line, without the program's name
	// Read calls read with the toolchains of this machine, or not at all on an error.
	Read func(read func(*toolset.Set))
}

// Installed offers installed tools, as TOOL.
func (m Machine) Installed(_ []string, typed string) (refs []string) {
	m.Read(func(s *toolset.Set) { refs = installedRefs(s, typed) })
	return refs
}

// installedRefs returns references to installed releases, with the channel if typed
// has one.
func installedRefs(s *toolset.Set, typed string) (refs []string) {
	for _, r := range s.Installed() {
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

// Tools offers tools that kist can install or has installed, as TOOL: channels
// while typed may be one, versions once a tool is named.
func (m Machine) Tools(_ []string, typed string) (refs []string) {
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
	m.Read(func(s *toolset.Set) {
		ctx := context.Background()
		refs = append(refs, installedRefs(s, typed)...)
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
	return refs
}

// Installable offers what install takes: tools, and the sets of a channel once it is named.
func (m Machine) Installable(args []string, typed string) []string {
	return append(m.Tools(args, typed), m.sets(typed)...)
}

// SetsOrFiles offers files, and the sets of a channel once typed names one of them.
func (m Machine) SetsOrFiles(args []string, typed string) []string {
	if len(args) > 0 {
		return nil
	}
	if refs := m.sets(typed); len(refs) > 0 {
		return refs
	}
	return []string{Files}
}

// sets offers the sets of the channel that typed names.
func (m Machine) sets(typed string) (refs []string) {
	channel, rest, named := strings.Cut(typed, "/")
	if !named || rest != "" && !strings.HasPrefix(rest, "@") {
		return nil
	}
	m.Read(func(s *toolset.Set) {
		for _, c := range addedChannels(s) {
			if c.Name != channel {
				continue
			}
			for _, set := range s.Desk.SetsOf(context.Background(), c) {
				refs = append(refs, channel+"/@"+set.Name)
			}
		}
	})
	return refs
}

// Builtin offers the tools of the built-in channels.
func Builtin([]string, string) []string { return trust.BuiltinTools() }

// Demanded offers the tools that ensure can look for.
func (m Machine) Demanded(args []string, typed string) (refs []string) {
	if below, ok := strings.CutPrefix(typed, system.Channel+"/"); ok && !strings.ContainsAny(below, "@>=") {
		for _, tool := range system.Names() {
			refs = append(refs, system.Channel+"/"+tool)
		}
		return refs
	}
	refs = m.Tools(args, typed)
	return append(append(refs, system.Names()...), system.Channel+"/")
}

// Run offers installed tools and their commands, then -- after a tool, then the commands
// of the tool, then files. args holds the -- that follows a tool, but not one that comes
// first.
func (m Machine) Run(args []string, typed string) (candidates []string) {
	dashed := slices.Contains(m.Args[:len(m.Args)-1], "--") && !slices.Contains(args, "--")
	switch {
	case len(args) == 0 && dashed:
		return m.InstalledCommands(args, typed)
	case len(args) == 0:
		return append(m.Installed(args, typed), m.InstalledCommands(args, typed)...)
	case len(args) == 1 && !dashed && len(m.inUse(args)) > 0:
		return []string{"--"}
	case len(args) != 2 || args[1] != "--":
		return []string{Files} // the command's own arguments
	}
	for _, r := range m.inUse(args[:1]) {
		for _, c := range r.Commands {
			candidates = append(candidates, c.Name)
		}
	}
	return candidates
}

// Commands offers the linked commands.
func (m Machine) Commands([]string, string) (names []string) {
	m.Read(func(s *toolset.Set) { names = append(s.Commands(), s.Shims()...) })
	return names
}

// Shims offers the commands that a launcher starts.
func (m Machine) Shims([]string, string) (names []string) {
	m.Read(func(s *toolset.Set) { names = s.Shims() })
	return names
}

// InstalledCommands offers the commands of all installed releases.
func (m Machine) InstalledCommands([]string, string) (names []string) {
	m.Read(func(s *toolset.Set) { names = s.InstalledCommands() })
	return names
}

// Components offers the installed optional components, which can be removed,
// of the tools in args.
func (m Machine) Components(args []string, _ string) (names []string) {
	for _, r := range m.inUse(args) {
		names = append(names, r.Optional...)
	}
	return names
}

// inUse returns the installed releases that args mean, without those that mean none.
func (m Machine) inUse(args []string) (list []record.Head) {
	m.Read(func(s *toolset.Set) {
		for _, arg := range args {
			ref, err := trust.ParseRef(arg)
			if err != nil {
				continue
			}
			if r, err := s.InUse(ref); err == nil {
				list = append(list, r)
			}
		}
	})
	return list
}

// Channels offers every channel.
func (m Machine) Channels(args []string, typed string) []string {
	names := m.Added(args, typed)
	return append(append(names, upstreams.Names()...), upstreams.OwnChannel, system.Channel)
}

// Added offers the channels that the user added.
func (m Machine) Added([]string, string) (names []string) {
	m.Read(func(s *toolset.Set) {
		for _, c := range addedChannels(s) {
			names = append(names, c.Name)
		}
	})
	return names
}

// Refreshable offers the channels that can be refreshed: all but the system's.
func (m Machine) Refreshable(args []string, typed string) []string {
	names := m.Added(args, typed)
	return append(append(names, upstreams.Names()...), upstreams.OwnChannel)
}

// Listed offers installed tools, or with --available or --distros the tools that
// could be installed; then, with --distros, names of distributions.
func (m Machine) Listed(args []string, typed string) []string {
	distros := slices.ContainsFunc(m.Args, func(arg string) bool { return arg == "--distros" || strings.HasPrefix(arg, "--distros=") })
	switch {
	case len(args) == 1 && distros:
		return List(m.Distros)(args, typed)
	case len(args) > 0:
		return nil
	case distros:
		return debian.Names()
	case slices.Contains(m.Args, "--available"):
		return m.Tools(args, typed)
	}
	return m.Installed(args, typed)
}

// Shown offers installed tools, and tools of channels with cached documents:
// show has nothing to print about others.
func (m Machine) Shown(args []string, typed string) (refs []string) {
	all := m.Tools(args, typed)
	m.Read(func(s *toolset.Set) {
		refs = slices.DeleteFunc(all, func(ref string) bool {
			channel, builtin := trust.BuiltinChannel(ref)
			return builtin && !s.Desk.HasDocuments(channel) && !slices.ContainsFunc(s.Installed(), func(r record.Head) bool { return r.Tool == ref })
		})
	})
	return refs
}

// Distros offers the distributions that ship the tool in args.
func (m Machine) Distros(args []string, _ string) []string {
	tool := debian.Names()[0]
	if len(args) > 0 {
		tool = args[0]
	}
	return upstreams.Distros(tool)
}

// addedChannels returns the user's channels; on an error it returns those that can be
// read, and prints nothing.
func addedChannels(s *toolset.Set) []channels.Channel {
	added, _ := s.Desk.List()
	return added
}

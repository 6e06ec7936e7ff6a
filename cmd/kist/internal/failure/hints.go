package failure

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/credentials"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/install/trial"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// A hintRow advises on the failures of one kind that have one type of error.
type hintRow struct {
	kind   string
	advise func(error, Context) string // "": a later row may advise
}

// hintFor returns a row for the errors of type E.
func hintFor[E error](kind string, advise func(e E, c Context) string) hintRow {
	return hintRow{kind, func(err error, c Context) string {
		if e, ok := errors.AsType[E](err); ok {
			return advise(e, c)
		}
		return ""
	}}
}

// fixedHint returns a row that gives every error of type E the same hint.
func fixedHint[E error](kind, hint string) hintRow {
	return hintFor(kind, func(E, Context) string { return hint })
}

// hintIf returns a row for the errors that match target.
func hintIf(target error, kind, hint string) hintRow {
	return hintRow{kind, func(err error, _ Context) string {
		if errors.Is(err, target) {
			return hint
		}
		return ""
	}}
}

// hint returns what the user can do about err, which is of kind k. The first row of
// hints that has an advice is followed.
func (c Context) hint(err error, k Kind) string {
	if e, ok := errors.AsType[*plainError](err); ok && e.kind == k.Name && e.hint != "" {
		return e.hint
	}
	rows := slices.Concat(bundleHints(), refusalHints(), hints())
	if c.changesKist() {
		rows = append(selfHints(), rows...)
	}
	if c.publishes() {
		rows = append(publisherHints(), rows...)
	}
	if c.mirrors() {
		rows = append(mirrorHints(), rows...)
	}
	for _, row := range rows {
		if row.kind == k.Name {
			if hint := row.advise(err, c); hint != "" {
				return hint
			}
		}
	}
	return k.hint
}

// hints returns the rows of all other kinds.
func hints() []hintRow {
	return []hintRow{
		hintFor("drift", func(e *install.ReuseError, _ Context) string {
			return fmt.Sprintf("kist verify %s names what changed", e.Release)
		}),
		hintFor("evidence", func(e *evidence.LostError, _ Context) string {
			return fmt.Sprintf("kist uninstall %s, then kist install %s proves it again", e.Release, exactRef(e.Release))
		}),
		fixedHint[*evidence.ClosedError]("permission", "the owner of the store can prove it"),
		hintFor("settings", func(e *channels.SettingsError, c Context) string {
			switch name, ok := strings.CutSuffix(filepath.Base(e.File), ".toml"); {
			case ok && name == upstreams.OwnChannel:
				return fmt.Sprintf("put it back from a backup, or delete %s: kist then starts from its built-in keys", filepath.Join(c.Config, "kist", filepath.FromSlash(e.File)))
			case ok:
				return fmt.Sprintf("put it back from a backup, or delete %s, then add channel %s again", filepath.Join(c.Config, "kist", filepath.FromSlash(e.File)), name)
			}
			return "put back " + e.File + " from a backup; kist dirs says below which directory"
		}),

		hintFor("usage", func(e *UnknownVerbError, _ Context) string {
			if e.Try == "" && len(e.Near) > 0 {
				return fmt.Sprintf("did you mean %s %s?", e.Parent, strings.Join(e.Near, " or "))
			}
			return cmp.Or(e.Try, e.Parent+" --help lists them")
		}),
		fixedHint[*trust.OwnToolError]("usage", "kist self update brings kist up to date"),
		hintFor("usage", func(_ *plainError, c Context) string { return c.helpCommand() }),
		hintFor("usage", func(_ *namedfiles.TypeError, c Context) string { return c.helpCommand() }),
		hintFor("usage", func(err error, c Context) string {
			if errors.Is(err, manifests.ErrInput) {
				return c.helpCommand()
			}
			return ""
		}),
		hintFor("usage", func(e *trust.SeveralChannelsError, c Context) string {
			if c.Verb == "ensure" {
				return fmt.Sprintf("say which: kist ensure '%s/%s>=VERSION'", e.Channels[0], e.Tool)
			}
			return fmt.Sprintf("say which: kist %s %s/%s", strings.Join(append([]string{c.Verb}, e.Flags...), " "), e.Channels[0], e.Tool)
		}),
		hintFor("usage", func(e *toolset.SeveralVersionsError, c Context) string {
			return fmt.Sprintf("say which: kist %s %s", c.Verb, e.Refs[0])
		}),
		hintFor("usage", func(e *trust.TakenError, _ Context) string {
			return fmt.Sprintf("kist channel show %s shows it; kist channel set-url %s URL changes its URL alone; to replace it, kist channel remove %s first", e.Name, e.Name, e.Name)
		}),
		hintFor("usage", func(e *trust.BuiltinError, c Context) string {
			switch c.Verb {
			case "channel remove":
				return "a built-in channel cannot be removed; policy.toml says which channels are allowed"
			case "channel set-url":
				return "to fetch it from a mirror, name the mirror as a [[mirror]] in config.toml"
			}
			return "choose another name; kist channel show " + e.Name + " shows whom it trusts"
		}),
		hintIf(trust.ErrFormat, "usage", "the formats that can be added are: native, rust, debian, "+strings.Join(upstreams.MirrorFormats(), ", ")),
		hintFor("usage", func(e *credentials.Error, _ Context) string {
			return "correct the file, or the [[credential]] of " + e.Config + " that names it"
		}),
		hintFor("usage", func(e *plan.NeededError, _ Context) string {
			return "kist uninstall " + e.Release + " removes all of it"
		}),
		hintFor("usage", func(e *config.Error, _ Context) string {
			if _, unsafe := errors.AsType[*host.UnsafeFileError](e); unsafe {
				return "chmod go-w " + host.Quote(e.File)
			}
			return "correct that file; docs/fleet.md shows what it may say"
		}),
		fixedHint[*toolset.TwiceError]("usage", "only one version can be the default; name one of them"),
		fixedHint[*lockfile.Error]("usage", "restore kist.lock from version control, or delete it and run kist lock"),
		hintFor("usage", func(e *project.OtherChannelError, _ Context) string {
			return fmt.Sprintf("kist pin %s@%s replaces it", e.Have, e.Version)
		}),
		hintFor("usage", func(_ *project.Error, c Context) string {
			switch c.Verb {
			case "install":
				return "correct that file, or name what you want, as in kist install rust@stable"
			case "run", "env":
				return "correct that file, or name the toolchain, as in kist " + c.Verb + " rust@stable" + map[string]string{"run": " -- cargo"}[c.Verb]
			}
			return "correct that file"
		}),
		hintFor("lock", func(e *lockfile.MissingError, _ Context) string {
			if e.What == lockfile.NoFile {
				return "kist lock writes it; commit it"
			}
			return ""
		}),
		hintFor("usage", func(e *trial.NoCommandError, _ Context) string {
			if len(e.Programs) == 0 {
				return "say with --command which files become commands"
			}
			return fmt.Sprintf("say with --command which files become commands, such as --command %s", host.Quote(e.Programs[0]))
		}),
		hintIf(publish.ErrExists, "usage", "add to it with kist publish add"),
		hintIf(publish.ErrNoKeys, "usage", "kist publish sign DIR --secret-key FILE signs the channel; or name the keys that signed it with --key FILE"),
		fixedHint[*trial.WitnessError]("usage", "name a file of the archive, as it is once unpacked, and a text that it holds"),
		hintFor("usage", func(err error, _ Context) string {
			if errors.Is(err, verify.ErrPassphrase) {
				return "sign with gpg: kist publish sign DIR --unsigned-out FILE, then --attach FILE.asc"
			}
			return ""
		}),
		fixedHint[*namedfiles.KeyError]("usage", "--secret-key takes a secret key, as gpg --armor --export-secret-keys writes it"),

		hintFor("space", func(e *install.SpaceError, _ Context) string {
			lacking := term.ByteSize(e.Need - e.Free)
			if e.Files {
				lacking = term.Count(int(e.Need-e.Free), "file")
			}
			return fmt.Sprintf("free %s there, then run the same command again", lacking)
		}),

		hintFor("not-installed", func(e *toolset.NotInstalledError, c Context) string {
			switch {
			case len(e.Near) > 0:
				return fmt.Sprintf("did you mean %s? otherwise: kist install %s", strings.Join(e.Near, " or "), e.Ref)
			case c.Verb == "uninstall":
				return ""
			}
			return "kist install " + e.Ref.String()
		}),
		hintFor("not-installed", func(e *toolset.ProjectError, _ Context) string {
			return "kist install"
		}),
		hintFor("not-installed", func(e *toolset.NoCommandError, _ Context) string {
			switch {
			case len(e.Project) > 0:
				return "kist project shows what it asks for"
			case e.Has != "":
				return fmt.Sprintf("%s has it: kist run %s -- %s", e.Has, e.Has, e.Command)
			case trust.IsBuiltin(e.Command):
				return "kist install " + e.Command
			case len(e.Near) > 0:
				return "did you mean " + strings.Join(e.Near, " or ") + "?"
			}
			return ""
		}),
		hintFor("unmet", func(e *toolset.UnmetError, c Context) string {
			own, ok := trust.Installable(e.Demand.Name, c.Distro)
			switch {
			case e.Demand.Channel == system.Channel && ok:
				return fmt.Sprintf("update it with what installed it, or install your own: kist install %s", own)
			case e.Demand.Channel == system.Channel:
				return "update it with what installed it"
			case e.Asked:
				return fmt.Sprintf("kist list --available %s shows what there is", trust.Ref{Channel: e.Demand.Channel, Name: e.Demand.Name})
			case e.Demand.Channel == "" && strings.Contains(own, "/"):
				return fmt.Sprintf("kist list %s --distros shows which distribution ships one", e.Demand.Name)
			}
			return fmt.Sprintf("kist ensure '%s' --prefer network", e.Demand)
		}),
		hintFor("missing", func(e *namedfiles.MissingError, c Context) string {
			if c.Verb == "sync" {
				return "name another file, or write it: the line [tools], then lines such as go = \"1.26\""
			}
			return ""
		}),
		hintFor("gone", func(e *install.MissingError, _ Context) string { return PutBack(e) }),
		hintFor("drift", func(e *toolset.ReissuedError, _ Context) string {
			return fmt.Sprintf("ask its publisher why; kist uninstall %s removes what is unchanged, and kist install %s then installs the other files", e.Release, strings.ReplaceAll(e.Release, "@", "@="))
		}),
		fixedHint[*toolset.GoneStoreError]("gone", "kist default TOOL@VERSION chooses a version that is installed; kist list shows them"),
		hintFor("gone", func(e *plan.GoneError, _ Context) string {
			if e.Generation != 0 {
				return ""
			}
			return "kist install " + exactRef(e.Release) + " puts it back"
		}),
		hintFor("unknown", func(e *manifests.UnknownVersionError, c Context) string {
			if c.publishes() {
				return "kist publish list DIR shows what there is"
			}
			return fmt.Sprintf("kist list --available %s/%s shows what there is", e.Channel, e.Tool)
		}),
		hintFor("unknown", func(e *manifests.UnknownToolError, c Context) string {
			_, hint := c.unknownTool(e)
			return hint
		}),
		hintFor("unknown", func(e *trust.NoPackagesError, _ Context) string {
			return fmt.Sprintf("kist list --available %s asks its own channel", e.Tool)
		}),
		hintFor("unknown", func(e *trust.SetChannelError, _ Context) string {
			return fmt.Sprintf("if you trust it, with a key that you got from its publisher: kist channel add %s URL --key FILE", e.Channel)
		}),
		hintFor("unknown", func(e *manifests.UnknownSetError, c Context) string {
			switch {
			case c.publishes():
				return "kist publish list DIR shows what there is"
			case len(e.Near) > 0:
				return fmt.Sprintf("did you mean %s/@%s?", e.Channel, e.Near[0])
			}
			return fmt.Sprintf("kist search %s/ lists its tools and sets", e.Channel)
		}),
		fixedHint[*channels.UnknownChannelError]("unknown", "kist channel list shows every channel"),
		hintIf(publish.ErrNoChannel, "unknown", "kist publish init DIR --channel NAME begins one"),
		hintIf(debian.ErrHost, "unsupported", "choose a distribution no newer than this machine's; kist channel list shows them"),
		hintFor("unsupported", func(e *manifests.UnsupportedPlatformError, _ Context) string {
			return "kist list --available " + e.Tool + " shows other versions"
		}),

		hintFor("no-mirror", func(e *debian.NoMirrorError, _ Context) string {
			return fmt.Sprintf("name one: kist channel add %s URL/dists/%[1]s/ --format debian, then kist install %[1]s/TOOL", e.Codename)
		}),
		hintFor("offline", func(err error, c Context) string {
			switch {
			case errors.Is(err, gosum.ErrOff):
				return "GOPROXY forbids it: name a module proxy there, or unset it"
			case c.Local:
				return fmt.Sprintf("kist %s uses no network; kist list --available TOOL asks the channel, and keeps the answer", c.Verb)
			}
			return ""
		}),
		hintFor("unreachable", func(e *transport.WaitError, _ Context) string {
			return fmt.Sprintf("run the same command again in %s", transport.FormatWait(e.After))
		}),
		hintFor("unreachable", func(e *transport.StatusError, c Context) string { return c.statusHint(e) }),
		hintFor("unreachable", func(e *credentials.Error, _ Context) string {
			return fmt.Sprintf("see what it prints: printf 'protocol=https\\nhost=HOST\\n\\n' | %s get", host.Quote(e.Path))
		}),
		fixedHint[*tls.CertificateVerificationError]("unreachable", "another server may have answered; if you use a private CA, name its certificate in SSL_CERT_FILE"),
		fixedHint[*transport.ProxyError]("unreachable", "check the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, then run the same command again"),
		hintFor("unreachable", func(e *transport.MirrorError, _ Context) string {
			return fmt.Sprintf("check the mirror, or correct the [[mirror]] of %s in %s", e.Mirror.From, e.Mirror.File)
		}),
		hintIf(transport.ErrFile, "unreachable", "a file URL must name a regular file of this machine that you can read"),
		hintFor("unreachable", func(err error, _ Context) string {
			if errors.Is(err, gosum.ErrNoProxy) {
				return "name a module proxy in GOPROXY, or check the network, then run the same command again"
			}
			return ""
		}),
	}
}

// setting returns what sets the base directory of a role, such as "data".
func (c Context) setting(role string) string {
	if c.Store {
		return "--store"
	}
	return xdgName(role)
}

// unset says how to use kist's usual directories, after setting.
func (c Context) unset() string {
	if c.Store {
		return "leave it out"
	}
	return "unset it"
}

// xdgName returns the variable that sets the base directory of a role, such as "data".
func xdgName(role string) string { return "XDG_" + strings.ToUpper(role) + "_HOME" }

// PutBack returns the hint for a release that is gone from the disk, or "" if the
// system could not tell whether it is.
func PutBack(e *install.MissingError) string {
	if !e.Gone() {
		return ""
	}
	return "kist install " + exactRef(e.Release) + " puts it back"
}

// exactRef spells channel/tool@version so that no other version is meant.
func exactRef(release string) string { return strings.Replace(release, "@", "@=", 1) }

// unknownTool returns where the unknown tool of e can be had. For a bare name the
// distributions come first, whatever channels the user has added; then the reason why
// its upstream is not built in, as a message; then the name that was probably meant.
func (c Context) unknownTool(e *manifests.UnknownToolError) (message, hint string) {
	switch {
	case c.publishes() && len(e.Near) > 0:
		return "", fmt.Sprintf("did you mean %s? kist publish list DIR shows what there is", e.Near[0])
	case c.publishes():
		return "", "kist publish list DIR shows what there is"
	case e.Channel == system.Channel:
		return "", "kist channel show system lists those it knows"
	case e.Channel != "" && len(e.Near) > 0:
		return "", fmt.Sprintf("did you mean %s/%s?", e.Channel, e.Near[0])
	}
	tool, calls := e.Tool, ""
	if other, ok := upstreams.Alias(tool); ok {
		tool, calls = other, fmt.Sprintf("; kist calls it %s", other)
	}
	reason, refused := upstreams.Refusal(tool)
	distros, near := trust.DistrosOf(tool, c.Distro), upstreams.Near(tool)
	switch ref, ok := trust.Installable(tool, c.Distro); {
	case e.Channel != "" && ok:
		return "", fmt.Sprintf("another channel has it: kist install %s", ref)
	case e.Channel != "":
	case trust.IsBuiltin(tool):
		return "", fmt.Sprintf("did you mean %s?", tool)
	case len(distros) > 0:
		return "", fmt.Sprintf("distributions have it; say which, such as %s/%s (%s)", distros[0], tool, strings.Join(distros, ", "))
	case refused:
		message = fmt.Sprintf("no channel offers %q%s: %s", e.Tool, calls, reason)
		if format, ok := upstreams.MirrorFormat(tool); ok {
			return message, fmt.Sprintf("with keys that you hold: kist channel add NAME URL --format %s --tools %s --key FILE", format, tool)
		}
		return message, "kist channel add trusts a channel that you choose"
	case len(e.Near) > 0 && strings.Contains(e.Near[0], "/"): // in an added channel
		return "", fmt.Sprintf("did you mean %s?", e.Near[0])
	case len(near) > 0:
		return "", fmt.Sprintf("did you mean %s?", near[0])
	}
	return "", "kist search lists every tool"
}

package debian

import (
	"bytes"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// An AptSource is an entry of a machine's apt sources, which say where package archives
// are. Source: sources.list(5).
type AptSource struct {
	URIs          []string // as written
	Suites        []string
	Components    []string
	Architectures []string // empty: the machine's own
	SignedBy      string   // a key file or the keys themselves; empty: every key that apt trusts
}

// maxSources is how many entries of a file are used.
const maxSources = 1024

// ParseSources reads an apt sources file: *.list, with an entry per line, or *.sources,
// with an entry per stanza. Entries that are malformed, disabled, or only for source
// packages are skipped; skipping is safe because an entry only says where to look for
// data that is then proved.
func ParseSources(name string, data []byte) (list []AptSource) {
	if strings.HasSuffix(name, ".sources") {
		list = parseStanzas(data)
	} else {
		list = parseLines(data)
	}
	return list[:min(len(list), maxSources)]
}

func parseLines(data []byte) (list []AptSource) {
	for line := range bytes.Lines(data) {
		text, _, _ := strings.Cut(string(line), "#")
		text = strings.TrimSpace(text)
		rest, ok := strings.CutPrefix(text, "deb")
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		var s AptSource
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, closed := strings.Cut(rest[1:], "]")
			if !closed {
				continue
			}
			rest = after
			for _, option := range strings.Fields(options) {
				switch name, value, _ := strings.Cut(option, "="); strings.ToLower(name) {
				case "arch":
					s.Architectures = strings.Split(value, ",")
				case "signed-by":
					s.SignedBy = value
				}
			}
		}
		word := strings.Fields(rest)
		if len(word) < 3 {
			continue // no suite, or no components
		}
		s.URIs, s.Suites, s.Components = word[:1], word[1:2], word[2:]
		list = append(list, s)
	}
	return list
}

func parseStanzas(data []byte) (list []AptSource) {
	var rest []byte
	for line := range bytes.Lines(data) {
		if !bytes.HasPrefix(line, []byte("#")) {
			rest = append(rest, bytes.TrimRight(line, " \t\r\n")...)
			rest = append(rest, '\n')
		}
	}
	for {
		var text []byte
		if text, rest = stanza(rest); len(bytes.TrimSpace(text)) == 0 {
			return list
		}
		var types, uris, suites, components, architectures, signedBy, enabled []byte
		err := fields(text, wanted{"Types", &types}, wanted{"URIs", &uris}, wanted{"Suites", &suites}, wanted{"Components", &components},
			wanted{"Architectures", &architectures}, wanted{"Signed-By", &signedBy}, wanted{"Enabled", &enabled})
		off := slices.Contains([]string{"no", "false", "without", "off", "disable"}, strings.ToLower(string(enabled)))
		if err != nil || off || !slices.Contains(strings.Fields(string(types)), "deb") {
			continue
		}
		list = append(list, AptSource{URIs: strings.Fields(string(uris)), Suites: strings.Fields(string(suites)),
			Components: strings.Fields(string(components)), Architectures: strings.Fields(string(architectures)), SignedBy: string(signedBy)})
	}
}

// A Distribution is a release of a distribution that kist knows.
type Distribution struct {
	Origin   string // as its archive states it: "Debian"
	Codename string
	// Others are other suites of the same archive: a mirror that has one of them has
	// this release too.
	Others []string
	// Keyring is the prefix of the archive's key file name.
	Keyring string
}

// Mirror returns the suites of d at the places given by a machine's apt sources, or nil
// if they give none. An entry that names the archive's own keys is preferred to one
// that names none, then an entry for this release to one for another; entries with
// other keys are for other archives.
func (d Distribution) Mirror(arch string, sources []AptSource) []Suite {
	base := d.root(arch, sources, "")
	if base == "" {
		return nil
	}
	suites := suitesOf(base, d.Codename)
	for i := range suites[1:] {
		s := &suites[i+1]
		if root := d.root(arch, sources, strings.TrimPrefix(s.Name, d.Codename)); root != "" {
			s.Root = root
		}
	}
	return suites
}

// root returns the archive URL of d's suites whose names have this suffix, or "" if no
// source gives one.
func (d Distribution) root(arch string, sources []AptSource, suffix string) string {
	for _, signed := range []bool{true, false} {
		for _, release := range [][]string{{d.Codename}, d.Others} {
			for _, s := range sources {
				if !d.mayServe(s, arch) || (s.SignedBy != "") != signed {
					continue
				}
				if !slices.ContainsFunc(s.Suites, func(suite string) bool {
					name, ok := strings.CutSuffix(suite, suffix)
					return ok && slices.Contains(release, name)
				}) {
					continue
				}
				if root := archiveRoot(s.URIs); root != "" {
					return root
				}
			}
		}
	}
	return ""
}

// mayServe reports whether s may be an entry for d's archive.
func (d Distribution) mayServe(s AptSource, arch string) bool {
	keys := s.SignedBy[strings.LastIndexByte(s.SignedBy, '/')+1:]
	return slices.Contains(s.Components, "main") &&
		(len(s.Architectures) == 0 || slices.Contains(s.Architectures, arch)) &&
		(s.SignedBy == "" || strings.HasPrefix(keys, d.Keyring))
}

// archiveRoot returns the first of uris that a transport can open, as a directory.
func archiveRoot(uris []string) string {
	for _, uri := range uris {
		u, err := manifests.ParseURL(uri)
		if err != nil || u.RawQuery != "" || strings.Contains(uri, "$(") {
			continue
		}
		return strings.TrimRight(u.String(), "/") + "/"
	}
	return ""
}

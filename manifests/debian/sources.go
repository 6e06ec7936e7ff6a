package debian

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
)

// An AptSource is an entry of a machine's apt sources: where archives of packages
// are. Source: sources.list(5).
type AptSource struct {
	URIs          []string // as written
	Suites        []string
	Components    []string
	Architectures []string // empty: the machine's own
	SignedBy      string   // a file of keys, keys themselves, or empty: all that apt trusts
}

// maxSources is how many entries of a file are read.
const maxSources = 1024

// ParseSources reads a file of apt's: *.list, with an entry a line, or *.sources,
// with one a stanza. What apt itself would not understand, what is turned off and
// what is only for source packages is left out: an entry only ever says where to
// look for what has to prove itself.
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
			continue // no suite, or one without components
		}
		s.URIs, s.Suites, s.Components = word[:1], word[1:2], word[2:]
		list = append(list, s)
	}
	return list
}

func parseStanzas(data []byte) (list []AptSource) {
	var kept []byte
	for line := range bytes.Lines(data) {
		if !bytes.HasPrefix(line, []byte("#")) {
			kept = append(kept, bytes.TrimRight(line, " \t\r\n")...)
			kept = append(kept, '\n')
		}
	}
	for {
		var text []byte
		if text, kept = stanza(kept); len(bytes.TrimSpace(text)) == 0 {
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
	// Others are names of other suites that the same archive holds: a mirror that
	// has one of them has this release too.
	Others []string
	// Keyring is how the name of the archive's own file of keys begins.
	Keyring string
}

// Mirror is the suites of d, at the places that a machine's apt sources give; nil
// if they give none. An entry that names the archive's own keys counts before one
// that names none, one for this very release before one for another; entries with
// other keys are for other archives.
func (d Distribution) Mirror(arch string, sources []AptSource) []Suite {
	base := d.root(arch, sources, "")
	if base == "" {
		return nil
	}
	suites := Suites(base, d.Codename)
	for i := range suites[1:] {
		s := &suites[i+1]
		if root := d.root(arch, sources, strings.TrimPrefix(s.Name, d.Codename)); root != "" {
			s.Root = root
		}
	}
	return suites
}

// root is where the suites with this ending of their names are, "" if nobody says.
func (d Distribution) root(arch string, sources []AptSource, ending string) string {
	for _, named := range []bool{true, false} {
		for _, release := range [][]string{{d.Codename}, d.Others} {
			for _, s := range sources {
				if !d.mayBe(s, arch) || (s.SignedBy != "") != named {
					continue
				}
				if !slices.ContainsFunc(s.Suites, func(suite string) bool {
					name, ok := strings.CutSuffix(suite, ending)
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

// mayBe reports whether s may be of d's archive.
func (d Distribution) mayBe(s AptSource, arch string) bool {
	keys := s.SignedBy[strings.LastIndexByte(s.SignedBy, '/')+1:]
	return slices.Contains(s.Components, "main") &&
		(len(s.Architectures) == 0 || slices.Contains(s.Architectures, arch)) &&
		(s.SignedBy == "" || strings.HasPrefix(keys, d.Keyring))
}

// archiveRoot is the first of uris that a transport can open, as a directory.
func archiveRoot(uris []string) string {
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil || !slices.Contains([]string{"https", "http", "file"}, u.Scheme) || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" ||
			strings.Contains(uri, "$(") || u.Scheme == "file" && u.Host != "" {
			continue
		}
		return strings.TrimRight(u.String(), "/") + "/"
	}
	return ""
}

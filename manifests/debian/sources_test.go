package debian

import (
	"fmt"
	"slices"
	"testing"
)

const deb822Sources = `# the machine's own
Types: deb deb-src
URIs: http://deb.example.org/debian
# a comment within
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.example.org/debian-security/
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://hashi.example.org
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/hashicorp-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://off.example.org/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example.org/debian
Suites: bookworm
Components: main
`

const oneLineSources = `# deb http://commented.example.org/debian bookworm main
deb-src http://source.example.org/debian bookworm main
deb [arch=s390x] http://other.example.org/debian bookworm main
deb [ arch=amd64,arm64 signed-by=/etc/apt/keyrings/docker.asc ] https://docker.example.org/linux/debian bookworm stable
deb https://download.example.org/linux/debian bookworm stable
deb cdrom:[Debian GNU/Linux 12.0]/ bookworm main
deb http://deb.example.org/debian bookworm main contrib # trailing
deb	http://security.example.org/debian-security	bookworm-security	main
deb http://flat.example.org/ ./
deb [broken http://x bookworm main
debfoo http://x bookworm main
`

func bookwormOf(codename string) Distribution {
	return Distribution{Origin: "Debian", Codename: codename, Others: []string{"bookworm", "trixie", "stable"}, Keyring: "debian-archive"}
}

func TestMirror(t *testing.T) {
	ubuntu := Distribution{Origin: "Ubuntu", Codename: "noble", Others: []string{"jammy", "noble"}, Keyring: "ubuntu-archive"}
	const both = "{http://deb.example.org/debian/ bookworm} {http://deb.example.org/debian/ bookworm-updates} "
	for name, test := range map[string]struct {
		file, text string
		of         Distribution
		want       string
	}{
		"stanzas":            {"debian.sources", deb822Sources, bookwormOf("bookworm"), both + "{http://deb.example.org/debian-security/ bookworm-security}"},
		"another release":    {"debian.sources", deb822Sources, bookwormOf("trixie"), "{http://deb.example.org/debian/ trixie} {http://deb.example.org/debian/ trixie-updates} {http://deb.example.org/debian-security/ trixie-security}"},
		"lines":              {"sources.list", oneLineSources, bookwormOf("bookworm"), both + "{http://security.example.org/debian-security/ bookworm-security}"},
		"of another":         {"debian.sources", deb822Sources, ubuntu, ""},
		"without security":   {"sources.list", "deb http://deb.example.org/debian bookworm main\n", bookwormOf("bookworm"), both + "{http://deb.example.org/debian-security/ bookworm-security}"},
		"only security":      {"sources.list", "deb http://deb.example.org/debian-security bookworm-security main\n", bookwormOf("bookworm"), ""},
		"nothing":            {"sources.list", "", bookwormOf("bookworm"), ""},
		"no root":            {"sources.list", "deb ftp://deb.example.org/debian bookworm main\ndeb http://[bad/ bookworm main\ndeb http://x.example.org/$(ARCH)/ bookworm main\n", bookwormOf("bookworm"), ""},
		"named keys first":   {"x.sources", "Types: deb\nURIs: https://mirror.evil.example/debian\nSuites: bookworm\nComponents: main\n\n" + deb822Sources, bookwormOf("bookworm"), both + "{http://deb.example.org/debian-security/ bookworm-security}"},
		"keys in the stanza": {"x.sources", "Types: deb\nURIs: https://vendor.example\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n AAAA\n", bookwormOf("bookworm"), ""},
		"ubuntu": {"ubuntu.sources", "Types: deb\nURIs: http://archive.example.org/ubuntu\nSuites: noble noble-updates noble-backports\nComponents: main universe\nSigned-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n\nTypes: deb\nURIs: http://security.example.org/ubuntu\nSuites: noble-security\nComponents: main\n", ubuntu,
			"{http://archive.example.org/ubuntu/ noble} {http://archive.example.org/ubuntu/ noble-updates} {http://security.example.org/ubuntu/ noble-security}"},
		"ubuntu's security suite": {"x.list", "deb http://archive.example.org/ubuntu jammy main\n", ubuntu,
			"{http://archive.example.org/ubuntu/ noble} {http://archive.example.org/ubuntu/ noble-updates} {http://archive.example.org/ubuntu/ noble-security}"},
	} {
		got := test.of.Mirror("amd64", ParseSources(test.file, []byte(test.text)))
		var text string
		for i, s := range got {
			if i > 0 {
				text += " "
			}
			text += fmt.Sprint(s)
		}
		if text != test.want {
			t.Errorf("%s: %s, want %s", name, text, test.want)
		}
	}
}

func TestParseSources(t *testing.T) {
	list := ParseSources("sources.list", []byte(oneLineSources))
	if len(list) != 6 || !slices.Equal(list[0].Architectures, []string{"s390x"}) || list[1].SignedBy != "/etc/apt/keyrings/docker.asc" {
		t.Errorf("%+v", list)
	}
	if list := ParseSources("debian.sources", []byte(deb822Sources)); len(list) != 3 || len(list[0].Suites) != 2 {
		t.Errorf("%+v", list)
	}
}

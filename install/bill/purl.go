package bill

import (
	"maps"
	"slices"
	"strings"
)

// A purl is a package URL. Source: the Package-URL specification, ECMA-427.
type purl struct {
	Type       string   // such as "deb"
	Namespace  []string // its segments
	Name       string
	Version    string
	Qualifiers map[string]string // those that are empty are left out
}

// String returns the canonical form of p.
func (p purl) String() string {
	text := "pkg:" + p.Type + "/"
	for _, segment := range p.Namespace {
		text += encodePurl(segment) + "/"
	}
	text += encodePurl(p.Name)
	if p.Version != "" {
		text += "@" + encodePurl(p.Version)
	}
	separator := "?"
	for _, key := range slices.Sorted(maps.Keys(p.Qualifiers)) {
		if value := p.Qualifiers[key]; value != "" {
			text += separator + key + "=" + encodePurl(value)
			separator = "&"
		}
	}
	return text
}

// encodePurl percent-encodes s as package URLs do: all but letters and digits of ASCII,
// ".", "-", "_", "~" and the colon.
func encodePurl(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(".-_~:", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// goModule returns the package URL of a Go module, named as a checksum database names
// it: path@version. Its path is in lower case.
func goModule(name string) string {
	path, version, _ := strings.Cut(name, "@")
	elements := strings.Split(strings.ToLower(path), "/")
	last := len(elements) - 1
	return purl{Type: "golang", Namespace: elements[:last], Name: elements[last], Version: version}.String()
}

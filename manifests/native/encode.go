package native

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// Encode returns the text of channel.toml for m. It is deterministic, and parsing the
// text gives m. Values that are zero or the default (a serial, a witness, the default
// component) are left out. If the text would not be a valid draft, Encode returns the
// parser's error.
func (m *Manifest) Encode() ([]byte, error) {
	var w writer
	w.pair("", "format", 8, strconv.Itoa(formatNumber))
	w.pair("", "channel", 8, tomldoc.Quote(m.Channel))
	if m.Serial > 0 {
		w.pair("", "serial", 8, strconv.FormatUint(m.Serial, 10))
	}
	if !m.Issued.IsZero() {
		w.pair("", "issued", 8, m.Issued.UTC().Format(time.RFC3339Nano))
	}
	if !m.Expires.IsZero() {
		w.pair("", "expires", 8, m.Expires.UTC().Format(time.RFC3339Nano))
	}
	for _, set := range m.Sets {
		w.set(set)
	}
	for _, one := range m.Withdrawn {
		w.withdrawal(one)
	}
	for _, r := range m.Releases {
		w.release(r)
	}
	data := w.Bytes()
	if _, err := parse(data, true); err != nil {
		return nil, err
	}
	return data, nil
}

type writer struct{ bytes.Buffer }

func (w *writer) pair(indent, key string, width int, value string) {
	fmt.Fprintf(w, "%s%-*s= %s\n", indent, width, key, value)
}

func (w *writer) withdrawal(one verify.Withdrawal) {
	pair := func(key, value string) { w.pair("", key, 12, value) }
	w.WriteString("\n[[withdrawn]]\n")
	pair("tool", tomldoc.Quote(one.Tool))
	pair("versions", tomldoc.Quote(one.Versions))
	pair("reason", tomldoc.Quote(one.Reason))
	if !one.Since.IsZero() {
		pair("since", one.Since.UTC().Format(time.RFC3339Nano))
	}
	if one.ReplacedBy != "" {
		pair("replaced_by", tomldoc.Quote(one.ReplacedBy))
	}
}

func (w *writer) release(r Release) {
	w.WriteString("\n[[release]]\n")
	w.pair("", "tool", 9, tomldoc.Quote(r.Tool))
	w.pair("", "version", 9, tomldoc.Quote(r.Version))
	if !r.Released.IsZero() {
		w.pair("", "released", 9, r.Released.UTC().Format(time.RFC3339Nano))
	}
	if len(r.Labels) > 0 {
		w.pair("", "labels", 9, tomldoc.QuoteList(r.Labels))
	}
	if len(r.Commands) > 0 {
		w.pair("", "commands", 9, tomldoc.QuoteList(r.Commands))
	}
	if r.Witness != nil {
		w.pair("", "witness", 9, fmt.Sprintf("{ path = %s, contains = %s }", tomldoc.Quote(r.Witness.Path), tomldoc.Quote(r.Witness.Contains)))
	}
	for _, a := range r.Artifacts {
		w.artifact(a, r.Tool)
	}
}

func (w *writer) artifact(a Artifact, tool string) {
	pair := func(key, value string) { w.pair("  ", key, 10, value) }
	w.WriteString("\n  [[release.artifact]]\n")
	pair("platform", tomldoc.Quote(a.Platform.String()))
	if a.Component != tool {
		pair("component", tomldoc.Quote(a.Component))
	}
	if a.Optional {
		pair("optional", "true")
	}
	if a.Path != "" {
		pair("path", tomldoc.Quote(a.Path))
	}
	if len(a.URLs) > 0 {
		pair("urls", tomldoc.QuoteList(a.URLs))
	}
	pair("size", strconv.FormatInt(a.Size, 10))
	if a.Unpacked != 0 {
		pair("unpacked", strconv.FormatInt(a.Unpacked, 10))
	}
	pair("sha256", tomldoc.Quote(a.SHA256.Hex()))
	if a.Chunks.Len() > 0 {
		pair("chunks", tomldoc.Quote(a.Chunks.String()))
	}
	pair("format", tomldoc.Quote(a.Format))
	if a.Strip != 0 {
		pair("strip", strconv.Itoa(a.Strip))
	}
}

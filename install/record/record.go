// Package record holds what kist remembers: the Receipt of an installed
// release, path by path, and the Generation that says which receipts, defaults
// and command links are in force. Values and their JSON; no effects.
//
// Both documents carry a format number. A later kist reads every earlier
// format for ever; an unknown format or field is an error here, because
// removing files by a record that is only half understood is how home
// directories get lost.
package record

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Format is the format number this package writes.
const Format = 1

// An ID names one installed release, its prefix and its receipt:
// <channel>-<tool>-<version>-<8 random hex digits>, the version escaped.
type ID string

// NewID makes the ID of a release from four random bytes, so that installing
// the same version again never meets an old directory.
func NewID(channel, tool, version string, random [4]byte) ID {
	return ID(channel + "-" + tool + "-" + EscapeVersion(version) + "-" + hex.EncodeToString(random[:]))
}

// EscapeVersion spells a version for use in a path: lower case, ":" and "~" as "_".
func EscapeVersion(version string) string {
	return strings.NewReplacer(":", "_", "~", "_").Replace(strings.ToLower(version))
}

// Valid reports whether id is one path element of an ID's alphabet.
func (id ID) Valid() bool {
	return len(id) > 9 && len(id) < 255 && !strings.Contains(string(id), "..") && id[0] != '.' &&
		strings.Trim(string(id), "abcdefghijklmnopqrstuvwxyz0123456789._+-") == ""
}

// Type is what an Entry is.
type Type string

// The types of entry; there are no others in a prefix.
const (
	File Type = "file"
	Dir  Type = "dir"
	Link Type = "link"
)

// An Entry is one path that was written below a prefix.
type Entry struct {
	Path      string // slash-separated, local to the prefix
	Type      Type
	Mode      fs.FileMode   // permission bits of a file or directory
	Size      int64         // bytes of a file
	Digest    verify.Digest // of a file, SHA-256
	Target    string        // of a link
	Component string        // which component brought it
	Stamp     Stamp         // of a file; zero: there is none to rely on
}

// A Command is one path of a prefix that is offered as a command.
type Command struct {
	Name string `json:"name"`
	Path string `json:"path"` // slash-separated, local to the prefix
}

// A Head is what a receipt says of an installed release without listing its
// paths. It comes first in the file, so that reading what is installed does not
// mean reading every path.
type Head struct {
	Format  int    `json:"format"`
	ID      ID     `json:"id"`
	Channel string `json:"channel"`
	Tool    string `json:"tool"`
	Version string `json:"version"`
	// Requested is what the version was asked for by, which update follows: a
	// label or the beginning of a version; "=" and Version, which stays, as does
	// Version itself where it is no line (manifests.IsVersionLine); empty for the
	// channel's own choice.
	Requested  string              `json:"requested,omitempty"`
	Labels     []string            `json:"labels,omitempty"`
	Platform   manifests.Platform  `json:"platform"`
	Components []string            `json:"components,omitempty"`
	Optional   []string            `json:"optional,omitempty"` // those of Components that it can be without
	Listings   []manifests.Listing `json:"listings,omitempty"` // the files of the prefix that name the components
	Profile    string              `json:"profile,omitempty"`  // the named set of components it began with
	Evidence   verify.Evidence     `json:"evidence"`           // of the document that named the release
	Artifacts  []Artifact          `json:"artifacts"`          // what was unpacked
	Commands   []Command           `json:"commands,omitempty"`
	Env        map[string]string   `json:"env,omitempty"` // "{prefix}" stands for the prefix
	Prefix     string              `json:"prefix"`        // absolute, links resolved, when it was installed
	Installed  time.Time           `json:"installed"`
	Kist       string              `json:"kist"` // version of kist that wrote it
	// Sandbox is what stood between the archives' decoders and the machine
	// while they were unpacked: "none", or what there was. Empty: not recorded.
	Sandbox string `json:"sandbox,omitempty"`
	// FilesProved says that the digests of the entries were taken while the very bytes
	// that Artifacts prove were unpacked. Receipts that lack it are older than that rule:
	// nothing in them ties a file to its archive.
	FilesProved bool `json:"files_proved,omitempty"`
	// Sealed is when the Stamps of the entries had been read, as SealedAt has it.
	Sealed time.Time `json:"sealed,omitzero"`
	// Removed says that the release was uninstalled: Entries are only the
	// paths that were kept because they had changed.
	Removed bool `json:"removed,omitempty"`
}

// A Receipt is the record of one installed release, path by path.
type Receipt struct {
	Head
	Entries []Entry // parents before children
}

// An Artifact is one file that was unpacked, and how it was proved.
type Artifact struct {
	Name      string          `json:"name"`
	Component string          `json:"component,omitempty"`
	Size      int64           `json:"size"`
	Digest    verify.Digest   `json:"digest"` // SHA-256 of the file as it came
	Evidence  verify.Evidence `json:"evidence"`
	// Layout is how it became files of the prefix. Those of the same artifact by
	// the same layout are the same.
	Layout manifests.Layout `json:"layout,omitzero"`
}

// Paths are the paths of all entries.
func (r Receipt) Paths() map[string]bool {
	paths := make(map[string]bool, len(r.Entries))
	for _, e := range r.Entries {
		paths[e.Path] = true
	}
	return paths
}

// Ref is how people name the release: channel/tool@version.
func (r Head) Ref() string { return r.Channel + "/" + r.Tool + "@" + r.Version }

// Key is the identity of the tool: channel/tool.
func (r Head) Key() string { return r.Channel + "/" + r.Tool }

// Alias is the stable path of r's prefix below toolchains/.
func (r Head) Alias() string { return path.Join(r.Channel, r.Tool, EscapeVersion(r.Version)) }

// A CommandLink is one command in force: its name and where it leads, below prefixes/.
type CommandLink struct {
	Name   string `json:"name"`
	ID     ID     `json:"id"`
	Target string `json:"target"` // path below the prefix
}

// A Generation is the numbered set of receipts, defaults and links in force.
type Generation struct {
	Format   int           `json:"format"`
	Number   uint64        `json:"number"`           // counts up from 1; zero: nothing installed yet
	Parent   uint64        `json:"parent,omitempty"` // the one before, to which rollback returns
	Made     time.Time     `json:"made"`
	Receipts []ID          `json:"receipts"`
	Defaults map[string]ID `json:"defaults,omitempty"` // by channel/tool
	Links    []CommandLink `json:"links,omitempty"`    // sorted by name
	// Removing are the releases whose files go with the switch to this
	// generation. What of that a crash cuts short, the next writer finishes.
	Removing []ID `json:"removing,omitempty"`
}

// Has reports whether g names id.
func (g Generation) Has(id ID) bool {
	for _, have := range g.Receipts {
		if have == id {
			return true
		}
	}
	return false
}

// WriteTo writes r as JSON: the head indented, then one line for each entry.
func (r Receipt) WriteTo(w io.Writer) (int64, error) {
	r.Format = Format
	head, err := json.MarshalIndent(r.Head, "", "\t")
	if err != nil {
		return 0, err
	}
	out := &counter{w: w}
	b := bufio.NewWriterSize(out, 64<<10)
	b.Write(bytes.TrimSuffix(head, []byte("\n}")))
	b.WriteString(",\n\t\"entries\": ")
	writeEntries(b, r.Entries)
	b.WriteString("\n}\n")
	err = b.Flush() // it has kept the first error
	return out.n, err
}

// A counter counts what it passes on.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Encode writes g as indented JSON.
func (g Generation) Encode() ([]byte, error) {
	g.Format = Format
	data, err := json.MarshalIndent(g, "", "\t")
	return append(data, '\n'), err
}

// ParseReceipt reads a receipt of some size bytes, to the end of in. A path that is not local, a type that is not
// known, an unknown field or format is an error: nothing may be removed by it.
func ParseReceipt(in io.Reader, size int64) (Receipt, error) {
	h, rest, err := parseHead(in)
	if err != nil {
		return Receipt{}, err
	}
	s := newScanner(rest)
	r := Receipt{h, s.entries(size)}
	if s.err != nil {
		return Receipt{}, fmt.Errorf("receipt %s: %w", r.ID, s.err)
	}
	for _, e := range r.Entries {
		if err := e.validate(); err != nil {
			return Receipt{}, fmt.Errorf("receipt %s: %w", r.ID, err)
		}
	}
	if twice, ok := r.twice(); ok {
		return Receipt{}, fmt.Errorf("receipt %s: %q is listed twice", r.ID, twice)
	}
	return r, nil
}

// twice finds a path that two entries have. Receipts are written in the order of
// paths, in which there can be none.
func (r Receipt) twice() (path string, ok bool) {
	if inOrder(r.Entries) {
		return "", false
	}
	seen := make(map[string]bool, len(r.Entries))
	for _, e := range r.Entries {
		if seen[e.Path] {
			return e.Path, true
		}
		seen[e.Path] = true
	}
	return "", false
}

// inOrder reports whether each path comes after the one before it.
func inOrder(es []Entry) bool {
	for i := 1; i < len(es); i++ {
		if es[i-1].Path >= es[i].Path {
			return false
		}
	}
	return true
}

// ParseHead reads a receipt up to its entries, and no further.
func ParseHead(r io.Reader) (Head, error) {
	h, _, err := parseHead(r)
	return h, err
}

// parseHead returns besides what follows the name of the entries.
func parseHead(r io.Reader) (h Head, rest io.Reader, err error) {
	text, rest, err := splitHead(r)
	if err == nil {
		err = decode(text, &h)
	}
	if err != nil {
		return Head{}, nil, fmt.Errorf("receipt: %w", err)
	}
	return h, rest, h.validate()
}

// splitHead reads a JSON object up to the name of its entries, and returns the
// fields before them as an object of their own and what follows the name. Of
// fields it judges only that none stands there twice.
func splitHead(in io.Reader) (head []byte, rest io.Reader, err error) {
	text := make([]byte, 0, usualHead)
	var (
		end, quote int  // where the field before ends, and the last string begins
		depth      int  // of the object or list that is read
		name       bool // the next string is a field's name
		quoted     bool // a string is read
		seen       = map[string]bool{}
	)
	for at := 0; ; at++ {
		if at >= len(text) {
			text = slices.Grow(text, at+1-len(text))
			n, err := io.ReadAtLeast(in, text[len(text):cap(text)], at+1-len(text))
			if text = text[:len(text)+n]; err == io.EOF || err == io.ErrUnexpectedEOF {
				return nil, nil, errors.New("it lists no entries")
			} else if err != nil {
				return nil, nil, err
			}
		}
		switch c := text[at]; {
		case quoted && c == '\\':
			at++ // what follows ends no string
		case quoted && c == '"':
			quoted = false
			if depth != 1 || !name {
				continue
			}
			field := string(text[quote+1 : at])
			if field == "entries" {
				return append(text[:end:end], '}'), io.MultiReader(bytes.NewReader(text[at+1:]), in), nil
			}
			if seen[field] {
				return nil, nil, fmt.Errorf("%q stands there twice", field)
			}
			seen[field], name = true, false
		case quoted:
		case c == '"':
			quoted, quote = true, at
		case c == '{', c == '[':
			if depth++; depth == 1 {
				name, end = true, at+1
			}
		case c == '}', c == ']':
			depth--
		case c == ',' && depth == 1:
			name, end = true, at
		}
	}
}

// usualHead is how many octets a receipt's head has at most, as a rule.
const usualHead = 8 << 10

func (h Head) validate() error {
	if h.Format != Format {
		return fmt.Errorf("receipt: format %d is not known to this kist", h.Format)
	}
	for _, check := range []error{manifests.ValidName(h.Channel), manifests.ValidName(h.Tool), manifests.ValidVersion(h.Version)} {
		if check != nil {
			return fmt.Errorf("receipt: %w", check)
		}
	}
	if !h.ID.Valid() {
		return fmt.Errorf("receipt: id %q is not one", h.ID)
	}
	for _, c := range h.Commands {
		if !elementary(c.Name) || !Local(c.Path) {
			return fmt.Errorf("receipt %s: command %q at %q leaves its directory", h.ID, c.Name, c.Path)
		}
	}
	return nil
}

// elementary reports whether name is one path element.
func elementary(name string) bool {
	return name != "" && name != "." && name != ".." && path.Base(name) == name
}

// ParseGeneration reads a generation.
func ParseGeneration(data []byte) (Generation, error) {
	var g Generation
	if err := decode(data, &g); err != nil {
		return Generation{}, fmt.Errorf("generation: %w", err)
	}
	if g.Format != Format {
		return Generation{}, fmt.Errorf("generation: format %d is not known to this kist", g.Format)
	}
	for _, id := range slices.Concat(g.Receipts, g.Removing) {
		if !id.Valid() {
			return Generation{}, fmt.Errorf("generation %d: id %q is not one", g.Number, id)
		}
	}
	for _, l := range g.Links {
		if !elementary(l.Name) || !l.ID.Valid() || !Local(l.Target) {
			return Generation{}, fmt.Errorf("generation %d: link %q leaves its directory", g.Number, l.Name)
		}
	}
	return g, nil
}

func decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("text after the document")
	}
	return nil
}

func (e Entry) validate() error {
	if !Local(e.Path) {
		return fmt.Errorf("%q is not a path below the prefix", e.Path)
	}
	if e.Mode&^fs.ModePerm != 0 {
		return fmt.Errorf("%q has mode %v", e.Path, e.Mode)
	}
	if e.Type != File && !e.Stamp.IsZero() {
		return fmt.Errorf("%q of type %q has a stamp", e.Path, e.Type)
	}
	switch {
	case e.Type == File && !e.Digest.IsZero() && e.Size >= 0 && e.Target == "",
		e.Type == Dir && e.Digest.IsZero() && e.Target == "",
		e.Type == Link && e.Digest.IsZero() && e.Target != "":
		return nil
	}
	return fmt.Errorf("%q of type %q does not state what that type must", e.Path, e.Type)
}

// Local reports whether p is a slash-separated path in its simplest form that
// stays below where it starts.
func Local(p string) bool {
	return p != "" && p != "." && !path.IsAbs(p) && path.Clean(p) == p && p != ".." && !strings.HasPrefix(p, "../") &&
		!strings.Contains(p, "\x00")
}

package lockfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// An Error reports that a lock is invalid. Its kind is "usage".
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }
func (*Error) Kind() string    { return "usage" }

// Parse reads the lock at path. An unknown key is an error. Errors are *Error.
func Parse(path string, data []byte) (Lock, error) {
	l, err := parse(data)
	if err != nil {
		return Lock{}, &Error{path, err}
	}
	return l, nil
}

func parse(data []byte) (l Lock, err error) {
	if len(data) > MaxFile {
		return l, fmt.Errorf("larger than the limit of %d bytes", MaxFile)
	}
	keys, err := tomldoc.Decode(data, tomldoc.Limits{Tables: 1 << 14, Keys: 1 << 16, Values: 1 << 20})
	if err != nil {
		return l, fmt.Errorf("line %d: %w", tomldoc.LineOf(err), err)
	}
	doc := tomldoc.NewTable(keys)
	doc.Format(1)
	for _, t := range doc.Tables("tool", maxTools) {
		l.Tools = append(l.Tools, parseTool(t))
	}
	if err := doc.End(); err != nil {
		return Lock{}, err
	}
	return l, nil
}

func parseTool(t *tomldoc.Table) (tool Tool) {
	tool.Ask = t.Text("ask")
	tool.Channel, tool.Name, tool.Version = t.Text("channel"), t.Text("name"), t.Text("version")
	tool.Components, tool.Targets = t.Texts("components", maxNames), t.Texts("targets", maxNames)
	tool.Profile, tool.Origin = optional(t, "profile"), optional(t, "origin")
	for _, name := range append([]string{tool.Channel, tool.Name}, append(tool.Components, tool.Targets...)...) {
		if err := manifests.ValidName(name); err != nil {
			t.Fail("%v", err)
		}
	}
	if err := manifests.ValidVersion(tool.Version); err != nil {
		t.Fail("version %v", err)
	}
	tool.Proof = parseProof(t)
	for _, p := range t.Tables("platform", maxPlatforms) {
		tool.Platforms = append(tool.Platforms, parsePlatform(p))
	}
	t.End()
	return tool
}

func parseProof(t *tomldoc.Table) (p Proof) {
	p.Kind = verify.Kind(optional(t, "proof"))
	for _, text := range t.Texts("signers", maxNames) {
		f, err := verify.ParseFingerprint(text)
		if err != nil {
			t.Fail("%v", err)
		}
		p.Signers = append(p.Signers, f)
	}
	if t.Has("serial") {
		p.Serial = uint64(t.Number("serial", 1, 1<<62))
	}
	if t.Has("issued") {
		p.Issued = t.Time("issued").UTC()
	}
	p.Digest = digest(t, "manifest", "sha256")
	for _, text := range t.Texts("manifests", maxNames) {
		d, err := verify.ParseDigest("sha256:" + text)
		if err != nil {
			t.Fail("manifests: %v", err)
		}
		p.Lines = append(p.Lines, d)
	}
	if len(p.Lines) > 0 && !slices.Contains(p.Lines, p.Digest) {
		t.Fail("manifests: the manifest itself is not among them")
	}
	return p
}

func parsePlatform(t *tomldoc.Table) (p Platform) {
	var err error
	if p.Platform, err = manifests.ParsePlatform(t.Text("platform")); err != nil {
		t.Fail("%v", err)
	}
	p.Tree = digest(t, "tree", "sha256")
	for _, f := range t.Tables("files", maxFiles) {
		p.Files = append(p.Files, parseFile(f))
	}
	t.End()
	return p
}

func parseFile(t *tomldoc.Table) (f File) {
	f.Component, f.Name = t.Text("component"), t.Text("name")
	if t.Has("size") {
		f.Size = t.Number("size", 1, manifests.MaxArtifact)
	}
	stated := 0
	for _, key := range []string{"sha256", "sha512", "h1", "signature"} {
		if !t.Has(key) {
			continue
		}
		stated++
		switch key {
		case "h1":
			f.H1 = t.Text(key)
		case "signature":
			f.Signature = digest(t, key, "sha256")
		default:
			f.Digest = digest(t, key, key)
		}
	}
	if stated != 1 || f.H1 != "" && !strings.HasPrefix(f.H1, "h1:") {
		t.Fail("want one of sha256, sha512, h1 and signature")
	}
	t.End()
	return f
}

func optional(t *tomldoc.Table, key string) string {
	if !t.Has(key) {
		return ""
	}
	return t.Text(key)
}

// digest reads the hex digits of a digest, which may be missing.
func digest(t *tomldoc.Table, key, algorithm string) verify.Digest {
	if !t.Has(key) {
		return verify.Digest{}
	}
	d, err := verify.ParseDigest(algorithm + ":" + t.Text(key))
	if err != nil {
		t.Fail("%s: %v", key, err)
	}
	return d
}

package native

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// formatNumber is the only format version that this package reads and writes.
const formatNumber = 1

// parse reads a manifest. With draft, serial, issued and expires may be missing.
func parse(data []byte, draft bool) (*Manifest, error) {
	if len(data) > manifests.MaxManifest {
		return nil, &manifests.TooLargeError{Name: "manifest", Limit: manifests.MaxManifest}
	}
	m := &Manifest{}
	err := readTables(data, func(t *tomldoc.Table) error {
		return m.parseRoot(t, draft)
	}, tableList{"set", m.parseSet}, tableList{"release", func(t *tomldoc.Table) error {
		r, err := parseRelease(t)
		if err == nil && !m.Issued.IsZero() && r.Released.After(m.Issued) {
			t.Fail("it was released at %s, after the manifest was issued", r.Released.UTC().Format(time.RFC3339))
			err = t.Err()
		}
		m.Releases = append(m.Releases, r)
		return err
	}}, tableList{"withdrawn", m.parseWithdrawn})
	if err != nil {
		return nil, err
	}
	if err := m.checkDuplicates(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Manifest) parseRoot(t *tomldoc.Table, draft bool) (err error) {
	if m.Channel, err = readFormat(t); err != nil {
		return err
	}
	if !draft || t.Has("serial") {
		m.Serial = readSerial(t, "serial")
	}
	if !draft || t.Has("issued") {
		m.Issued = t.Time("issued")
	}
	if !draft || t.Has("expires") {
		m.Expires = t.Time("expires")
	}
	return t.End()
}

func parseRelease(t *tomldoc.Table) (Release, error) {
	r := Release{Tool: t.Text("tool"), Version: t.Text("version"), Labels: t.Texts("labels", maxList), Commands: t.Texts("commands", maxList)}
	t.Locate(fmt.Sprintf("%s (%.64s %.64s)", t.Where(), verify.Printable(r.Tool), verify.Printable(r.Version)))
	if err := manifests.ValidName(r.Tool); err != nil {
		t.Fail("tool: %v", err)
	}
	if err := manifests.ValidVersion(r.Version); err != nil {
		t.Fail("version: %v", err)
	}
	if t.Has("released") {
		r.Released = t.Time("released").UTC()
	}
	for _, l := range r.Labels {
		if err := manifests.ValidVersion(l); err != nil {
			t.Fail("label: %v", err)
		}
	}
	for _, c := range r.Commands {
		if err := manifests.ValidPath(c); err != nil {
			t.Fail("command %v", err)
		} else if err := manifests.ValidCommandPattern(c); err != nil {
			t.Fail("%v", err)
		}
	}
	if t.Has("witness") {
		w := t.Table("witness")
		r.Witness = &Witness{Path: w.Text("path"), Contains: w.Text("contains")}
		if err := manifests.ValidPath(r.Witness.Path); err != nil {
			w.Fail("%v", err)
		}
		if r.Witness.Contains == "" {
			w.Fail("contains is empty")
		}
		w.End()
	}
	artifacts := t.Tables("artifact", maxList)
	if err := t.End(); err != nil {
		return Release{}, err
	}
	for _, artifact := range artifacts {
		a, err := parseArtifact(artifact, r.Tool)
		if err != nil {
			return Release{}, err
		}
		r.Artifacts = append(r.Artifacts, a)
	}
	checkComponents(t, r.Artifacts)
	return r, t.End()
}

// parseWithdrawn reads a table that withdraws versions of a tool.
func (m *Manifest) parseWithdrawn(t *tomldoc.Table) error {
	if len(m.Withdrawn) == MaxWithdrawn {
		t.Fail("over the limit of %d tables", MaxWithdrawn)
	}
	w := verify.Withdrawal{Tool: t.Text("tool"), Versions: t.Text("versions"), Reason: t.Text("reason")}
	if err := manifests.ValidName(w.Tool); err != nil {
		t.Fail("tool: %v", err)
	}
	versions, err := manifests.ParseConstraint(w.Versions)
	if err != nil {
		t.Fail("versions: %v", err)
	}
	if strings.TrimSpace(w.Reason) == "" || len(w.Reason) > MaxReason || !utf8.ValidString(w.Reason) || strings.ContainsFunc(w.Reason, unicode.IsControl) {
		t.Fail("reason: want one line of at most %d bytes", MaxReason)
	}
	if t.Has("since") {
		w.Since = t.Time("since").UTC()
	}
	if t.Has("replaced_by") {
		w.ReplacedBy = t.Text("replaced_by")
		if err := manifests.ValidVersion(w.ReplacedBy); err != nil {
			t.Fail("replaced_by: %v", err)
		} else if versions.Holds(w.ReplacedBy, manifests.Order{}) {
			t.Fail("replaced_by: %s is withdrawn too", w.ReplacedBy)
		}
	}
	m.Withdrawn = append(m.Withdrawn, w)
	return t.End()
}

func parseArtifact(t *tomldoc.Table, tool string) (Artifact, error) {
	a := Artifact{Component: tool, Optional: t.Has("optional") && t.Bool("optional"), URLs: t.Texts("urls", maxList), Format: t.Text("format")}
	platform, err := manifests.ParsePlatform(t.Text("platform"))
	if err != nil {
		t.Fail("%v", err)
	}
	a.Platform = platform
	if t.Has("component") {
		a.Component = t.Text("component")
	}
	if err := manifests.ValidName(a.Component); err != nil {
		t.Fail("component: %v", err)
	}
	switch hasPath := t.Has("path"); {
	case hasPath == (len(a.URLs) > 0):
		t.Fail("want either a path or urls")
	case hasPath:
		a.Path = t.Text("path")
		if err := manifests.ValidPath(a.Path); err != nil {
			t.Fail("%v", err)
		}
	}
	for _, u := range a.URLs {
		if err := checkURL(u); err != nil {
			t.Fail("%v", err)
		}
	}
	a.Size = t.Number("size", 1, manifests.MaxArtifact)
	if t.Has("unpacked") {
		a.Unpacked = t.Number("unpacked", 0, manifests.MaxUnpacked)
	}
	if a.SHA256, err = verify.ParseDigest("sha256:" + t.Text("sha256")); err != nil {
		t.Fail("sha256: want 64 hexadecimal digits")
	}
	if t.Has("chunks") {
		if a.Chunks, err = verify.ParseChunks(t.Text("chunks"), a.Size); err != nil {
			t.Fail("chunks: %v", err)
		}
	}
	if !slices.Contains(manifests.Formats(), a.Format) {
		t.Fail("format %q is unknown", a.Format)
	}
	if t.Has("strip") {
		a.Strip = int(t.Number("strip", 0, 16))
	}
	if a.Format == "file" && a.Strip != 0 {
		t.Fail("strip would drop the whole of a single file")
	}
	return a, t.End()
}

// checkComponents checks that a release has a component that is not optional, and that
// its artifacts agree on which components are optional and on the chunks of each file.
func checkComponents(t *tomldoc.Table, artifacts []Artifact) {
	if len(artifacts) == 0 {
		t.Fail("it has no artifact")
		return
	}
	optional := map[string]bool{}
	chunks := map[verify.Digest]verify.Chunks{}
	all := true
	for _, a := range artifacts {
		if a.Chunks.Len() > 0 {
			if was, seen := chunks[a.SHA256]; seen && was != a.Chunks {
				t.Fail("two artifacts with the same digest state different chunks")
			}
			chunks[a.SHA256] = a.Chunks
		}
		if was, seen := optional[a.Component]; seen && was != a.Optional {
			t.Fail("component %s is optional in one artifact and not in another", a.Component)
		}
		optional[a.Component] = a.Optional
		all = all && a.Optional
	}
	if all {
		t.Fail("every component is optional")
	}
}

// checkDuplicates refuses two releases of a tool with the same version or the same
// label. Versions that differ only in what a path cannot represent (case, ":" and "~")
// count as the same.
func (m *Manifest) checkDuplicates() error {
	spell := strings.NewReplacer(":", "_", "~", "_")
	versions, labels := map[[2]string]bool{}, map[[2]string]bool{}
	for i, r := range m.Releases {
		where := fmt.Sprintf("release %d (%s %s)", i+1, r.Tool, r.Version)
		version := [2]string{r.Tool, spell.Replace(strings.ToLower(r.Version))}
		if versions[version] {
			return &manifests.FormatError{Where: where, Rule: "this version is listed twice"}
		}
		versions[version] = true
		for _, l := range r.Labels {
			label := [2]string{r.Tool, l}
			if labels[label] {
				return &manifests.FormatError{Where: where, Rule: fmt.Sprintf("label %q is given twice", l)}
			}
			labels[label] = true
		}
	}
	return nil
}

// checkURL checks that s is the absolute URL of a file, without a user name and
// password, because kist prints it. Its decoded base name becomes a file name, so it
// must pass manifests.ValidPath.
func checkURL(s string) error {
	u, err := manifests.ParseURL(s)
	switch {
	case err != nil, len(s) > 4096, u.Path == "", strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("url %.100q is not the https URL of a file", s)
	case !utf8.ValidString(s+u.Host+u.Path) || strings.ContainsFunc(s+u.Host+u.Path, unicode.IsControl):
		return fmt.Errorf("url %.100q holds a control character", s)
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return fmt.Errorf("url %.100q leaves its directory", s)
	case u.User != nil:
		return fmt.Errorf("url of host %s holds a user name", u.Host)
	}
	if err := manifests.ValidPath(path.Base(u.Path)); err != nil {
		return fmt.Errorf("url %.100q: its last %v", s, err)
	}
	return nil
}

// checkSchemes checks that every URL has the scheme https or own, the scheme of the
// channel's location.
func (m *Manifest) checkSchemes(own string) error {
	for i, r := range m.Releases {
		for j, a := range r.Artifacts {
			for _, s := range a.URLs {
				if u, err := url.Parse(s); err != nil || u.Scheme != "https" && u.Scheme != own {
					return &manifests.FormatError{Where: fmt.Sprintf("release %d (%s %s), artifact %d", i+1, r.Tool, r.Version, j+1),
						Rule: fmt.Sprintf("url %.100q is neither https nor %s, the scheme of the channel", s, own)}
				}
			}
		}
	}
	return nil
}

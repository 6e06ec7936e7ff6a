// Package provenance states how an installed toolchain came to be: which files were
// unpacked, how they were proved, and in which sandbox they were unpacked. The statement is for
// other programs, in the form of in-toto. It says what the receipt says, and is not signed:
// it is as trustworthy as the machine that it was made on. It has no effects.
package provenance

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

const (
	// StatementType is the type of in-toto statements.
	// Source: in-toto attestation framework, spec/v1/statement.md.
	StatementType = "https://in-toto.io/Statement/v1"
	// PredicateType is the type of [Predicate]. docs/inventory.md describes it.
	PredicateType = "https://github.com/kist-tools/kist/install-provenance/v1"
)

// A Statement says that Predicate is true of the files in Subject.
type Statement struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"` // the files that were unpacked, as downloaded
	PredicateType string    `json:"predicateType"`
	Predicate     Predicate `json:"predicate"`
}

// A Subject is a file and its digests in hexadecimal, by algorithm.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// A Predicate says what kist made of the subjects, and why it accepted them.
type Predicate struct {
	Toolchain Toolchain `json:"toolchain"`
	Files     []File    `json:"files"` // the subjects, in their order
	// Evidence is how the document was proved that names the release and, mostly, states
	// the digests of its files. Its kind is empty if no document does: then each file has
	// evidence of its own.
	Evidence  verify.Evidence `json:"evidence"`
	Result    Result          `json:"result"`
	Unpacked  Unpacked        `json:"unpacked"`
	Installed time.Time       `json:"installed"`
	Kist      string          `json:"kist"` // version that installed it
}

// A Toolchain is the release that was installed.
type Toolchain struct {
	Channel    string             `json:"channel"`
	Tool       string             `json:"tool"`
	Version    string             `json:"version"`
	Platform   manifests.Platform `json:"platform"`
	Components []string           `json:"components,omitempty"`
}

// A File is one file that was unpacked.
type File struct {
	Name      string          `json:"name"`
	Component string          `json:"component,omitempty"`
	Version   string          `json:"version,omitempty"` // of the component, if it has its own
	URL       string          `json:"url,omitempty"`     // that the release states; a mirror may have served it
	Size      int64           `json:"size"`
	Evidence  verify.Evidence `json:"evidence"`
}

// A Result is what was made of the files.
type Result struct {
	TreeDigest verify.Digest `json:"tree_digest"` // record.Receipt.TreeDigest
	// RecordedWhileUnpacking reports that the digests of the installed files were taken
	// while the proved bytes were unpacked. False: the receipt does not say.
	RecordedWhileUnpacking bool `json:"recorded_while_unpacking"`
}

// An Unpacked says behind what the files were unpacked.
type Unpacked struct {
	Recorded bool   `json:"recorded"`          // false: the receipt does not say
	Sandbox  string `json:"sandbox,omitempty"` // such as "process limits, system call filter, Landlock 7", or "none"
}

// Of returns the statement about the release of r.
func Of(r record.Receipt) Statement {
	s := Statement{Type: StatementType, Subject: []Subject{}, PredicateType: PredicateType, Predicate: Predicate{
		Toolchain: Toolchain{r.Channel, r.Tool, r.Version, r.Platform, r.Components},
		Files:     []File{},
		Evidence:  r.Evidence,
		Result:    Result{r.TreeDigest(), r.FilesProved},
		Unpacked:  Unpacked{r.Sandbox != "", r.Sandbox},
		Installed: r.Installed.UTC(),
		Kist:      r.Kist,
	}}
	for _, a := range r.Artifacts {
		s.Subject = append(s.Subject, Subject{cmp.Or(a.Name, a.Component), map[string]string{a.Digest.Algorithm(): a.Digest.Hex()}})
		s.Predicate.Files = append(s.Predicate.Files, File{a.Name, a.Component, a.Version, a.URL, a.Size, a.Evidence})
	}
	return s
}

// Encode returns s as indented JSON.
func (s Statement) Encode() ([]byte, error) { return json.MarshalIndent(s, "", "  ") }

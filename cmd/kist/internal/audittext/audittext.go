// Package audittext describes what kist audit found: for people, as JSON, and as SARIF.
package audittext

import (
	"net/url"
	"path/filepath"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/audit"
)

// Result is what kist audit found.
type Result struct {
	Audited  int             `json:"audited"` // installed releases
	Findings []audit.Finding `json:"findings"`
	// Advisories tells how many files of the database were read, and how many records in
	// them are about a package that is installed in some version; nil without a database.
	Advisories *Database `json:"advisories,omitempty"`

	Kist string `json:"-"` // its version, for SARIF
	// AsSARIF makes Render print SARIF.
	AsSARIF bool `json:"-"`
}

// A Database describes a database of advisories.
type Database struct {
	Path    string `json:"path"`
	Files   int    `json:"files"`
	Records int    `json:"records"`
}

// Render writes r as text.
func (r Result) Render(p *term.Page) {
	if r.AsSARIF {
		p.Raw(string(r.SARIF()))
		return
	}
	for i, f := range r.Findings {
		if i == 0 || r.Findings[i-1].Release != f.Release {
			p.Line("%s", f.Release)
		}
		p.Field(f.Rule, f.What)
		p.Field("", "→ "+f.Remedy)
	}
}

// SARIF returns r as a log file of SARIF 2.1.0 with one run. Each finding is a result; its
// location is the directory of the release. Source: the OASIS standard of 2020-03-27.
func (r Result) SARIF() []byte {
	type text struct {
		Text string `json:"text"`
	}
	type rule struct {
		ID    string `json:"id"`
		Short text   `json:"shortDescription"`
	}
	type location struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
		} `json:"physicalLocation"`
		Logical []map[string]string `json:"logicalLocations"`
	}
	type result struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      text              `json:"message"`
		Locations    []location        `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
		Properties   audit.Finding     `json:"properties"`
	}
	type driver struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
		URI     string `json:"informationUri"`
		Rules   []rule `json:"rules"`
	}
	type run struct {
		Tool struct {
			Driver driver `json:"driver"`
		} `json:"tool"`
		Results []result `json:"results"`
	}
	one := run{Results: []result{}}
	one.Tool.Driver = driver{Name: "kist", Version: r.Kist, URI: "https://github.com/kist-tools/kist"}
	index := map[string]int{}
	for i, known := range audit.Rules() {
		index[known.ID] = i
		one.Tool.Driver.Rules = append(one.Tool.Driver.Rules, rule{known.ID, text{known.Means}})
	}
	for _, f := range r.Findings {
		var at location
		at.Physical.Artifact.URI = fileURI(f.Prefix)
		at.Logical = []map[string]string{{"fullyQualifiedName": f.Release, "kind": "package"}}
		level := "error"
		if f.Rule == audit.Lost || f.Rule == audit.Unknown {
			level = "warning"
		}
		one.Results = append(one.Results, result{f.Rule, index[f.Rule], level, text{f.What + ". To do: " + f.Remedy},
			[]location{at}, map[string]string{"kist/v1": f.Rule + " " + f.Release + " " + f.ID + " " + f.Package}, f})
	}
	log := struct {
		Schema  string `json:"$schema"`
		Version string `json:"version"`
		Runs    []run  `json:"runs"`
	}{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []run{one}}
	data, err := term.EncodeJSON(log)
	if err != nil {
		panic(err) // the types above have no value that cannot be encoded
	}
	return data
}

// fileURI returns the file URL of an absolute path.
func fileURI(path string) string {
	slashed := filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		slashed = "/" + slashed
	}
	return (&url.URL{Scheme: "file", Path: slashed}).String()
}

// Command statements writes what .ci/release states about a build: its parts, as a
// CycloneDX document, or where it came from, as an in-toto statement. Both go to the
// standard output, and depend on nothing but the arguments and the files they name.
package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

const repository = "https://github.com/kist-tools/kist"

// build is the release that is described.
type build struct {
	version, commit string
	at              time.Time // when the commit was made
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "statements:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) < 5 {
		return fmt.Errorf("want (sbom VERSION COMMIT EPOCH PROGRAM… | provenance VERSION COMMIT EPOCH DIR)")
	}
	epoch, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return fmt.Errorf("epoch: %w", err)
	}
	b := build{args[1], args[2], time.Unix(epoch, 0).UTC()}
	var statement any
	switch args[0] {
	case "sbom":
		statement, err = b.sbom(args[4:])
	case "provenance":
		statement, err = b.provenance(args[4])
	default:
		err = fmt.Errorf("no statement %q", args[0])
	}
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(statement)
}

// bom is a CycloneDX 1.6 document, as far as it is used here
// (https://cyclonedx.org/docs/1.6/json/).
type bom struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string      `json:"type"`
	Ref        string      `json:"bom-ref"`
	Name       string      `json:"name"`
	Version    string      `json:"version,omitempty"`
	Hashes     []hash      `json:"hashes,omitempty"`
	PURL       string      `json:"purl,omitempty"`
	References []reference `json:"externalReferences,omitempty"`
	Properties []property  `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type reference struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sbom describes the programs and every module that the go command recorded in any of
// them. A program of another commit, or of a changed checkout, is an error.
func (b build) sbom(programs []string) (*bom, error) {
	modules := map[string]component{}
	var files []component
	for _, name := range programs {
		info, err := buildinfo.ReadFile(name)
		if err != nil {
			return nil, err
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if info.Main.Version != "v"+b.version || settings["vcs.revision"] != b.commit || settings["vcs.modified"] != "false" {
			return nil, fmt.Errorf("%s: is version %s of commit %s (modified: %s)", name, info.Main.Version, settings["vcs.revision"], settings["vcs.modified"])
		}
		sum, err := digest(name)
		if err != nil {
			return nil, err
		}
		platform := settings["GOOS"] + "/" + settings["GOARCH"]
		files = append(files, component{Type: "file", Ref: "file:" + platform, Name: filepath.Base(name),
			Hashes: []hash{{"SHA-256", sum}}, Properties: []property{{"kist:platform", platform}}})
		std := "pkg:golang/std@" + info.GoVersion[len("go"):]
		modules[std] = component{Type: "library", Ref: std, Name: "std", Version: info.GoVersion, PURL: std}
		for _, m := range info.Deps {
			if m.Replace != nil {
				return nil, fmt.Errorf("%s: module %s is replaced", name, m.Path)
			}
			purl := "pkg:golang/" + m.Path + "@" + m.Version
			modules[purl] = component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl, Properties: []property{{"kist:go.sum", m.Sum}}}
		}
	}
	slices.SortFunc(files, func(x, y component) int { return cmp.Compare(x.Ref, y.Ref) })
	purl := "pkg:golang/github.com/kist-tools/kist@v" + b.version
	doc := &bom{Format: "CycloneDX", SpecVersion: "1.6", Version: 1, Components: files}
	doc.Metadata = metadata{b.at.Format(time.RFC3339), component{Type: "application", Ref: purl, Name: "kist", Version: b.version, PURL: purl,
		References: []reference{{"vcs", repository + "/commit/" + b.commit}}}}
	for _, ref := range slices.Sorted(maps.Keys(modules)) {
		doc.Components = append(doc.Components, modules[ref])
	}
	return doc, nil
}

// statement is an in-toto statement with SLSA provenance
// (https://in-toto.io/Statement/v1, https://slsa.dev/spec/v1.0/provenance).
type statement struct {
	Type          string     `json:"_type"`
	Subject       []subject  `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     provenance `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type provenance struct {
	Definition struct {
		Type     string            `json:"buildType"`
		External map[string]string `json:"externalParameters"`
		Internal map[string]string `json:"internalParameters"`
		Resolved []resolved        `json:"resolvedDependencies"`
	} `json:"buildDefinition"`
	Details struct {
		Builder map[string]string `json:"builder"`
	} `json:"runDetails"`
}

type resolved struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

// provenance states what the files of dir were built from, and how. It does not name
// the builder, so that every builder of a commit gets the same statement. The signatures
// over SHA256SUMS name the builders.
func (b build) provenance(dir string) (*statement, error) {
	s := &statement{Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1"}
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		sum, err := digest(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		s.Subject = append(s.Subject, subject{e.Name(), map[string]string{"sha256": sum}})
	}
	d := &s.Predicate.Definition
	d.Type = repository + "/blob/v" + b.version + "/.ci/release"
	d.External = map[string]string{"version": b.version}
	d.Internal = map[string]string{"go": runtime.Version(), "command": "go build -trimpath -buildvcs=true -ldflags='-s -w -buildid=' ./cmd/kist", "CGO_ENABLED": "0"}
	d.Resolved = []resolved{{"git+" + repository, map[string]string{"gitCommit": b.commit}}}
	s.Predicate.Details.Builder = map[string]string{"id": repository + "/blob/v" + b.version + "/SECURITY.md"}
	return s, nil
}

func digest(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

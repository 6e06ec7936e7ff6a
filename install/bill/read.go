package bill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The ceilings on a bill that is read.
const (
	MaxFile       = 16 << 20 // bytes
	maxCommas     = 200_000  // before it is decoded: no list has more elements
	maxComponents = 50_000
	maxVersions   = 100     // of one toolchain, and of one part of it
	maxText       = 4 << 10 // bytes of a name, version or property
)

// A FormatError reports that a file is no bill that kist can compare.
type FormatError struct{ File, Problem string }

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s is not a CycloneDX file of kist sbom: %s", e.File, e.Problem)
}

// Kind returns the kind of the failure, for its exit code.
func (*FormatError) Kind() string { return "usage" }

// An Item is what two bills are compared by: a toolchain, or a part of one.
type Item struct {
	Name     string // channel/tool
	Part     string // the name of the part; empty: the toolchain itself
	Version  string
	Platform string
	Digests  []string // of the downloaded file, sorted
	Tree     string   // of the installed files; only of a toolchain
	Signers  []string // primary fingerprints, sorted; only of a toolchain
}

// cdxFile is what Read uses of a CycloneDX document.
type cdxFile struct {
	Format     string         `json:"bomFormat"`
	Components []cdxComponent `json:"components"`
}

type cdxComponent struct {
	Group   string `json:"group"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Hashes  []struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	} `json:"hashes"`
	Properties []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"properties"`
	Components []cdxPart `json:"components"`
}

// A cdxPart is a component without components of its own: a deeper one is not read.
type cdxPart struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Hashes  []struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	} `json:"hashes"`
}

// Read reads the toolchains of a CycloneDX document that kist wrote. Nothing in it is
// proved, and its texts may hold anything. data has at most [MaxFile] bytes. The error is
// a *[FormatError], with file as the name.
func Read(file string, data []byte) ([]Item, error) {
	fail := func(format string, args ...any) ([]Item, error) {
		return nil, &FormatError{file, fmt.Sprintf(format, args...)}
	}
	var doc cdxFile
	switch {
	case len(data) > MaxFile:
		return fail("it has more than %d bytes", MaxFile)
	case !utf8.Valid(data):
		return fail("it is not UTF-8")
	case bytes.Count(data, []byte(",")) > maxCommas:
		return fail("it has more than %d values", maxCommas)
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return fail("%v", err)
	}
	if doc.Format != "CycloneDX" {
		return fail(`its "bomFormat" is not "CycloneDX"`)
	}
	var items []Item
	for n, c := range doc.Components {
		item := Item{Name: c.Group + "/" + c.Name, Version: c.Version}
		for _, h := range c.Hashes {
			item.Digests = append(item.Digests, h.Algorithm+":"+h.Content)
		}
		ours := false
		for _, p := range c.Properties {
			switch p.Name {
			case propertyChannel:
				ours = p.Value == c.Group
			case propertyPlatform:
				item.Platform = p.Value
			case propertyTree:
				item.Tree = p.Value
			case propertySigner:
				item.Signers = append(item.Signers, p.Value)
			}
		}
		if !ours || c.Group == "" || c.Name == "" {
			return fail("component %d has no channel and tool", n+1)
		}
		items = append(items, item.sorted())
		for _, p := range c.Components {
			part := Item{Name: item.Name, Part: p.Name, Version: p.Version, Platform: item.Platform}
			for _, h := range p.Hashes {
				part.Digests = append(part.Digests, h.Algorithm+":"+h.Content)
			}
			if p.Name == "" {
				return fail("component %d has a part without a name", n+1)
			}
			items = append(items, part.sorted())
		}
		if len(items) > maxComponents {
			return fail("it has more than %d components", maxComponents)
		}
	}
	for _, item := range items {
		if item.longest() > maxText {
			return fail("a text in it has more than %d bytes", maxText)
		}
	}
	for key, versions := range group(items) {
		if len(versions) > maxVersions {
			return fail("it has more than %d versions of %s", maxVersions, strings.TrimSuffix(key.name+" "+key.part, " "))
		}
	}
	return items, nil
}

// sorted returns i with its lists in order, each value once.
func (i Item) sorted() Item {
	slices.Sort(i.Digests)
	slices.Sort(i.Signers)
	i.Digests, i.Signers = slices.Compact(i.Digests), slices.Compact(i.Signers)
	return i
}

// longest returns the length of the longest text of i.
func (i Item) longest() int {
	return max(len(i.Name), len(i.Part), len(i.Version), len(i.Platform), len(i.Tree), len(strings.Join(i.Digests, "")), len(strings.Join(i.Signers, "")))
}

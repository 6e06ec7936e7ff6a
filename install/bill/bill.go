// Package bill describes installed toolchains as a software bill of materials: what each
// is made of, with package URLs and digests, and how it was proved. It writes CycloneDX
// and SPDX, and compares two bills.
//
// A bill holds what receipts state, and nothing of the machine or its user: two machines
// that installed the same releases by the same documents have equal bills, apart from the
// time. Nothing is guessed: what no upstream states is left out. It has no effects.
package bill

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// An Installed is an installed release, and the digest of its files.
type Installed struct {
	record.Head
	Tree verify.Digest // record.Receipt.TreeDigest
}

// A Bill lists toolchains.
type Bill struct {
	Made       time.Time // when what it describes last changed, or as the user says
	Kist       string    // version of kist that makes the bill
	Components []Component
}

// A Component is a toolchain, or a part of one.
type Component struct {
	Ref        string // unique in the bill
	Kind       Kind
	Group      string // the channel, of a toolchain
	Name       string
	Version    string
	PURL       string        // package URL
	URL        string        // where the file comes from; may be empty
	Digest     verify.Digest // of the file as downloaded; zero for a toolchain of several files
	Properties []Property
	Parts      []Component // the files of a toolchain of several; they have no parts
}

// A Kind is what a Component is.
type Kind string

// The kinds of components.
const (
	Toolchain Kind = "toolchain"
	Package   Kind = "package" // of a distribution
	Archive   Kind = "archive"
)

// A Property is a fact that the formats have no field for. Names begin with "kist:", and
// may repeat.
type Property struct{ Name, Value string }

// The properties of components.
const (
	propertyChannel   = "kist:channel"
	propertyPlatform  = "kist:platform"
	propertyComponent = "kist:component"
	propertyTree      = "kist:tree-digest"
	propertyProof     = "kist:proof"
	propertySigner    = "kist:signer"
)

// Make describes installed releases. A release that two stores hold with the same files
// is listed once.
func Make(installed []Installed, made time.Time, kist string) Bill {
	if made.IsZero() {
		made = time.Unix(0, 0) // nothing was ever installed
	}
	b := Bill{Made: made.UTC().Truncate(time.Second), Kist: kist}
	trees := map[string]verify.Digest{} // by Ref
	for _, r := range installed {
		c := toolchain(r)
		if tree, taken := trees[c.Ref]; taken {
			if tree == r.Tree {
				continue
			}
			c = rename(c, c.Ref+"#"+r.Tree.Hex())
			if _, taken := trees[c.Ref]; taken {
				continue
			}
		}
		trees[c.Ref] = r.Tree
		b.Components = append(b.Components, c)
	}
	slices.SortFunc(b.Components, func(x, y Component) int { return strings.Compare(x.Ref, y.Ref) })
	return b
}

// rename gives c and its parts another Ref.
func rename(c Component, ref string) Component {
	for i := range c.Parts {
		c.Parts[i].Ref = ref + strings.TrimPrefix(c.Parts[i].Ref, c.Ref)
	}
	c.Ref = ref
	return c
}

func toolchain(r Installed) Component {
	c := Component{Ref: r.Ref(), Kind: Toolchain, Group: r.Channel, Name: r.Tool, Version: r.Version}
	add := func(name, value string) {
		if value != "" {
			c.Properties = append(c.Properties, Property{name, value})
		}
	}
	add(propertyChannel, r.Channel)
	add(propertyPlatform, r.Platform.String())
	for _, name := range r.Components {
		add(propertyComponent, name)
	}
	add(propertyTree, r.Tree.String())
	for _, e := range proofs(r.Head) {
		c.Properties = append(c.Properties, describe(e)...)
	}
	c.PURL = purl{Type: "generic", Name: r.Tool, Version: r.Version}.String()
	if len(r.Artifacts) == 1 && !isPackage(r.Head, r.Artifacts[0]) {
		file := part(r.Head, r.Artifacts[0], "")
		c.PURL, c.URL, c.Digest = file.PURL, file.URL, file.Digest
		return c
	}
	seen := map[string]bool{}
	for _, a := range r.Artifacts {
		p := part(r.Head, a, c.Ref)
		if seen[p.Ref] {
			p.Ref += "/" + a.Digest.Hex()
		}
		seen[p.Ref] = true
		c.Parts = append(c.Parts, p)
	}
	slices.SortStableFunc(c.Parts, func(x, y Component) int { return strings.Compare(x.Ref, y.Ref) })
	return c
}

// part describes one file of a toolchain.
func part(r record.Head, a record.Artifact, of string) Component {
	name := cmp.Or(a.Component, a.Name)
	c := Component{Ref: of + "/" + name, Kind: Archive, Name: name, Version: cmp.Or(a.Version, r.Version), URL: a.URL, Digest: a.Digest}
	switch {
	case isPackage(r, a):
		named, version, arch := splitPackage(a.Name)
		c.Kind, c.Name, c.Version = Package, cmp.Or(a.Component, named), cmp.Or(a.Version, version)
		p := purl{Type: "deb", Name: c.Name, Version: c.Version, Qualifiers: map[string]string{"arch": arch}}
		if vendor, suite := distribution(r.Channel); vendor != "" {
			p.Namespace, p.Qualifiers["distro"] = []string{vendor}, suite
			c.PURL = p.String()
			return c
		}
	case a.Evidence.Kind == verify.ByTree:
		c.PURL = goModule(a.Evidence.Name)
		return c
	}
	if of == "" {
		name = r.Tool
	}
	c.PURL = purl{Type: "generic", Name: name, Version: c.Version,
		Qualifiers: map[string]string{"checksum": a.Digest.String(), "download_url": a.URL}}.String()
	return c
}

// isPackage reports whether a is a package of a distribution built like Debian.
func isPackage(r record.Head, a record.Artifact) bool {
	return a.Layout.Format == "deb" && debian.IsIndex(r.Evidence.Name)
}

// splitPackage splits the name of a package's file, NAME_VERSION_ARCHITECTURE.deb, in
// which the version lacks its epoch. Source: Debian Policy, section 5.6.12.
func splitPackage(file string) (name, version, arch string) {
	fields := strings.Split(strings.TrimSuffix(file, ".deb"), "_")
	if len(fields) != 3 {
		return fields[0], "", ""
	}
	return fields[0], fields[1], fields[2]
}

// distribution returns whose packages a channel has, and of which release, in the words of
// package URLs. vendor is empty for a channel that is not built in: kist does not know.
func distribution(channel string) (vendor, suite string) {
	vendor, suite, _ = strings.Cut(channel, "-")
	if !trust.IsBuiltinChannel(channel) || suite == "" {
		return "", ""
	}
	return vendor, suite
}

// proofs returns the evidence for a release: that of the documents that name it, else that
// of its files, each once.
func proofs(r record.Head) (all []verify.Evidence) {
	if r.Evidence.Kind != "" {
		return append([]verify.Evidence{r.Evidence}, r.Evidence.Also...)
	}
	for _, a := range r.Artifacts {
		if !slices.ContainsFunc(all, func(e verify.Evidence) bool { return e.Name == a.Evidence.Name && e.Digest == a.Evidence.Digest }) {
			all = append(all, a.Evidence)
		}
	}
	return all
}

// describe describes how something was proved, the signed document first.
func describe(e verify.Evidence) (list []Property) {
	if e.Parent != nil {
		list = describe(*e.Parent)
		return append(list, Property{"kist:index", nameOf(e)}, Property{"kist:index-digest", e.Digest.String()})
	}
	list = append(list, Property{propertyProof, string(e.Kind)})
	if t := e.Tree; t != nil {
		return append(list, Property{"kist:checksum-database", t.Name}, Property{"kist:content-hash", t.H1})
	}
	list = append(list, Property{"kist:manifest", nameOf(e)}, Property{"kist:manifest-digest", e.Digest.String()})
	for _, s := range e.Signers {
		list = append(list, Property{propertySigner, string(s.Primary)})
	}
	return list
}

// nameOf returns the location of what e proves. Of a path of this machine it returns the
// last element.
func nameOf(e verify.Evidence) string {
	if strings.HasPrefix(e.Name, "https://") || strings.HasPrefix(e.Name, "http://") {
		return manifests.Redact(e.Name)
	}
	return path.Base(strings.ReplaceAll(e.Name, `\`, "/"))
}

// SignersOf returns the primary keys, sorted, whose signatures prove an installed release:
// none if a checksum database proves it.
func SignersOf(r record.Head) (keys []verify.Fingerprint) {
	for _, e := range proofs(r) {
		for _, s := range e.Root().Signers {
			keys = append(keys, s.Primary)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// ParseEpoch reads the value of SOURCE_DATE_EPOCH: seconds since 1970, in decimal, up to the
// year 9999. Source: the reproducible-builds.org specification of that variable.
func ParseEpoch(text string) (time.Time, error) {
	const last = 253402300799 // 9999-12-31T23:59:59Z
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds > last {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: want seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

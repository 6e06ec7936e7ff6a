package bill

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/kist-tools/kist/verify"
)

// namespace is the beginning of the names of SPDX documents. Nothing is served there.
const namespace = "https://github.com/kist-tools/kist/spdx/"

// noAssertion says that kist does not know. SPDX 2.3, clause 7.13.
const noAssertion = "NOASSERTION"

// SPDX returns b in the JSON form of SPDX 2.3. The name of the document is derived from its
// content, so that equal bills are equal files. Properties become annotations.
func (b Bill) SPDX() ([]byte, error) {
	made := b.Made.Format(time.RFC3339)
	doc := spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: "toolchains installed by kist",
		CreationInfo: &spdx.CreationInfo{Created: made, Creators: []common.Creator{{CreatorType: "Tool", Creator: "kist-" + b.Kist}}},
	}
	relate := func(from common.ElementID, how string, to common.ElementID) {
		doc.Relationships = append(doc.Relationships, &spdx.Relationship{
			RefA: common.DocElementID{ElementRefID: from}, RefB: common.DocElementID{ElementRefID: to}, Relationship: how,
		})
	}
	for _, c := range b.Components {
		out := spdxPackage(c, made)
		doc.Packages = append(doc.Packages, out)
		relate(doc.SPDXIdentifier, common.TypeRelationshipDescribe, out.PackageSPDXIdentifier)
		for _, p := range c.Parts {
			contained := spdxPackage(p, made)
			doc.Packages = append(doc.Packages, contained)
			relate(out.PackageSPDXIdentifier, common.TypeRelationshipContains, contained.PackageSPDXIdentifier)
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	doc.DocumentNamespace = namespace + uuidOf(text)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(doc)
	return out.Bytes(), err
}

func spdxPackage(c Component, made string) *spdx.Package {
	p := &spdx.Package{
		PackageName: c.Name, PackageSPDXIdentifier: spdxID(c.Ref), PackageVersion: c.Version, PackageDownloadLocation: noAssertion,
		PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion,
		PackageExternalReferences: []*spdx.PackageExternalReference{{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: c.PURL}},
	}
	switch c.Kind {
	case Toolchain:
		p.PrimaryPackagePurpose = "APPLICATION"
	case Archive:
		p.PrimaryPackagePurpose = "ARCHIVE"
	}
	if c.URL != "" {
		p.PackageDownloadLocation = c.URL
	}
	if !c.Digest.IsZero() {
		p.PackageChecksums = []common.Checksum{{Algorithm: spdxAlgorithm(c.Digest), Value: c.Digest.Hex()}}
	}
	for _, property := range c.Properties {
		p.Annotations = append(p.Annotations, spdx.Annotation{
			Annotator: common.Annotator{AnnotatorType: "Tool", Annotator: "kist"}, AnnotationDate: made, AnnotationType: "OTHER",
			AnnotationComment: property.Name + "=" + property.Value,
		})
	}
	return p
}

func spdxAlgorithm(d verify.Digest) common.ChecksumAlgorithm {
	if d.Algorithm() == "sha512" {
		return common.SHA512
	}
	return common.SHA256
}

// spdxID returns the identifier of the component ref: its letters, digits, dots and
// hyphens, and a digest, since two refs may have the same ones. SPDX 2.3, clause 7.2.
func spdxID(ref string) common.ElementID {
	plain := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' {
			return c
		}
		return '-'
	}, ref)
	return common.ElementID(plain + "-" + verify.DigestOf([]byte(ref)).Hex()[:8])
}

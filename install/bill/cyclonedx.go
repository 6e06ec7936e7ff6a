package bill

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/kist-tools/kist/verify"
)

// CycloneDX returns b in the JSON form of CycloneDX 1.6. Its serial number is derived from
// its content, so that equal bills are equal files.
func (b Bill) CycloneDX() ([]byte, error) {
	doc := cdx.NewBOM()
	doc.Metadata = &cdx.Metadata{
		Timestamp: b.Made.Format(time.RFC3339),
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "kist", Version: b.Kist}}},
	}
	components, dependencies := []cdx.Component{}, []cdx.Dependency{}
	for _, c := range b.Components {
		out := cycloneDX(c)
		var parts []cdx.Component
		var refs []string
		for _, p := range c.Parts {
			parts, refs = append(parts, cycloneDX(p)), append(refs, p.Ref)
			dependencies = append(dependencies, cdx.Dependency{Ref: p.Ref})
		}
		dependency := cdx.Dependency{Ref: c.Ref}
		if len(parts) > 0 {
			out.Components, dependency.Dependencies = &parts, &refs
		}
		components, dependencies = append(components, out), append(dependencies, dependency)
	}
	doc.Components, doc.Dependencies = &components, &dependencies
	text, err := encodeCycloneDX(doc)
	if err != nil {
		return nil, err
	}
	doc.SerialNumber = "urn:uuid:" + uuidOf(text)
	return encodeCycloneDX(doc)
}

func encodeCycloneDX(doc *cdx.BOM) ([]byte, error) {
	var out bytes.Buffer
	e := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := e.EncodeVersion(doc, cdx.SpecVersion1_6); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func cycloneDX(c Component) cdx.Component {
	out := cdx.Component{BOMRef: c.Ref, Type: cycloneDXType(c.Kind), Group: c.Group, Name: c.Name, Version: c.Version, PackageURL: c.PURL}
	var hashes *[]cdx.Hash
	if !c.Digest.IsZero() {
		hashes = &[]cdx.Hash{{Algorithm: cycloneDXAlgorithm(c.Digest), Value: c.Digest.Hex()}}
	}
	out.Hashes = hashes
	if c.URL != "" {
		out.ExternalReferences = &[]cdx.ExternalReference{{URL: c.URL, Type: cdx.ERTypeDistribution, Hashes: hashes}}
	}
	var properties []cdx.Property
	for _, p := range c.Properties {
		properties = append(properties, cdx.Property{Name: p.Name, Value: p.Value})
	}
	if len(properties) > 0 {
		out.Properties = &properties
	}
	return out
}

func cycloneDXType(k Kind) cdx.ComponentType {
	switch k {
	case Package:
		return cdx.ComponentTypeLibrary // what scanners take a distribution's packages for
	case Archive:
		return cdx.ComponentTypeFile
	}
	return cdx.ComponentTypeApplication
}

func cycloneDXAlgorithm(d verify.Digest) cdx.HashAlgorithm {
	if d.Algorithm() == "sha512" {
		return cdx.HashAlgoSHA512
	}
	return cdx.HashAlgoSHA256
}

// uuidOf returns a UUID that is derived from text. RFC 9562, section 5.8 (version 8).
func uuidOf(text []byte) string {
	sum := sha256.Sum256(text)
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

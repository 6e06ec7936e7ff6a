package bill_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/kist-tools/kist/install/bill"
)

// cycloneDXSchema compiles the official schema of CycloneDX 1.6.
func cycloneDXSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	for _, name := range []string{"bom-1.6", "jsf-0.82", "spdx"} {
		file, err := os.Open(filepath.Join("testdata", "schema", name+".schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		doc, err := jsonschema.UnmarshalJSON(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("http://cyclonedx.org/schema/"+name+".schema.json", doc); err != nil {
			t.Fatal(err)
		}
	}
	c.AssertFormat()
	schema, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(doc)
}

func cycloneDX(t *testing.T, list ...bill.Installed) []byte {
	t.Helper()
	text, err := bill.Make(list, made, "1.0").CycloneDX()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestCycloneDXSchema holds bills against the official schema, and shows that the schema
// refuses what is wrong.
func TestCycloneDXSchema(t *testing.T) {
	schema := cycloneDXSchema(t)
	for name, list := range map[string][]bill.Installed{"nothing": nil, "samples": samples(), "hostile": {hostile()}} {
		if err := validate(t, schema, cycloneDX(t, list...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := string(cycloneDX(t, samples()...))
	for _, edit := range [][2]string{{`"type": "application"`, `"type": "toolchain"`}, {`"SHA-256"`, `"CRC"`}, {`"specVersion": "1.6"`, `"specVersion": 1.6`},
		{`"serialNumber": "urn:uuid:`, `"serialNumber": "`}, {`"purl"`, `"package"`}} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if bad == good || validate(t, schema, []byte(bad)) == nil {
			t.Errorf("the schema accepts %s", edit[1])
		}
	}
}

// TestSPDXSchema holds bills against the official schema of SPDX 2.3, and shows that the
// schema refuses what is wrong.
func TestSPDXSchema(t *testing.T) {
	file, err := os.Open(filepath.Join("testdata", "schema", "spdx-2.3.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	doc, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("http://spdx.org/rdf/terms/2.3", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("http://spdx.org/rdf/terms/2.3")
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][]bill.Installed{"nothing": nil, "samples": samples(), "hostile": {hostile()}} {
		text, err := bill.Make(list, made, "1.0").SPDX()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	text, err := bill.Make(samples(), made, "1.0").SPDX()
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{{`"SHA256"`, `"CRC"`}, {`"dataLicense"`, `"licence"`}, {`"referenceType"`, `"type"`}, {`"relationshipType": "DESCRIBES"`, `"relationshipType": "SHOWS"`}} {
		bad := strings.Replace(string(text), edit[0], edit[1], 1)
		if bad == string(text) || validate(t, schema, []byte(bad)) == nil {
			t.Errorf("the schema accepts %s", edit[1])
		}
	}
}

// TestSPDXReader reads the SPDX form with the reader of the SPDX project, which refuses
// unknown relationships and identifiers, and compares it with the CycloneDX form.
func TestSPDXReader(t *testing.T) {
	for name, list := range map[string][]bill.Installed{"nothing": nil, "samples": samples(), "hostile": {hostile()}} {
		b := bill.Make(list, made, "1.0")
		text, err := b.SPDX()
		if err != nil {
			t.Fatal(err)
		}
		doc, err := spdxjson.Read(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := spdxlib.ValidateDocument(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var want, got []string
		for _, c := range b.Components {
			want = append(want, c.PURL)
			for _, p := range c.Parts {
				want = append(want, p.PURL)
			}
		}
		ids := regexp.MustCompile(`^[a-zA-Z0-9.-]+$`) // SPDX 2.3, clause 7.2
		for _, p := range doc.Packages {
			got = append(got, p.PackageExternalReferences[0].Locator)
			if !ids.MatchString(string(p.PackageSPDXIdentifier)) || p.PackageLicenseDeclared != "NOASSERTION" {
				t.Errorf("%s: %s, licence %s", name, p.PackageSPDXIdentifier, p.PackageLicenseDeclared)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: packages %q, want %q", name, got, want)
		}
		if len(doc.Relationships) != len(want) || doc.CreationInfo.Created != "2026-11-30T11:00:00Z" {
			t.Errorf("%s: %d relationships, created %s", name, len(doc.Relationships), doc.CreationInfo.Created)
		}
	}
}

func TestPackageURLs(t *testing.T) {
	want := map[string]string{
		"acme/hello@1.0":                                    "pkg:generic/hello@1.0?checksum=sha256:" + digest("hello1.0").Hex() + "&download_url=https:%2F%2Facme.example%2Fhello-1.0.tar.gz%3Fa%3D1%26b%3D2",
		"debian-bookworm/gcc@4:12.2.0-3":                    "pkg:generic/gcc@4:12.2.0-3",
		"debian-bookworm/gcc@4:12.2.0-3/gcc":                "pkg:deb/debian/gcc@4:12.2.0-3?arch=amd64&distro=bookworm",
		"debian-bookworm/gcc@4:12.2.0-3/gcc-doc":            "pkg:deb/debian/gcc-doc@5:1~rc1?arch=all&distro=bookworm",
		"debian-bookworm/gcc@4:12.2.0-3/libstdc++6":         "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=bookworm",
		"go/go@1.26.8":                                      "pkg:golang/golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64",
		"julia/julia@1.12.0":                                "pkg:generic/julia@1.12.0?checksum=sha256:" + digest("julia").Hex(),
		"rust/rust@1.95.0":                                  "pkg:generic/rust@1.95.0",
		"rust/rust@1.95.0/rustc":                            "pkg:generic/rustc@1.95.0?checksum=sha256:" + digest("rustc").Hex(),
		"rust/rust@1.95.0/rust-std":                         "pkg:generic/rust-std@1.95.0?checksum=sha256:" + digest("std1").Hex(),
		"rust/rust@1.95.0/rust-std/" + digest("std2").Hex(): "pkg:generic/rust-std@1.95.0?checksum=sha256:" + digest("std2").Hex(),
	}
	got := map[string]string{}
	for _, c := range bill.Make(samples(), made, "1.0").Components {
		for _, c := range append([]bill.Component{c}, c.Parts...) {
			got[c.Ref] = c.PURL
			if want[c.Ref] != c.PURL {
				t.Errorf("%s is %s, want %s", c.Ref, c.PURL, want[c.Ref])
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d components, want %d", len(got), len(want))
	}
	// A channel that a user added can have any packages.
	added := samples()[1]
	added.Channel = "debian-mine"
	for _, p := range bill.Make([]bill.Installed{added}, made, "1.0").Components[0].Parts {
		if !strings.HasPrefix(p.PURL, "pkg:generic/") {
			t.Errorf("%s of a channel that kist does not know is %s", p.Ref, p.PURL)
		}
	}
}

// TestBillSaysHowItWasProved checks signers, documents and digests, and that neither paths
// of the machine nor passwords are in a bill.
func TestBillSaysHowItWasProved(t *testing.T) {
	text := string(cycloneDX(t, append(samples(), hostile())...))
	for _, want := range []string{string(alice), string(bob), digest("https://acme.example/channel.toml").String(), digest("index").String(),
		"sum.golang.org", "h1:x=", digest("gogo1.26.8").String(), `"channel-rust.toml"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in the bill", want)
		}
	}
	for _, secret := range []string{"/home/user", "secret", "password"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in the bill", secret)
		}
	}
}

// TestBillsAreDeterministic: the order of the receipts does not count, a release in two
// stores is listed once, and two releases of one name are told apart.
func TestBillsAreDeterministic(t *testing.T) {
	want := cycloneDX(t, samples()...)
	wantSPDX, err := bill.Make(samples(), made, "1.0").SPDX()
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		list := append(samples(), samples()...)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if !bytes.Equal(cycloneDX(t, list...), want) {
			t.Fatalf("seed %d: another bill", seed)
		}
		if got, err := bill.Make(list, made, "1.0").SPDX(); err != nil || !bytes.Equal(got, wantSPDX) {
			t.Fatalf("seed %d: another SPDX bill, %v", seed, err)
		}
	}
	other := samples()[1]
	other.Tree = digest("other components")
	text := cycloneDX(t, samples()[1], other)
	refs := regexp.MustCompile(`"bom-ref": "(.*)"`).FindAllSubmatch(text, -1)
	seen := map[string]bool{}
	for _, ref := range refs {
		if seen[string(ref[1])] {
			t.Errorf("%s twice", ref[1])
		}
		seen[string(ref[1])] = true
	}
	if len(seen) != 8 {
		t.Errorf("%d refs, want 8", len(seen))
	}
	if err := validate(t, cycloneDXSchema(t), text); err != nil {
		t.Error(err)
	}
	later, err := bill.Make(samples(), made.Add(time.Hour), "1.0").CycloneDX()
	if err != nil || serial(t, later) == serial(t, want) {
		t.Errorf("another time has the same serial number, %v", err)
	}
}

func serial(t *testing.T, text []byte) string {
	t.Helper()
	var doc struct{ SerialNumber string }
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.SerialNumber
}

func TestParseEpoch(t *testing.T) {
	for text, want := range map[string]string{"0": "1970-01-01T00:00:00Z", "1796040000": "2026-11-30T12:00:00Z", "253402300799": "9999-12-31T23:59:59Z"} {
		if got, err := bill.ParseEpoch(text); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5", "0x10", "253402300800", "now", " 1"} {
		if got, err := bill.ParseEpoch(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

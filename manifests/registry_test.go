package manifests_test

import (
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestRegistryRefs(t *testing.T) {
	hex := strings.Repeat("a", 64)
	for ref, want := range map[string]string{ // "": refused
		"oci://registry.example/acme/tools":                                     "oci://registry.example/acme/tools",
		"oci://registry.example/acme/tools:head":                                "oci://registry.example/acme/tools",
		"OCI://Registry.Example:5000/acme":                                      "oci://registry.example:5000/acme",
		"oci://registry.example/a__b/c.d-e--f:v1.2_3":                           "oci://registry.example/a__b/c.d-e--f:v1.2_3",
		"oci://registry.example/acme:head/channel.toml":                         "oci://registry.example/acme:head/channel.toml",
		"oci://registry.example/acme:x/keys/2%20b.toml":                         "oci://registry.example/acme:x/keys/2%20b.toml",
		"oci://registry.example/acme@sha256:" + hex:                             "oci://registry.example/acme@sha256:" + hex,
		"oci://[::1]:5000/acme":                                                 "oci://[::1]:5000/acme",
		"oci://registry.example/m:head/https://go.dev/dl/":                      "oci://registry.example/m:head/https://go.dev/dl/",
		"oci://registry.example/m:x/https://proxy.example:8080/a/@v/v1%2Fb.zip": "oci://registry.example/m:x/https://proxy.example:8080/a/@v/v1%2Fb.zip",
		"oci://registry.example/m:x/https://u:p@h.example/a":                    "",
		"oci://registry.example/m:x/https://h.example/a?b":                      "",
		"oci://registry.example/m:x/https://H.example/a":                        "",
		"oci://registry.example/m:x/file:///etc/passwd":                         "",
		"https://registry.example/acme":                                         "",
		"oci:registry.example/acme":                                             "",
		"oci://registry.example":                                                "",
		"oci://registry.example/":                                               "",
		"oci:///acme":                                                           "",
		"oci://registry.example/Acme":                                           "",
		"oci://registry.example/acme/":                                          "",
		"oci://registry.example//acme":                                          "",
		"oci://registry.example/../acme":                                        "",
		"oci://registry.example/acme:":                                          "",
		"oci://registry.example/acme:.x":                                        "",
		"oci://registry.example/acme:x/../y":                                    "",
		"oci://registry.example/acme:x/%2e%2e/y":                                "",
		"oci://registry.example/acme?x":                                         "",
		"oci://registry.example/acme#x":                                         "",
		"oci://user@registry.example/acme":                                      "",
		"oci://user:pw@registry.example/acme":                                   "",
		"oci://registry.example:x/acme":                                         "",
		"oci://registry.example/acme@sha512:" + hex + hex:                       "",
		"oci://registry.example/acme@sha256:abc":                                "",
		"oci://registry.example/" + strings.Repeat("a", 256):                    "",
		"oci://registry.example/acme:" + strings.Repeat("a", 129):               "",
	} {
		r, err := manifests.ParseRegistryRef(ref)
		if want == "" && err == nil || want != "" && (err != nil || r.String() != want) {
			t.Errorf("%s: %q, %v; want %q", ref, r, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: the error repeats a password: %v", ref, err)
		}
	}
}

func TestRegistryLocations(t *testing.T) {
	const manifest = "channel.toml"
	for where, want := range map[string]string{
		"oci://registry.example/acme":                                   "oci://registry.example/acme:head/channel.toml",
		"oci://registry.example/acme:x":                                 "oci://registry.example/acme:x/channel.toml",
		"oci://registry.example/acme:x/channel.toml":                    "oci://registry.example/acme:x/channel.toml",
		"oci://registry.example/acme:x/other.toml":                      "",
		"oci://registry.example/acme@sha256:" + strings.Repeat("a", 64): "",
	} {
		got, err := manifests.Locate(where, "/", manifest)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", where, got, err, want)
		}
		if err != nil {
			continue
		}
		if short := manifests.ShortLocation(got); short != strings.TrimSuffix(strings.TrimSuffix(got, "/channel.toml"), ":head") {
			t.Errorf("%s is shown as %s", got, short)
		}
		keys, err := manifests.Join(got, "keys/2.toml")
		if err != nil || keys != strings.TrimSuffix(got, manifest)+"keys/2.toml" {
			t.Errorf("%s: its keys are %s, %v", got, keys, err)
		}
		d := verify.DigestOf([]byte("x"))
		blob, err := manifests.JoinArtifact(got, "blobs/x", d)
		if err != nil || blob != "oci://registry.example/acme@sha256:"+d.Hex() {
			t.Errorf("%s: its blob is %s, %v", got, blob, err)
		}
		if _, err := manifests.JoinArtifact(got, "../x", d); err == nil {
			t.Errorf("%s: a path that leaves the directory is accepted", got)
		}
	}
	if ref, err := manifests.JoinArtifact("https://a.example/channel.toml", "blobs/x", verify.Digest{}); err != nil || ref != "https://a.example/blobs/x" {
		t.Errorf("from a web server: %s, %v", ref, err)
	}
}

func FuzzRegistryRef(f *testing.F) {
	f.Add("oci://registry.example:5000/acme/tools:head/keys/1.toml")
	f.Add("oci://registry.example/acme@sha256:" + strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, ref string) {
		r, err := manifests.ParseRegistryRef(ref)
		if err != nil {
			return
		}
		again, err := manifests.ParseRegistryRef(r.String())
		if err != nil || again != r {
			t.Errorf("%q: %q, then %q, %v", ref, r, again, err)
		}
	})
}

package provenance_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/provenance"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func receipt() record.Receipt {
	return record.Receipt{Head: record.Head{
		Channel: "acme", Tool: "hello", Version: "1.0", Platform: manifests.Platform{OS: "linux", Arch: "amd64"}, Components: []string{"hello"},
		Evidence: verify.Evidence{Kind: verify.ByDetached, Name: "https://acme.example/channel.toml", Digest: verify.DigestOf([]byte("manifest")),
			Signers: []verify.Signer{{Primary: "AAAA", Key: "AAAA"}}, Mark: &verify.Mark{Channel: "acme", Serial: 7}},
		Artifacts: []record.Artifact{
			{Name: "hello.tar", Component: "hello", URL: "https://acme.example/hello.tar", Size: 5, Digest: verify.DigestOf([]byte("hello"))},
			{Name: "docs.tar", Component: "docs", Size: 4, Digest: verify.DigestOf([]byte("docs"))},
		},
		Sandbox: "process limits, Landlock 7", FilesProved: true, Prefix: "/home/user/prefix", Kist: "1.0",
		Installed: time.Date(2026, 11, 30, 13, 0, 0, 0, time.FixedZone("elsewhere", 3600)),
	}, Entries: []record.Entry{{Path: "bin", Type: record.Dir, Mode: 0o755}}}
}

// TestStatement checks the fields that in-toto's Statement v1 demands, and that the
// predicate has what the receipt says, without the paths of the machine.
func TestStatement(t *testing.T) {
	text, err := provenance.Of(receipt()).Encode()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Type          string `json:"_type"`
		PredicateType string `json:"predicateType"`
		Subject       []struct {
			Name   string
			Digest map[string]string
		}
		Predicate struct {
			Toolchain map[string]any
			Files     []struct{ URL string }
			Evidence  struct {
				Mark    struct{ Serial int }
				Signers []struct{ Primary string }
			}
			Result struct {
				TreeDigest string `json:"tree_digest"`
				Recorded   bool   `json:"recorded_while_unpacking"`
			}
			Unpacked  provenance.Unpacked
			Installed string
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	p := got.Predicate
	switch {
	case got.Type != "https://in-toto.io/Statement/v1", got.PredicateType != provenance.PredicateType,
		len(got.Subject) != 2, got.Subject[0].Name != "hello.tar", got.Subject[0].Digest["sha256"] != verify.DigestOf([]byte("hello")).Hex(), len(got.Subject[0].Digest) != 1,
		got.Subject[1].Digest["sha256"] != verify.DigestOf([]byte("docs")).Hex(),
		len(p.Files) != 2, p.Files[0].URL != "https://acme.example/hello.tar", p.Toolchain["version"] != "1.0", p.Toolchain["platform"] != "linux/amd64",
		p.Evidence.Mark.Serial != 7, p.Evidence.Signers[0].Primary != "AAAA",
		p.Result.TreeDigest != receipt().TreeDigest().String(), !p.Result.Recorded, p.Installed != "2026-11-30T12:00:00Z",
		p.Unpacked != provenance.Unpacked{Recorded: true, Sandbox: "process limits, Landlock 7"}:
		t.Errorf("%s", text)
	}
	if strings.Contains(string(text), "/home/user") {
		t.Errorf("it names a directory of the machine: %s", text)
	}
}

// TestUnpacked: a receipt that does not say how it was unpacked is not taken to say "in no
// sandbox".
func TestUnpacked(t *testing.T) {
	for sandbox, want := range map[string]provenance.Unpacked{"": {}, "none": {Recorded: true, Sandbox: "none"}, "Landlock 7": {Recorded: true, Sandbox: "Landlock 7"}} {
		r := receipt()
		r.Sandbox = sandbox
		if got := provenance.Of(r).Predicate.Unpacked; got != want {
			t.Errorf("%q: %+v, want %+v", sandbox, got, want)
		}
	}
}

// TestNothingUnpacked: in-toto demands a list of subjects, also of none.
func TestNothingUnpacked(t *testing.T) {
	text, err := provenance.Of(record.Receipt{}).Encode()
	if err != nil || !strings.Contains(string(text), `"subject": []`) {
		t.Errorf("%s, %v", text, err)
	}
}

package audittext_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kist-tools/kist/cmd/kist/internal/audittext"
	"github.com/kist-tools/kist/install/audit"
)

// schema returns the official schema of SARIF 2.1.0, without white space. Source: OASIS,
// docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", text); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func findings() (list []audit.Finding) {
	for _, rule := range audit.Rules() {
		list = append(list, audit.Finding{Rule: rule.ID, Release: "acme/zig@0.14.0", Channel: "acme", Tool: "zig", Version: "0.14.0",
			What: "a reason with \"quotes\", \x1b[31mcolors\x1b[0m and ümlauts", Remedy: "kist uninstall zig", Prefix: "/home/a b/kist/prefixes/acme-zig-0.14.0-01234567"})
	}
	list[3].ID, list[3].Aliases, list[3].Instead, list[3].Package = "GO-2026-1", []string{"CVE-2026-1"}, "0.14.1", "gcc-12 12.2.0-14"
	return list
}

func TestSARIFIsValid(t *testing.T) {
	s := schema(t)
	for name, r := range map[string]audittext.Result{
		"no findings":         {Kist: "1.0.0"},
		"a finding of a kind": {Findings: findings()},
	} {
		text, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.SARIF()))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The schema refuses what is wrong, or this test would show nothing.
	for _, wrong := range [][2]string{{`"level": "error"`, `"level": "grave"`}, {`"version": "2.1.0"`, `"version": "2.0"`}, {`"text":`, `"texts":`}} {
		data := strings.Replace(string(audittext.Result{Findings: findings()}.SARIF()), wrong[0], wrong[1], 1)
		text, err := jsonschema.UnmarshalJSON(strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(text) == nil {
			t.Errorf("with %s it is valid", wrong[1])
		}
	}
}

func TestSARIFNamesEveryFinding(t *testing.T) {
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID    string `json:"ruleId"`
				RuleIndex int    `json:"ruleIndex"`
				Level     string `json:"level"`
				Message   struct{ Text string }
				Locations []struct {
					Physical struct {
						Artifact struct{ URI string } `json:"artifactLocation"`
					} `json:"physicalLocation"`
				}
			}
		}
	}
	r := audittext.Result{Findings: findings()}
	if err := json.Unmarshal(r.SARIF(), &log); err != nil {
		t.Fatal(err)
	}
	if len(log.Runs) != 1 || len(log.Runs[0].Results) != len(r.Findings) {
		t.Fatalf("%+v", log)
	}
	for i, got := range log.Runs[0].Results {
		want := r.Findings[i]
		if got.RuleID != want.Rule || audit.Rules()[got.RuleIndex].ID != want.Rule || !strings.Contains(got.Message.Text, want.What) || !strings.Contains(got.Message.Text, want.Remedy) {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got.Locations[0].Physical.Artifact.URI != "file:///home/a%20b/kist/prefixes/acme-zig-0.14.0-01234567" {
			t.Errorf("location %+v", got.Locations)
		}
	}
}

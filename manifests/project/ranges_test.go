package project_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/project"
)

// TestRangesMeanWhatTheyMeanToNPM compares ranges with what npm's own package semver
// answered for them.
func TestRangesMeanWhatTheyMeanToNPM(t *testing.T) {
	data, err := os.ReadFile("testdata/ranges.json")
	if err != nil {
		t.Fatal(err)
	}
	var npm struct {
		Versions string
		Ranges   map[string]*string // the versions in each range; nil: it is not a range
	}
	if err := json.Unmarshal(data, &npm); err != nil || len(npm.Ranges) < 300 {
		t.Fatalf("%d ranges, %v", len(npm.Ranges), err)
	}
	quirks := 0
	for text, want := range npm.Ranges {
		if text == "" {
			continue // asks for nothing in package.json
		}
		file, err := json.Marshal(map[string]any{"engines": map[string]string{"node": text}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := format(t, "package.json").Parse("package.json", file)
		if err != nil {
			t.Fatal(err)
		}
		switch isRange := len(c.Asks) == 1; {
		case !isRange && want != nil: // kist may refuse what npm accepts, but not answer it in another way
			quirks++
		case isRange && want == nil:
			t.Errorf("%q is not a range to npm", text)
		case isRange:
			in := slices.DeleteFunc(strings.Fields(npm.Versions), func(v string) bool { return !c.Asks[0].Allows(v, nil) })
			if got := strings.Join(in, " "); got != *want {
				t.Errorf("%q has\n     %s\nnpm: %s", text, got, *want)
			}
		}
	}
	if quirks > 10 {
		t.Errorf("%d ranges of npm's are refused", quirks)
	}
}

// A range that is not one is named and left out, however it tries to be expensive.
func TestRefusedRanges(t *testing.T) {
	for text, want := range map[string]string{
		"lts/*":                          "not a range of versions",
		">=18, <21":                      "not a range of versions",
		"!=18":                           "not a range of versions",
		"18.x.1":                         "a number follows an x",
		"99999999999999999999":           "is too large",
		"9007199254740992":               "is too large",
		strings.Repeat("1 || ", 100):     "longer than 256 characters",
		strings.Repeat("1", 256):         "is too large",
		strings.Repeat(" ", 255) + ".":   "not a range of versions",
		"1" + strings.Repeat(" - 1", 60): "not a range of versions",
	} {
		file, err := json.Marshal(map[string]any{"engines": map[string]string{"node": text}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := format(t, "package.json").Parse("package.json", file)
		if err != nil || len(c.Asks) > 0 || len(c.Unanswered) != 1 || !strings.HasSuffix(c.Unanswered[0], want) {
			t.Errorf("%.40q: got %+v, %v, want %q", text, c, err, want)
		}
		if (project.Ask{Range: text}).Allows("18.0.0", nil) {
			t.Errorf("%.40q allows a version", text)
		}
	}
}

func FuzzRange(f *testing.F) {
	f.Add("^18.19 || ^20.11.1 || >=22", "22.1.0")
	f.Add("1.x - 2.0.0-rc.1+b", "2.0.0-rc.0")
	f.Fuzz(func(t *testing.T, text, version string) {
		a := project.Ask{Range: text}
		if a.Range == "" || !a.Allows(version, nil) {
			return
		}
		if !(project.Ask{Range: text + "||" + text}).Allows(version, nil) && len(text) < 100 {
			t.Errorf("%q allows %q, and twice it does not", text, version)
		}
		if (project.Ask{Range: "<0.0.0-0 " + text}).Allows(version, nil) && !strings.Contains(text, "||") {
			t.Errorf("%q allows %q although no version is allowed", text, version)
		}
	})
}

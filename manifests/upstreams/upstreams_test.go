package upstreams_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestUpstreamTableIsComplete(t *testing.T) {
	names := upstreams.Names()
	if !slices.Contains(names, "go") || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names %v", names)
	}
	for _, name := range names {
		u, ok := upstreams.Lookup(name)
		if !ok || u.Channel != name || manifests.ValidName(u.Channel) != nil || len(u.Origins) == 0 || len(u.Tools()) == 0 {
			t.Errorf("%s: %+v", name, u)
		}
		for _, tool := range u.Tools() {
			if manifests.ValidName(tool) != nil {
				t.Errorf("%s: tool %q", name, tool)
			}
		}
		if _, err := u.Source(upstreams.Machine{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, o := range u.Origins {
			var bases []string
			if o.Site != nil {
				bases = append(bases, o.Site().Base)
			}
			if o.Rust != "" {
				bases = append(bases, o.Rust)
			}
			if o.Debian != nil { // distributions have no URL of their own
				if len(bases) > 0 || o.ChecksumDB != "" || o.Keyring == "" || o.Threshold < 1 || o.Name == "" || u.Tool != "" {
					t.Errorf("%s: origin %+v is not a distribution alone", name, o)
				}
				continue
			}
			openpgp, database := len(bases) == 1, o.ChecksumDB != "" && u.Tool != ""
			if openpgp == database || openpgp && (o.Keyring == "" || o.Threshold < 1) || o.Name == "" {
				t.Errorf("%s: origin %+v is not of exactly one format, with its keys", name, o)
			}
			if openpgp && (!strings.HasPrefix(bases[0], "https://") || o.Rust == "" && !strings.HasSuffix(bases[0], "/")) {
				t.Errorf("%s: %s", name, bases[0])
			}
		}
		if reason, known := upstreams.Refusal(name); known {
			t.Errorf("%s is both built in and refused: %s", name, reason)
		}
	}
	if u, ok := upstreams.Lookup("deno"); ok {
		t.Errorf("deno: %+v", u)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	for _, tool := range []string{"deno", "kotlin", "zig", "dart", "flutter", "dotnet", "kubectl", "nim", "crystal", "python"} {
		if reason, known := upstreams.Refusal(tool); !known || reason == "" || strings.Contains(reason, "\n") {
			t.Errorf("%s: %q", tool, reason)
		}
	}
	if reason, known := upstreams.Refusal("frobnicate"); known {
		t.Errorf("frobnicate: %q", reason)
	}
}

// TestGoIsSignedByTheKeyOfItsKeyring checks a real signature of Go's: the keyring has
// its key, and the policy accepts everything but the content, which differs here.
func TestGoIsSignedByTheKeyOfItsKeyring(t *testing.T) {
	signature, err := os.ReadFile("testdata/go1.19.8.src.tar.gz.asc")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := upstreams.Lookup("go")
	keys, err := keyrings.Lookup(u.Origins[0].Keyring)
	if err != nil {
		t.Fatal(err)
	}
	policy := verify.Policy{Keys: keys, Threshold: u.Origins[0].Threshold, Now: now, Use: verify.Release}
	_, err = policy.File("go1.19.8.src.tar.gz", strings.NewReader("another file"), signature)
	var refused *verify.SignatureError
	if !errors.As(err, &refused) || len(refused.Rules) != 1 {
		t.Fatalf("got %v", err)
	}
	if rule := refused.Rules[0]; !strings.Contains(rule, "4EB27DB2A3B88B8B") || !strings.Contains(rule, "does not match the content") {
		t.Errorf("refused because: %s", rule)
	}
}

func TestNearIsOnlyASuggestion(t *testing.T) {
	for name, want := range map[string]string{"golang": "go", "nodejs": "node", "temurin": "java", "jdk": "java", "cargo": "rust", "rsut": "rust",
		"juila": "julia", "terrafrom": "terraform", "maven": "", "zzzzzz": "", "python3": "python", "mvn": "maven", "tf": "terraform", "gcc": "gcc", "uv": "", "docker": "", "ruby": "", "jq": "", "clnag": "clang"} {
		if got := strings.Join(upstreams.Near(name), " "); got != want {
			t.Errorf("near %s: %q, want %q", name, got, want)
		}
	}
}

// Every alias leads to a built-in tool or to one that is refused for a known reason, and
// no alias hides a tool.
func TestAliases(t *testing.T) {
	known := func(tool string) bool {
		_, builtin := upstreams.Provided()[tool]
		_, refused := upstreams.Refusal(tool)
		return builtin || refused || len(upstreams.Distros(tool)) > 0
	}
	for _, name := range []string{"python3", "nodejs", "golang", "jdk", "mvn", "tf"} {
		if _, ok := upstreams.Alias(name); !ok {
			t.Errorf("%s is no alias", name)
		}
	}
	for name, tool := range upstreams.Aliases() {
		if err := manifests.ValidName(name); err != nil {
			t.Error(err)
		}
		if !known(tool) {
			t.Errorf("%s leads to %s, which is not known", name, tool)
		}
		if known(name) {
			t.Errorf("%s is a tool itself", name)
		}
	}
}

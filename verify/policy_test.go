package verify

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// testNow is the current time in tests that do not run other programs.
var testNow = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// check applies the policy to a vector.
func (v vector) check(now time.Time) (Document, error) {
	ring, err := OpenKeyring(v.ring)
	if err != nil {
		return Document{}, err
	}
	p := Policy{Keys: ring, Threshold: 1, Now: now}
	if v.policy != nil {
		v.policy(&p)
	}
	if v.sig == nil && strings.HasPrefix(v.name, "cleartext/") {
		return p.Clearsigned("the file", v.data)
	}
	return p.Detached("the file", v.data, v.sig)
}

func TestCorpus(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range corpus(testNow) {
		if seen[v.name] {
			t.Errorf("%s: the name occurs twice in the corpus", v.name)
		}
		seen[v.name] = true
		t.Run(v.name, func(t *testing.T) {
			doc, err := v.check(testNow)
			if v.rule == "" {
				if err != nil {
					t.Fatal(err)
				}
				if v.sig != nil && !bytes.Equal(doc.Bytes(), v.data) {
					t.Errorf("proved %q", doc.Bytes())
				}
				return
			}
			if !errors.Is(err, ErrUntrusted) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if !doc.IsZero() {
				t.Error("a refused document is not zero")
			}
			if !strings.Contains(err.Error(), v.rule) {
				t.Errorf("got %q, want the rule %q", err, v.rule)
			}
		})
	}
}

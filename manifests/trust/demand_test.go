package trust_test

import (
	"testing"

	"github.com/kist-tools/kist/manifests/trust"
)

func TestDemand(t *testing.T) {
	for text, test := range map[string]struct{ met, unmet []string }{
		"go>=1.25":     {[]string{"1.25", "1.25.3", "1.26rc1", "2"}, []string{"1.24.9", "1.25rc1", "nightly"}},
		"acme/go>=1.9": {[]string{"1.10"}, []string{"1.8.9"}},
		"go@1.25":      {[]string{"1.25", "1.25.3"}, []string{"1.26", "1.2"}},
	} {
		d, err := trust.ParseDemand(text)
		if err != nil || d.String() != text {
			t.Errorf("%s: %+v, %v", text, d, err)
		}
		for _, v := range test.met {
			if !d.MetBy(v) {
				t.Errorf("%s is not met by %s", text, v)
			}
		}
		for _, v := range test.unmet {
			if d.MetBy(v) {
				t.Errorf("%s is met by %s", text, v)
			}
		}
	}
	for _, text := range []string{"go", "go>=", "go@1>=2", ">=1", "go>=x", "go>=stable", "Go>=1"} {
		if d, err := trust.ParseDemand(text); !as[*trust.InputError](err) {
			t.Errorf("%q was taken for %+v, %v", text, d, err)
		}
	}
}

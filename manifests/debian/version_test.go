package debian_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests/debian"
)

// Cases of dpkg's own tests (lib/dpkg/t/t-version.c) and of deb-version(7), in
// ascending order.
func ascending() [][2]string {
	return [][2]string{
		{"0:0-0", "0:0-1"}, {"1.0~beta1~svn1245", "1.0~beta1"}, {"1.0~beta1", "1.0"}, {"1.0~", "1.0"}, {"1.0", "1.0-1"}, {"1.0-1~", "1.0-1"},
		{"1.9", "1.10"}, {"1.0a", "1.0b"}, {"1.0a", "1.0+"}, {"1.0", "1.0a"}, {"9:1", "10:0.1"}, {"1.99", "1:0"}, {"1.0", "1.0.0"}, {"1.2.3-1", "1.2.3-1+deb12u1"},
		{"1.63.0+dfsg1-2", "1.85.1+dfsg1-1+deb13u1"}, {"1.85.1+dfsg1-1", "1.85.1+dfsg1-1+deb13u1"}, {"2.36-9+deb12u4", "2.36-9+deb12u14"},
		{"1.11.1-2~deb12u1", "1.11.1-2"}, {"12.2.0-14", "12.2.0-14+deb12u1"}, {"0.71.1-6", "0.71.1-6+b1"}, {"5.005", "5.10"}, {"1-a-1", "1-a-2"}, {"1~~", "1~"},
		{"1~~a", "1~"}, {"1Z", "1a"}, {"1a", "1."}, {"99999999999999999998", "99999999999999999999"}, {"1:1:1-1", "1:1:2-1"},
	}
}

func TestCompare(t *testing.T) {
	for _, test := range ascending() {
		if debian.Compare(test[0], test[1]) >= 0 || debian.Compare(test[1], test[0]) <= 0 {
			t.Errorf("%s does not come before %s", test[0], test[1])
		}
		for _, v := range test {
			if err := debian.ValidVersion(v); err != nil || debian.Compare(v, v) != 0 {
				t.Errorf("%s: %v", v, err)
			}
		}
	}
	for _, same := range [][2]string{{"1.0", "0:1.0"}, {"1.0-0", "1.0"}, {"1.01", "1.1"}, {"1", "1-0"}, {"1.a00", "1.a0"}, {"00:1", "1"}} {
		if debian.Compare(same[0], same[1]) != 0 {
			t.Errorf("%s and %s are not the same", same[0], same[1])
		}
	}
}

func TestValidVersion(t *testing.T) {
	for _, v := range []string{"", "a", ":1", "a:1", "1:", "-1", "1-", "1.0_2", "1 2", "1\n2", "1.0/2", "1-2:3", "1:-1", "10000000000:1", "é1", string(make([]byte, 300))} {
		if debian.ValidVersion(v) == nil {
			t.Errorf("%q is accepted", v)
		}
	}
	for _, v := range []string{"0", "1.0-1", "1:1.0-1", "2:8.39-15", "1:2:3-1", "0.0~git20200101.abcdef-1", "20250419", "1.0-1-1"} {
		if err := debian.ValidVersion(v); err != nil {
			t.Errorf("%q: %v", v, err)
		}
	}
}

// anyVersion draws valid versions that are close to each other.
func anyVersion() *rapid.Generator[string] {
	part := func(alphabet string) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, 6, -1)
	}
	return rapid.Custom(func(t *rapid.T) string {
		v := rapid.SampledFrom([]string{"0", "1", "1.0", "10", "09"}).Draw(t, "start") + part("0129aZ.+~").Draw(t, "upstream")
		v = rapid.SampledFrom([]string{"", "", "0:", "1:"}).Draw(t, "epoch") + v
		if revision := part("01a.+~").Draw(t, "revision"); revision != "" {
			v += "-" + revision
		}
		return v
	})
}

func TestCompareIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := []string{anyVersion().Draw(t, "a"), anyVersion().Draw(t, "b"), anyVersion().Draw(t, "c")}
		for _, one := range v {
			if err := debian.ValidVersion(one); err != nil {
				t.Fatal(err)
			}
		}
		if debian.Compare(v[0], v[1]) != -debian.Compare(v[1], v[0]) || debian.Compare(v[0], v[0]) != 0 {
			t.Fatalf("%q is not as %q the other way round", v[0], v[1])
		}
		slices.SortFunc(v, debian.Compare)
		if debian.Compare(v[0], v[2]) > 0 || debian.Compare(v[0], v[1]) > 0 || debian.Compare(v[1], v[2]) > 0 {
			t.Fatalf("%q have no order", v)
		}
		if debian.Compare(v[0]+"~", v[0]) >= 0 || debian.Compare(v[0]+"+1", v[0]) <= 0 {
			t.Fatalf("a tilde does not come before the end, or a plus not after it: %q", v[0])
		}
	})
}

func TestMatchesRequest(t *testing.T) {
	for _, test := range []struct {
		asked, version string
		want           bool
	}{
		{"", "1.63.0+dfsg1-2", true}, {"1.63.0+dfsg1-2", "1.63.0+dfsg1-2", true}, {"1.63.0+dfsg1", "1.63.0+dfsg1-2", true},
		{"1.63.0", "1.63.0+dfsg1-2", true}, {"1.63", "1.63.0+dfsg1-2", true}, {"1.6", "1.63.0+dfsg1-2", false}, {"1.63.0+dfsg", "1.63.0+dfsg1-2", false},
		{"14", "1:14.0.6-12", true}, {"1:14.0.6", "1:14.0.6-12", true}, {"1", "1:14.0.6-12", false}, {"1.64", "1.63.0+dfsg1-2", false},
		{"1.11.1-2", "1.11.1-2~deb12u1", true}, {"stable", "1.63.0+dfsg1-2", false},
	} {
		if got := debian.MatchesRequest(test.asked, test.version); got != test.want {
			t.Errorf("%q means %q: %v", test.asked, test.version, got)
		}
	}
	for v, want := range map[string]string{"1:14.0.6-12": "14.0.6", "1.63.0+dfsg1-2": "1.63.0", "5.1-5": "5.1", "20250419": "20250419", "2.0~rc1-1": "2.0", "1.0.~x": "1.0"} {
		if got := debian.Upstream(v); got != want {
			t.Errorf("upstream's part of %s is %s, not %s", v, got, want)
		}
	}
	if got := debian.VersionLabels("1.63.0+dfsg1-2"); !slices.Equal(got, []string{"1.63.0", "1.63", "1"}) {
		t.Errorf("shortened: %q", got)
	}
}

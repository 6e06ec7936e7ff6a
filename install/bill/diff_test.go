package bill_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/bill"
	"github.com/kist-tools/kist/verify"
)

func items(t testing.TB, list ...bill.Installed) []bill.Item {
	t.Helper()
	text, err := bill.Make(list, made, "1.0").CycloneDX()
	if err != nil {
		t.Fatal(err)
	}
	read, err := bill.Read("bill.json", text)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestDiff(t *testing.T) {
	edit := func(r bill.Installed, f func(*bill.Installed)) bill.Installed { f(&r); return r }
	gcc := samples()[1]
	newer := samples()[1]
	newer.Artifacts[0].Version, newer.Artifacts[0].Digest = "12.2.0-15", digest("newer")
	newer.Artifacts = newer.Artifacts[:2]
	newer.Tree = digest("newer")
	for name, c := range map[string]struct {
		before, after []bill.Installed
		want          []bill.Change
	}{
		"nothing":      {nil, nil, []bill.Change{}},
		"equal":        {samples(), samples(), []bill.Change{}},
		"added":        {nil, []bill.Installed{acme("1.0")}, []bill.Change{{Change: "added", Toolchain: "acme/hello", To: "1.0"}}},
		"removed":      {[]bill.Installed{gcc}, nil, []bill.Change{{Change: "removed", Toolchain: "debian-bookworm/gcc", From: "4:12.2.0-3"}}},
		"updated":      {[]bill.Installed{acme("1.0")}, []bill.Installed{acme("1.1")}, []bill.Change{{"changed", "acme/hello", "", "1.0", "1.1", []string{"version"}}}},
		"one more":     {[]bill.Installed{acme("1.0")}, []bill.Installed{acme("1.0"), acme("1.1")}, []bill.Change{{Change: "added", Toolchain: "acme/hello", To: "1.1"}}},
		"two for two":  {[]bill.Installed{acme("1"), acme("2")}, []bill.Installed{acme("3"), acme("4")}, []bill.Change{{Change: "added", Toolchain: "acme/hello", To: "3"}, {Change: "added", Toolchain: "acme/hello", To: "4"}, {Change: "removed", Toolchain: "acme/hello", From: "1"}, {Change: "removed", Toolchain: "acme/hello", From: "2"}}},
		"other signer": {[]bill.Installed{acme("1.0")}, []bill.Installed{edit(acme("1.1"), func(r *bill.Installed) { r.Evidence = signed("x", alice) })}, []bill.Change{{"changed", "acme/hello", "", "1.0", "1.1", []string{"version", "signers"}}}},
		"other archive": {[]bill.Installed{acme("1.0")}, []bill.Installed{edit(acme("1.0"), func(r *bill.Installed) { r.Artifacts[0].Digest, r.Tree = digest("evil"), digest("evil") })},
			[]bill.Change{{"changed", "acme/hello", "", "1.0", "1.0", []string{"archive", "files"}}}},
		"packages": {[]bill.Installed{gcc}, []bill.Installed{newer}, []bill.Change{{"changed", "debian-bookworm/gcc", "", "4:12.2.0-3", "4:12.2.0-3", []string{"files"}},
			{Change: "removed", Toolchain: "debian-bookworm/gcc", Part: "gcc-doc", From: "5:1~rc1"}, {"changed", "debian-bookworm/gcc", "libstdc++6", "12.2.0-14+deb12u1", "12.2.0-15", []string{"version"}}}},
	} {
		if got := bill.Diff(items(t, c.before...), items(t, c.after...)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	good, err := bill.Make(samples(), made, "1.0").CycloneDX()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bill.Read("good", good); err != nil {
		t.Fatal(err)
	}
	spdx, err := bill.Make(samples(), made, "1.0").SPDX()
	if err != nil {
		t.Fatal(err)
	}
	component := func(fields string) string {
		return `{"group":"a","name":"b","properties":[{"name":"kist:channel","value":"a"}]` + fields + `}`
	}
	many := func(n int, text string) string { return strings.Repeat(text+",", n-1) + text }
	bom := func(components string) string { return `{"bomFormat":"CycloneDX","components":[` + components + `]}` }
	for _, honest := range []string{bom(""), bom(component("")), bom(many(100, component(""))), bom(component(`,"version":"` + strings.Repeat("x", 4000) + `"`))} {
		if _, err := bill.Read("honest", []byte(honest)); err != nil {
			t.Errorf("%.100s: %v", honest, err)
		}
	}
	for name, bad := range map[string]string{
		"nothing":         "",
		"SPDX":            string(spdx),
		"another program": bom(`{"name":"x"}`),
		"another channel": bom(strings.Replace(component(""), `"value":"a"`, `"value":"z"`, 1)),
		"no name":         bom(strings.Replace(component(""), `"name":"b"`, `"name":""`, 1)),
		"a nameless part": bom(component(`,"components":[{}]`)),
		"not UTF-8":       bom(component(",\"version\":\"\xff\"")),
		"cut":             string(good[:len(good)-10]),
		"two documents":   string(good) + "{}",
		"a long text":     bom(component(`,"version":"` + strings.Repeat("x", 5000) + `"`)),
		"many versions":   bom(many(101, component(""))),
		"many components": bom(component(`,"components":[` + many(50_001, `{"name":"x"}`) + `]`)),
		"many nulls":      bom(many(200_002, "null")),
		"deep":            strings.Repeat("[", 100_000),
		"large":           strings.Repeat(" ", bill.MaxFile+1),
	} {
		_, err := bill.Read("bad.json", []byte(bad))
		if refused, ok := errors.AsType[*bill.FormatError](err); !ok || !strings.HasPrefix(refused.Error(), "bad.json is not ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, list := range [][]bill.Installed{nil, samples(), {hostile()}} {
		text, err := bill.Make(list, made, "1.0").CycloneDX()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := bill.Read("x", data)
		if err != nil {
			if _, ok := errors.AsType[*bill.FormatError](err); !ok || read != nil {
				t.Fatalf("%v with %d items", err, len(read))
			}
			return
		}
		if d := bill.Diff(read, read); len(d) != 0 {
			t.Fatalf("it differs from itself: %v", d)
		}
		for _, c := range append(bill.Diff(read, nil), bill.Diff(nil, read)...) {
			if c.Change == "changed" {
				t.Fatalf("%v, compared with nothing", c)
			}
		}
	})
}

func TestSignersOf(t *testing.T) {
	for tool, want := range map[string][]verify.Fingerprint{"hello": {alice, bob}, "gcc": {alice}, "go": nil, "julia": {bob}, "rust": {alice}} {
		for _, r := range samples() {
			if r.Tool == tool && !reflect.DeepEqual(bill.SignersOf(r.Head), want) {
				t.Errorf("%s: %v", tool, bill.SignersOf(r.Head))
			}
		}
	}
}

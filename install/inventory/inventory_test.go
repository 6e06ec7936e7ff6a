package inventory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/inventory"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

const (
	alice = verify.Fingerprint("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	bob   = verify.Fingerprint("BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB")
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func id(text string) string { return inventory.ID(strings.Repeat("0", 32), text) }

// hello is a toolchain as every machine has it, with a receipt of its own.
func hello(version, receipt string) inventory.Toolchain {
	return inventory.Toolchain{Channel: "acme", Tool: "hello", Version: version, Platform: manifests.Platform{OS: "linux", Arch: "amd64"}, Components: []string{"hello"},
		Receipt: record.ID("acme-hello-" + version + "-" + receipt), Proof: verify.ByDetached, Signers: []verify.Fingerprint{alice}, Tree: verify.DigestOf([]byte(version)), Installed: noon}
}

func machine(name, id string, minutes int, list ...inventory.Toolchain) inventory.Machine {
	return inventory.Machine{Name: name, ID: id, Platform: manifests.Platform{OS: "linux", Arch: "amd64"}, Kist: "1.0", Made: noon.Add(time.Duration(minutes) * time.Minute), Toolchains: list}
}

func encode(t testing.TB, m inventory.Machine) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"format": 1, "verb": "inventory", "result": m})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOf(t *testing.T) {
	r := record.Receipt{Head: record.Head{ID: "acme-hello-1.0-00000000", Channel: "acme", Tool: "hello", Version: "1.0", Evidence: verify.Evidence{Kind: verify.ByDigest,
		Parent: &verify.Evidence{Kind: verify.ByClearsigned, Signers: []verify.Signer{{Primary: bob}, {Primary: alice}, {Primary: bob}}}}}}
	got := inventory.Of(r, true)
	if got.Proof != verify.ByClearsigned || !reflect.DeepEqual(got.Signers, []verify.Fingerprint{alice, bob}) || got.Tree != r.TreeDigest() || !got.Default {
		t.Errorf("%+v", got)
	}
	lone := record.Receipt{Head: record.Head{Artifacts: []record.Artifact{{Evidence: verify.Evidence{Kind: verify.ByDetached, Signers: []verify.Signer{{Primary: bob}}}}}}}
	if got := inventory.Of(lone, false); got.Proof != verify.ByDetached || !reflect.DeepEqual(got.Signers, []verify.Fingerprint{bob}) {
		t.Errorf("%+v", got)
	}
}

// TestID: the ID of a store does not show that of its machine, and differs between stores
// and machines.
func TestID(t *testing.T) {
	one := strings.Repeat("1", 32)
	ids := map[string]bool{inventory.ID(one, "/a"): true, inventory.ID(one, "/b"): true, inventory.ID(strings.Repeat("2", 32), "/a"): true}
	for id := range ids {
		if len(id) != 32 || strings.Contains(id, "1111") {
			t.Errorf("%q", id)
		}
	}
	if len(ids) != 3 || !ids[inventory.ID(one, "/a")] || inventory.ID("", "/a") != "" {
		t.Errorf("%v", ids)
	}
}

func TestRead(t *testing.T) {
	want := machine("web 1", id("x"), 0, hello("1.0", "00000000"))
	for name, text := range map[string]string{
		"as written":     encode(t, want),
		"a newer kist":   strings.Replace(encode(t, want), `"kist":`, `"new":[1],"kist":`, 1),
		"sorted signers": strings.Replace(encode(t, want), `["`+string(alice)+`"]`, `["`+strings.ToLower(string(alice))+`"]`, 1),
	} {
		if got, err := inventory.Read("x", []byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	good := encode(t, want)
	for name, edit := range map[string][2]string{
		"another format":  {`"format":1`, `"format":2`},
		"another verb":    {`"verb":"inventory"`, `"verb":"list"`},
		"a failure":       {`"verb":`, `"error":{"code":1},"verb":`},
		"no result":       {`"result":`, `"results":`},
		"no time":         {`"made":"2026-11-30T12:00:00Z",`, ``},
		"a tool":          {`"tool":"hello"`, `"tool":"../hello"`},
		"a channel":       {`"channel":"acme"`, `"channel":"\u001b[31m"`},
		"a version":       {`"version":"1.0"`, `"version":"1 0"`},
		"a receipt":       {`"receipt":"acme`, `"receipt":"/acme`},
		"a signer":        {string(alice), "AAAA"},
		"a proof":         {`"openpgp-detached"`, `"trust me"`},
		"no tree":         {`"tree":"sha256`, `"trees":"sha256`},
		"a weak tree":     {`"tree":"sha256`, `"tree":"md5`},
		"a name of lines": {`"name":"web 1"`, `"name":"web\n1"`},
		"a long name":     {`"name":"web 1"`, `"name":"` + strings.Repeat("x", 256) + `"`},
		"an id":           {`"id":"`, `"id":"0`},
		"many signers":    {string(alice), strings.Repeat(string(alice)+`","`, 70) + string(alice)},
		"not UTF-8":       {"web 1", "web \xff"},
		"many nulls":      {`"toolchains":[`, `"toolchains":[` + strings.Repeat("null,", 250_000)},
		"cut":             {`"}]}`, ""},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		_, err := inventory.Read("bad.json", []byte(bad))
		if refused, ok := errors.AsType[*inventory.FormatError](err); bad == good || !ok || !strings.HasPrefix(refused.Error(), "bad.json is not ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var many []inventory.Toolchain
	for range 10_001 {
		many = append(many, hello("1.0", "00000000"))
	}
	for n, ok := range map[int]bool{10_000: true, 10_001: false} {
		if _, err := inventory.Read("x", []byte(encode(t, machine("", "", 0, many[:n]...)))); (err == nil) != ok {
			t.Errorf("%d toolchains: %v", n, err)
		}
	}
	if _, err := inventory.Read("x", []byte(good+strings.Repeat(" ", inventory.MaxFile))); err == nil {
		t.Error("a large file is accepted")
	}
}

// TestMerge: what counts as one machine.
func TestMerge(t *testing.T) {
	lists := func(machines ...inventory.Machine) (all []inventory.List) {
		for i, m := range machines {
			all = append(all, inventory.List{File: fmt.Sprintf("%d.json", i), Machine: m})
		}
		return all
	}
	old, now := hello("1.0", "00000001"), hello("1.1", "00000002")
	for name, c := range map[string]struct {
		lists []inventory.List
		want  []string // machines
		left  []inventory.LeftOut
	}{
		"none":                      {nil, []string{}, nil},
		"two":                       {lists(machine("a", id("a"), 0, old), machine("b", id("b"), 0, old)), []string{"a", "b"}, nil},
		"one twice":                 {lists(machine("a", id("a"), 0, old), machine("a", id("a"), 1, old)), []string{"a"}, []inventory.LeftOut{{"0.json", "1.json", true, false}}},
		"one, updated":              {lists(machine("a", id("a"), 1, now), machine("a", id("a"), 0, old)), []string{"a"}, []inventory.LeftOut{{"1.json", "0.json", false, false}}},
		"one, renamed":              {lists(machine("a", id("a"), 0, old), machine("b", id("a"), 1, old)), []string{"b"}, []inventory.LeftOut{{"0.json", "1.json", true, false}}},
		"two users of one machine":  {lists(machine("a", id("a"), 0, old), machine("a", id("b"), 0, now)), []string{"a", "a (1.json)"}, nil},
		"by name":                   {lists(machine("a", "", 0, old), machine("a", "", 1, now)), []string{"a"}, []inventory.LeftOut{{"0.json", "1.json", false, false}}},
		"by name, one with an ID":   {lists(machine("a", id("a"), 0, old), machine("a", "", 1, now)), []string{"a"}, []inventory.LeftOut{{"0.json", "1.json", false, false}}},
		"by name, the newer has it": {lists(machine("a", id("a"), 1, old), machine("a", "", 0, now)), []string{"a"}, []inventory.LeftOut{{"1.json", "0.json", false, false}}},
		"nothing to go by":          {lists(machine("", "", 0, old), machine("", "", 1, now)), []string{"0.json", "1.json"}, nil},
		"same receipts":             {lists(machine("", "", 0, old, now), machine("", "", 1, now, old)), []string{"1.json"}, []inventory.LeftOut{{"0.json", "1.json", true, true}}},
		"same receipts, named":      {lists(machine("a", "", 0, old), machine("b", "", 1, old)), []string{"a", "b"}, nil},
		"same receipts, IDs":        {lists(machine("", id("a"), 0, old), machine("", id("b"), 1, old)), []string{"0.json", "1.json"}, nil},
		"one file twice":            {[]inventory.List{{"x", machine("", "", 0)}, {"x", machine("", "", 0)}}, []string{"x"}, []inventory.LeftOut{{"x", "x", true, false}}},
		"empty ones":                {lists(machine("", "", 0), machine("", "", 1)), []string{"0.json", "1.json"}, nil},
	} {
		got := inventory.Merge(c.lists)
		if !reflect.DeepEqual(got.Machines, c.want) || !reflect.DeepEqual(got.Left, c.left) {
			t.Errorf("%s: %q, left %+v", name, got.Machines, got.Left)
		}
	}
}

// TestMergedTable: a row for each release and its signers, newest first; other files under
// one version show, unless other components explain them.
func TestMergedTable(t *testing.T) {
	forged := hello("1.10", "00000003")
	forged.Signers = []verify.Fingerprint{bob}
	changed := hello("1.9", "00000004")
	changed.Tree = verify.DigestOf([]byte("changed"))
	part := hello("1.2", "00000005")
	part.Components, part.Tree = []string{"hello", "docs"}, verify.DigestOf([]byte("with docs"))
	f := inventory.Merge([]inventory.List{
		{"a", machine("a", "", 0, hello("1.10", "00000006"), hello("1.9", "00000007"), hello("1.2", "00000008"))},
		{"b", machine("b", "", 0, forged, changed, part)},
		{"c", machine("c", "", 0, hello("1.10", "00000009"))},
	})
	var got []string
	for _, row := range f.Toolchains {
		got = append(got, fmt.Sprintf("%s %.1s %v %d %v", row.Version, row.Signers[0], row.Machines, len(row.Trees), row.Differ))
	}
	want := []string{"1.10 A [a c] 1 false", "1.10 B [b] 1 false", "1.9 A [a b] 2 true", "1.2 A [a b] 2 false"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(encode(f, machine("a", id("a"), 0, hello("1.0", "00000000")))))
	f.Add([]byte(encode(f, machine("", "", 0))))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := inventory.Read("x", data)
		if err != nil {
			if _, ok := errors.AsType[*inventory.FormatError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		fleet := inventory.Merge([]inventory.List{{"x", m}})
		if len(fleet.Machines) != 1 || len(fleet.Left) != 0 || len(fleet.Toolchains) > len(m.Toolchains) {
			t.Fatalf("%+v", fleet)
		}
		again, err := inventory.Read("x", []byte(encode(t, m)))
		if err != nil || encode(t, again) != encode(t, m) {
			t.Fatalf("%+v is read as %+v, %v", m, again, err)
		}
	})
}

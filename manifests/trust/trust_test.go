package trust_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// settings is a State that has settings only; its other methods panic.
type settings struct {
	trust.State
	root *os.Root // nil: none yet
}

func (s settings) Config(bool) (*os.Root, error) { return s.root, nil }

func (s settings) Cache(bool) (*os.Root, error) { return nil, nil }

// newDesk returns a desk with the channels acme of one key and duo of two, and with the
// text of the user's policy file, if any.
func newDesk(t *testing.T, policy string) *trust.Desk {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	keys := []*verifytest.Key{verifytest.NewKey(t, "first", now.AddDate(-1, 0, 0)), verifytest.NewKey(t, "second", now.AddDate(-1, 0, 0))}
	for name, keys := range map[string][]*verifytest.Key{"acme": keys[:1], "duo": keys} {
		c := channels.Channel{Name: name, URL: "https://" + name + ".example/channel.toml", Format: "native", Threshold: 1, Added: now}
		for _, k := range keys {
			c.Pins = append(c.Pins, k.Pin())
		}
		if err := (channels.Store{Root: root}).Put(c, verifytest.Keyring(t, keys...)); err != nil {
			t.Fatal(err)
		}
	}
	writePolicy(t, dir, policy)
	return &trust.Desk{
		State: settings{root: root}, Now: now, Platform: manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"},
		Distro: func() string { return "" }, Glibc: func() string { return "" },
		GoProxy:      func(context.Context) string { return "off" },
		AptSources:   func() []debian.AptSource { return nil },
		MachineRules: func() ([]channels.Rules, error) { return nil, nil },
		Notify:       func(string, string) {}, Warn: func(text string) { t.Errorf("warning: %s", text) }, KeysStored: func() {},
	}
}

func writePolicy(t *testing.T, dir, text string) {
	t.Helper()
	if text == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, channels.RulesFile), []byte("format = 1\n"+text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPolicyLimitsChannels(t *testing.T) {
	for _, test := range []struct {
		channel, policy string
		allowed         bool
	}{
		{"acme", "", true},
		{"duo", "", true},
		{"go", "", true},
		{"node", "", true},
		{"acme", `channels = ["acme"]`, true},
		{"duo", `channels = ["acme"]`, false},
		{"go", `channels = ["acme"]`, false},
		{"acme", `urls = ["https://acme.example/*"]`, true},
		{"duo", `urls = ["https://acme.example/*"]`, false},
		{"go", `urls = ["https://acme.example/*"]`, true},
		{"duo", `threshold = 2`, true},
		{"acme", `threshold = 2`, false},
		{"node", `threshold = 2`, true}, // built-in channels keep their own
		{"acme", `threshold = "many"`, false},
		{"go", `threshold = "many"`, false},
	} {
		_, err := newDesk(t, test.policy).Named(t.Context(), test.channel)
		if (err == nil) != test.allowed || err != nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("channel %s with policy %s: %v", test.channel, test.policy, err)
		}
	}
}

// The threshold of a policy file holds for what a channel signs, not only for its keys.
func TestLimitRaisesTheThreshold(t *testing.T) {
	d := newDesk(t, "threshold = 2")
	b, err := d.Named(t.Context(), "duo")
	if err != nil {
		t.Fatal(err)
	}
	if b.Settings.Threshold != 1 || len(b.Keys.Pins()) != 2 {
		t.Errorf("settings: %+v", b.Settings)
	}
	for url, want := range map[string]int{"https://duo.example/channel.toml": 2, "": 1} {
		if _, got, err := d.Limit("duo", url, b.Keys, 1); err != nil || got != want {
			t.Errorf("URL %q: threshold %d, %v; want %d", url, got, err, want)
		}
	}
}

func TestPolicyIsReadOnce(t *testing.T) {
	d := newDesk(t, `channels = ["acme"]`)
	read := 0
	d.MachineRules = func() ([]channels.Rules, error) {
		read++
		return nil, nil
	}
	for _, policy := range []string{"", `channels = ["duo"]`} {
		root, err := d.State.Config(false)
		if err != nil {
			t.Fatal(err)
		}
		writePolicy(t, root.Name(), policy)
		if _, err := d.Named(t.Context(), "acme"); err != nil {
			t.Error(err)
		}
		if _, err := d.Named(t.Context(), "duo"); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("channel duo: %v", err)
		}
	}
	if read != 1 {
		t.Errorf("the machine's policy file was read %d times", read)
	}
}

func TestUnreadablePolicyAllowsNothing(t *testing.T) {
	d := newDesk(t, "")
	broken := &channels.RulesError{File: "/etc/kist/policy.toml", Err: errors.New("broken")}
	d.MachineRules = func() ([]channels.Rules, error) { return nil, broken }
	for range 2 { // the error stays
		for _, name := range []string{"acme", "go", "node"} {
			if _, err := d.Named(t.Context(), name); !errors.Is(err, broken) {
				t.Errorf("channel %s: %v", name, err)
			}
		}
	}
}

func TestNamedRefusesUnknownChannels(t *testing.T) {
	d := newDesk(t, "")
	if _, err := d.Named(t.Context(), "system"); !as[*trust.SystemError](err) {
		t.Errorf("system: %v", err)
	}
	if _, err := d.Named(t.Context(), "../acme"); !errors.Is(err, manifests.ErrInput) {
		t.Errorf("../acme: %v", err)
	}
	for name, near := range map[string]string{"acne": "acme", "nodee": "node"} {
		_, err := d.Named(t.Context(), name)
		if unknown, ok := errors.AsType[*channels.UnknownChannelError](err); !ok || !slices.Contains(unknown.Near, near) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.State = settings{}
	if _, err := d.Named(t.Context(), "acme"); !as[*channels.UnknownChannelError](err) {
		t.Errorf("without settings: %v", err)
	}
	if _, err := d.Named(t.Context(), "go"); err != nil {
		t.Errorf("without settings: %v", err)
	}
}

// A built-in tool is its own channel's, whatever the user's channels are granted.
func TestPickPrefersTheBuiltinChannel(t *testing.T) {
	d := newDesk(t, "")
	if b, err := d.Pick(t.Context(), trust.Ref{Name: "go"}); err != nil || b.Name != "go" || b.Settings != nil {
		t.Errorf("go: %+v, %v", b, err)
	}
	if b, err := d.Pick(t.Context(), trust.Ref{Channel: "acme", Name: "go"}); err != nil || b.Name != "acme" {
		t.Errorf("acme/go: %+v, %v", b, err)
	}
	if _, err := d.Pick(t.Context(), trust.Ref{Channel: "system", Name: "go"}); !as[*trust.SystemError](err) {
		t.Errorf("system/go: %v", err)
	}
}

func TestNewChannel(t *testing.T) {
	ring := verifytest.Keyring(t, verifytest.NewKey(t, "acme", now.AddDate(-1, 0, 0)))
	keys := func() (*verify.Keyring, error) { return ring, nil }
	noFile := errors.New("no such file")
	for _, test := range []struct {
		name, format, tools, where string
		keys                       func() (*verify.Keyring, error)
		url                        string           // of the channel; empty: refused
		refused                    func(error) bool // nil: manifests.ErrInput
	}{
		{name: "acme", format: "native", where: "https://x.example/", keys: keys, url: "https://x.example/channel.toml"},
		{name: "acme", format: "native", where: "/srv/acme", keys: keys, url: "file:///srv/acme/channel.toml"},
		{name: "acme", format: "native", where: "https://x.example/"},
		{name: "acme", format: "native", where: "https://x.example/", keys: func() (*verify.Keyring, error) { return nil, noFile },
			refused: func(err error) bool { return errors.Is(err, noFile) }},
		{name: "acme", format: "native", where: "ftp://x.example/", keys: keys},
		{name: "Acme", format: "native", where: "https://x.example/", keys: keys},
		{name: "go", format: "native", where: "https://x.example/", keys: keys, refused: as[*trust.BuiltinError]},
		{name: "system", format: "native", where: "https://x.example/", keys: keys, refused: as[*trust.BuiltinError]},
		{name: "acme", format: "npm", where: "https://x.example/", keys: keys, refused: func(err error) bool { return errors.Is(err, trust.ErrFormat) }},
		{name: "acme", format: "rust", where: "https://x.example/dist/", keys: keys, url: "https://x.example/dist/channel-rust-stable.toml"},
		{name: "acme", format: "rust", tools: "go", where: "https://x.example/dist/", keys: keys},
		{name: "acme", format: "checksums", tools: "node", where: "https://x.example/dist", keys: keys, url: "https://x.example/dist/"},
		{name: "acme", format: "checksums", where: "https://x.example/dist", keys: keys},
		{name: "acme", format: "checksums", tools: "rust", where: "https://x.example/dist", keys: keys},
		{name: "acme", format: "debian", where: "https://x.example/debian/dists/bookworm/", url: "https://x.example/debian/dists/bookworm/InRelease"},
		{name: "acme", format: "debian", where: "https://x.example/debian/dists/nonesuch/"},
		{name: "acme", format: "debian", tools: "zig", where: "https://x.example/debian/dists/bookworm/"},
	} {
		c := channels.Channel{Name: test.name, Format: test.format, Threshold: 1, Tools: strings.Fields(test.tools)}
		c, ring, err := trust.NewChannel(c, test.where, "/", test.keys, now)
		if test.url != "" {
			if err != nil || c.URL != test.url || !c.Added.Equal(now) || len(c.Pins) == 0 || len(ring.Pins()) != len(c.Pins) {
				t.Errorf("%+v: %+v, %v", test, c, err)
			}
			continue
		}
		if test.refused == nil {
			test.refused = func(err error) bool { return errors.Is(err, manifests.ErrInput) }
		}
		if !test.refused(err) {
			t.Errorf("%+v: %+v, %v", test, c, err)
		}
	}
}

func TestDistrosOfPutsTheMachinesOwnFirst(t *testing.T) {
	distro := func(name string) func() string { return func() string { return name } }
	for machine, first := range map[string]string{"debian12": "debian-bookworm", "debian13": "debian-trixie"} {
		all := trust.DistrosOf("gcc", distro(machine))
		if len(all) < 2 || all[0] != first {
			t.Errorf("%s: %v", machine, all)
		}
		if ref, ok := trust.Installable("gcc", distro(machine)); !ok || ref != first+"/gcc" {
			t.Errorf("%s: %s, %v", machine, ref, ok)
		}
	}
	if ref, ok := trust.Installable("go", distro("debian12")); !ok || ref != "go" {
		t.Errorf("go: %s, %v", ref, ok)
	}
	if ref, ok := trust.Installable("nonesuch", distro("debian12")); ok {
		t.Errorf("nonesuch: %s", ref)
	}
}

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

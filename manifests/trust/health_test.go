package trust_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// unmarked is a State without marks.
type unmarked struct{ settings }

func (unmarked) Mark(manifests.Channel) (verify.Mark, error) { return verify.Mark{}, nil }

// Keys that soon expire are a finding only if too few others are left.
func TestFailingKeys(t *testing.T) {
	const day = 24 * time.Hour
	made := now.AddDate(-1, 0, 0)
	lasting := func(name string) *verifytest.Key { return verifytest.NewKey(t, name, made) }
	expiring := func(name string, in time.Duration) *verifytest.Key {
		return verifytest.NewExpiringKey(t, name, made, now.Add(in).Sub(made))
	}
	for _, test := range []struct {
		name      string
		threshold int
		keys      []*verifytest.Key
		findings  int
	}{
		{"lasting", 1, []*verifytest.Key{lasting("a")}, 0},
		{"expires soon", 1, []*verifytest.Key{expiring("a", 30*day)}, 1},
		{"expires later", 1, []*verifytest.Key{expiring("a", 90*day)}, 0},
		{"expired", 1, []*verifytest.Key{expiring("a", -day)}, 1},
		{"another is left", 1, []*verifytest.Key{expiring("a", 30*day), lasting("b")}, 0},
		{"both must sign", 2, []*verifytest.Key{expiring("a", 30*day), lasting("b")}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t, "")
			d.State = unmarked{d.State.(settings)}
			root, err := d.State.Config(false)
			if err != nil {
				t.Fatal(err)
			}
			c := channels.Channel{Name: "mine", URL: "https://ann:secret@mine.example/channel.toml", Format: "native", Threshold: test.threshold, Added: now}
			for _, k := range test.keys {
				c.Pins = append(c.Pins, k.Pin())
			}
			if err := (channels.Store{Root: root}).Put(c, verifytest.Keyring(t, test.keys...)); err != nil {
				t.Fatal(err)
			}
			findings, err := d.FailingKeys("mine")
			if err != nil || len(findings) != test.findings {
				t.Errorf("got %+v, %v", findings, err)
			}
			urls, shown := d.Places("mine")
			if len(urls) != 1 || len(shown) != 1 || !strings.Contains(urls[0], "secret") || strings.Contains(shown[0], "secret") {
				t.Errorf("places: %q, %q", urls, shown)
			}
		})
	}
}

// Every built-in channel has keys that do, and an unknown one is an error.
func TestFailingKeysOfBuiltinChannels(t *testing.T) {
	d := newDesk(t, "")
	asked := 0
	for _, name := range upstreams.Names() {
		if !trust.IsBuiltinChannel(name) {
			t.Fatalf("%s is not built in", name)
		}
		if _, err := d.FailingKeys(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		urls, shown := d.Places(name)
		if len(urls) != len(shown) {
			t.Errorf("%s: %q, %q", name, urls, shown)
		}
		asked += len(urls)
	}
	if asked < 5 {
		t.Errorf("only %d places", asked)
	}
	if _, err := d.FailingKeys("nobody"); !errors.As(err, new(*channels.UnknownChannelError)) {
		t.Errorf("unknown: %v", err)
	}
}

package trust_test

import (
	"errors"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// ownDesk returns a desk that has keys as those of kist's own channel.
func ownDesk(t *testing.T, policy string, keys ...*verifytest.Key) *trust.Desk {
	t.Helper()
	d := newDesk(t, policy)
	d.OwnKeys = func() (*verify.Keyring, error) { return verifytest.Keyring(t, keys...), nil }
	return d
}

func ownKeys(t *testing.T, names ...string) (keys []*verifytest.Key) {
	t.Helper()
	for _, name := range names {
		keys = append(keys, verifytest.NewKey(t, name, now.AddDate(-1, 0, 0)))
	}
	return keys
}

// store stores settings of kist's own channel, as a rotation of its keys does.
func store(t *testing.T, d *trust.Desk, pinned []*verifytest.Key, rotated []*verifytest.Key, revoked ...verify.Fingerprint) {
	t.Helper()
	c := channels.Channel{Name: upstreams.OwnChannel, URL: upstreams.OwnURL, Format: "native", Threshold: upstreams.OwnThreshold,
		Tools: []string{upstreams.OwnTool}, Added: now, Rotation: &channels.Rotation{
			Edition: native.Edition{KeysMark: verify.KeysMark{Version: 2, Digest: verify.DigestOf([]byte("keys"))}, Issued: now, Expires: now.Add(time.Hour), Revoked: revoked},
			Taken:   now, Threshold: upstreams.OwnThreshold,
		}}
	for _, k := range pinned {
		c.Pins = append(c.Pins, k.Pin())
	}
	for _, k := range rotated {
		c.Rotation.Pins = append(c.Rotation.Pins, k.Pin())
	}
	root, err := d.State.Config(true)
	if err != nil {
		t.Fatal(err)
	}
	if err := (channels.Store{Root: root}).Put(c, verifytest.Keyring(t, rotated...)); err != nil {
		t.Fatal(err)
	}
}

func TestOwnChannelIsBoundToItsKeys(t *testing.T) {
	for _, test := range []struct {
		policy  string
		allowed bool
	}{
		{"", true},
		{`channels = ["kist", "go"]`, true},
		{`channels = ["go"]`, false},
		{`urls = ["https://acme.example/*"]`, true}, // it is built in
		{`threshold = 3`, true},
		{`rsa = 4096`, true},
	} {
		b, err := ownDesk(t, test.policy, ownKeys(t, "a", "b", "c")...).Named(t.Context(), "kist")
		if (err == nil) != test.allowed || err != nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("policy %s: %v", test.policy, err)
		}
		if err == nil && (b.Source.(native.Source).Policy.Threshold != 2 || b.Added || b.Settings.URL != upstreams.OwnURL) {
			t.Errorf("policy %s: %+v", test.policy, b)
		}
	}
	if _, err := ownDesk(t, "", ownKeys(t, "a")...).Own(); err == nil {
		t.Error("one key was enough for a threshold of two")
	}
}

func TestOwnChannelWithoutReleaseKeys(t *testing.T) {
	d := newDesk(t, "")
	d.OwnKeys = upstreams.OwnKeys
	if _, err := d.Own(); !as[*trust.NoReleaseKeysError](err) || !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("placeholders: %v", err)
	}
}

// Stored keys count only if they continue the built-in ones; a revocation always does.
func TestOwnChannelAfterARotation(t *testing.T) {
	keys := ownKeys(t, "a", "b", "c", "d")
	built, rotated := keys[:3], []*verifytest.Key{keys[0], keys[1], keys[3]}
	d := ownDesk(t, "", built...)
	store(t, d, built, rotated)
	b, err := d.Own()
	if err != nil || !b.Added || b.Source.(native.Source).Edition.Version != 2 || !trust.Pinned(b.Keys.Pins(), keys[3].Primary()) || trust.Pinned(b.Keys.Pins(), keys[2].Primary()) {
		t.Errorf("%+v, %v", b, err)
	}
	list, err := d.List()
	for _, c := range list {
		if c.Name == upstreams.OwnChannel {
			t.Error("it is listed as a channel that the user added")
		}
	}
	if err != nil || len(list) != 2 {
		t.Errorf("%d channels, %v", len(list), err)
	}

	other := ownDesk(t, "", keys[1:]...) // a later kist, with other keys
	store(t, other, built, rotated)
	if b, err := other.Own(); err != nil || b.Added || b.Source.(native.Source).Edition.Version != 0 || !trust.Pinned(b.Keys.Pins(), keys[2].Primary()) {
		t.Errorf("%+v, %v", b, err)
	}
	store(t, other, built, rotated, keys[2].Primary())
	if _, err := other.Own(); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("with a revoked key: %v", err)
	}
}

func TestKistIsNoToolchain(t *testing.T) {
	d := ownDesk(t, "", ownKeys(t, "a", "b")...)
	for _, text := range []string{"kist", "kist/kist", "kist@0.1.0", "kist/other"} {
		ref, err := trust.ParseRef(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Pick(t.Context(), ref); !as[*trust.OwnToolError](err) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := d.Pick(t.Context(), trust.Ref{Channel: "acme", Name: "kist"}); err != nil {
		t.Errorf("a tool of that name of another channel: %v", err)
	}
	if _, err := d.Added("kist"); !as[*trust.BuiltinError](err) {
		t.Errorf("as an added channel: %v", err)
	}
}

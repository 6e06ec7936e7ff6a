package limits_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/limits"
	"github.com/kist-tools/kist/verify"
)

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func machine(t *testing.T, policies ...string) limits.Limits {
	t.Helper()
	l := limits.Limits{Now: now}
	for i, text := range policies {
		r, err := channels.ParseRules([]string{"/etc/kist/policy.toml", "policy.toml"}[i], []byte("format = 1\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		l.Rules = append(l.Rules, r)
	}
	return l
}

var zig = limits.Candidate{Channel: "acme", Tool: "zig", Version: "0.14.0"}

// The epoch is Debian's own; people write the number of the tool.
var debianGo = limits.Candidate{Channel: "debian-bookworm", Tool: "go", Version: "2:1.19.8-2", Debian: true}

func TestTheHighestMinimumAgeCounts(t *testing.T) {
	for _, test := range []struct {
		machine, user string
		flag          time.Duration
		want          time.Duration
		from          string
	}{
		{"", "", 0, 0, "policy.toml"},
		{`minimum_age = "72h"`, "", 0, 72 * time.Hour, "/etc/kist/policy.toml"},
		{`minimum_age = "72h"`, `minimum_age = "1h"`, time.Minute, 72 * time.Hour, "/etc/kist/policy.toml"},
		{`minimum_age = "1h"`, `minimum_age = "3d"`, 0, 72 * time.Hour, "policy.toml"},
		{`minimum_age = "72h"`, "", 80 * time.Hour, 80 * time.Hour, "--minimum-age"},
		{`minimum_age = "0s"`, "", 2 * time.Hour, 2 * time.Hour, "--minimum-age"},
	} {
		l := machine(t, test.machine, test.user)
		l.AtLeast = test.flag
		if age, from := l.MinimumAge(); age != test.want || from != test.from {
			t.Errorf("%+v: %v from %s", test, age, from)
		}
	}
}

func TestTooYoung(t *testing.T) {
	l := machine(t, `minimum_age = "72h"`)
	for _, test := range []struct {
		name  string
		since time.Time
		young bool
	}{
		{"just old enough", now.Add(-72 * time.Hour), false},
		{"a nanosecond too new", now.Add(-72*time.Hour + 1), true},
		{"released now", now, true},
		{"dated in the future", now.AddDate(1, 0, 0), true},
		{"very old", now.AddDate(-10, 0, 0), false},
		{"without a date", time.Time{}, true},
	} {
		err := l.TooYoung(zig, limits.Date{At: test.since, By: limits.Stated})
		young, ok := errors.AsType[*limits.YoungError](err)
		if ok != test.young || ok && (!errors.Is(err, verify.ErrStale) || young.Until().Before(now)) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if err := machine(t, "").TooYoung(zig, limits.Date{}); err != nil {
		t.Errorf("without a rule: %v", err)
	}
}

func TestForbids(t *testing.T) {
	withdrawn := []verify.Withdrawal{{Tool: "zig", Versions: "=0.14.0", Reason: "miscompiles loops", ReplacedBy: "0.13.0"}}
	for _, test := range []struct {
		name      string
		machine   string
		user      string
		withdrawn []verify.Withdrawal
		c         limits.Candidate
		want      string // "" if it is allowed
	}{
		{"nothing known", "", "", nil, zig, ""},
		{"withdrawn", "", "", withdrawn, zig, "acme/zig@0.14.0 was withdrawn by its publisher: miscompiles loops; it is replaced by 0.13.0"},
		{"another version withdrawn", "", "", withdrawn, limits.Candidate{Channel: "acme", Tool: "zig", Version: "0.14.1"}, ""},
		{"denied by the machine", `deny = ["zig@<0.15"]`, "", nil, zig, `acme/zig@0.14.0 is denied by "zig@<0.15" (/etc/kist/policy.toml)`},
		{"denied by the user", `deny = ["zig@<0.14"]`, `deny = ["acme/zig@0.14"]`, nil, zig, `acme/zig@0.14.0 is denied by "acme/zig@0.14" (policy.toml)`},
		{"denied in another channel", `deny = ["bolt/zig@<0.15"]`, "", nil, zig, ""},
		{"another tool denied", `deny = ["zag@<0.15"]`, "", nil, zig, ""},
		{"in dpkg's order", `deny = ["gcc@<4:12.2.0-4"]`, "", nil, limits.Candidate{Channel: "debian-bookworm", Tool: "gcc", Version: "4:12.2.0-3", Debian: true}, "is denied by"},
		{"not in dpkg's order", `deny = ["gcc@<4:12.2.0-4~bpo"]`, "", nil, limits.Candidate{Channel: "debian-bookworm", Tool: "gcc", Version: "4:12.2.0-4", Debian: true}, ""},
		{"below a number without an epoch", `deny = ["go@<1.26.3"]`, "", nil, debianGo, "is denied by"},
		{"not below a number without an epoch", `deny = ["go@<1.19"]`, "", nil, debianGo, ""},
		{"not above a number without an epoch", `deny = ["go@>=1.20"]`, "", nil, debianGo, ""},
		{"above an epoch", `deny = ["go@>1:1.20"]`, "", nil, debianGo, "is denied by"},
		{"by what the command line calls it", `deny = ["go@1.19"]`, "", nil, debianGo, "is denied by"},
		{"by a part of what the command line calls it", `deny = ["go@1"]`, "", nil, debianGo, "is denied by"},
		{"by its upstream number", `deny = ["go@=1.19.8"]`, "", nil, debianGo, "is denied by"},
		{"another upstream number", `deny = ["go@=1.19"]`, "", nil, debianGo, ""},
		{"by all of it", `deny = ["go@=2:1.19.8-2"]`, "", nil, debianGo, "is denied by"},
		{"another revision", `deny = ["go@=2:1.19.8-1"]`, "", nil, debianGo, ""},
		{"another epoch", `deny = ["go@1:1.19"]`, "", nil, debianGo, ""},
	} {
		test.c.Withdrawn = test.withdrawn
		err := machine(t, test.machine, test.user).Forbids(test.c)
		_, refusal := err.(limits.Refusal)
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || !errors.Is(err, verify.ErrUntrusted) || !refusal) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestSignedDate(t *testing.T) {
	day := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	signed := func(days ...int) verify.Evidence {
		e := verify.Evidence{Kind: verify.ByDetached}
		for _, n := range days {
			e.Signers = append(e.Signers, verify.Signer{Created: day(n)})
		}
		return e
	}
	list := signed(5)
	also := signed(9)
	also.Also = []verify.Evidence{signed(2)}
	undated := signed(9)
	undated.Also = []verify.Evidence{{Kind: verify.ByTree, Tree: &verify.Tree{}}}
	for _, test := range []struct {
		name string
		r    manifests.Release
		want limits.Date
	}{
		{"as stated", manifests.Release{Released: day(9), Evidence: signed(1)}, limits.Date{At: day(9), By: limits.Stated}},
		{"by the newest signature", manifests.Release{Evidence: signed(9, 3, 5)}, limits.Date{At: day(3), By: limits.Signed}},
		{"by the signature over the list that states it", manifests.Release{Evidence: verify.Evidence{Kind: verify.ByDigest, Parent: &list}}, limits.Date{At: day(5), By: limits.Signed}},
		{"by the newest of several suites", manifests.Release{Evidence: also}, limits.Date{At: day(2), By: limits.Signed}},
		{"partly by nothing", manifests.Release{Evidence: undated}, limits.Date{}},
		{"by a checksum database", manifests.Release{Evidence: verify.Evidence{Kind: verify.ByTree, Tree: &verify.Tree{}}}, limits.Date{}},
		{"by the signature of its file", manifests.Release{}, limits.Date{}},
	} {
		if got := limits.SignedDate(test.r); !got.At.Equal(test.want.At) || got.By != test.want.By && !test.want.At.IsZero() {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestEarlier(t *testing.T) {
	old, recent := limits.Date{At: now.AddDate(0, 0, -9), By: limits.Seen}, limits.Date{At: now, By: limits.Signed}
	if old.Earlier(recent) != old || recent.Earlier(old) != old || (limits.Date{}).Earlier(recent) != recent || recent.Earlier(limits.Date{}) != recent {
		t.Error("the earlier of two dates is not chosen")
	}
}

package debian

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

func TestResolve(t *testing.T) {
	w := whole(t)
	release, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	if release.Version != "1.11.1-2~deb12u2" || !slices.Equal(release.Labels, []string{"1.11.1", "1.11", "1"}) {
		t.Errorf("version %s, labels %q", release.Version, release.Labels)
	}
	if got := components(release); got != "gcc-12-base libc6 libgcc-s1 ninja-build" {
		t.Errorf("packages %s", got)
	}
	ninja := release.Artifacts[3]
	if ninja.Refs[0] != security+"pool/main/n/ninja-build/ninja-build_1.11.1-2~deb12u2_amd64.deb" || ninja.Layout.Format != "deb" || !ninja.Layout.MergedUsr {
		t.Errorf("artifact %+v", ninja)
	}
	if data := w.Files[ninja.Refs[0]]; ninja.Size != int64(len(data)) || ninja.Integrity.Digest != verify.DigestOf(data) {
		t.Errorf("%s has %d bytes, %s", ninja.Name, ninja.Size, ninja.Integrity.Digest)
	}
	if libc := release.Artifacts[1]; !strings.HasPrefix(libc.Refs[0], root+"pool/") || libc.Layout.Into != "" {
		t.Errorf("artifact %+v", libc)
	}
	e := release.Evidence
	if e.Kind != verify.ByDigest || e.Root().Kind != verify.ByClearsigned || len(e.Also) != 1 || len(e.Blobs) != 1 || e.Mark.Line != "bookworm" ||
		!slices.Contains(e.Notes, noExpiry) || len(e.Also[0].Notes) != 0 || e.Also[0].Mark.Expires.IsZero() {
		t.Errorf("evidence %+v", e)
	}
	for _, asked := range []string{"1.11", "1.11.1", "1.11.1-2", "1.11.1-2~deb12u2"} {
		r := ask("ninja")
		r.Version = asked
		if got, err := w.resolve(t, w.source(t), r, verify.Mark{}); err != nil || got.Version != release.Version {
			t.Errorf("%s: %s, %v", asked, got.Version, err)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	w := whole(t)
	for name, test := range map[string]struct {
		request manifests.Request
		is      func(error) bool
	}{
		"another version":    {manifests.Request{Tool: "ninja", Version: "1.12", Platform: linux}, isType[*manifests.UnknownVersionError]},
		"half a number":      {manifests.Request{Tool: "ninja", Version: "1.1", Platform: linux}, isType[*manifests.UnknownVersionError]},
		"a label":            {manifests.Request{Tool: "ninja", Version: "stable", Platform: linux}, isType[*manifests.UnknownVersionError]},
		"another tool":       {manifests.Request{Tool: "julia", Platform: linux}, isType[*manifests.UnknownToolError]},
		"one that can't":     {manifests.Request{Tool: "nodejs", Platform: linux}, func(err error) bool { return errors.Is(err, errRefusedTool) }},
		"not in the archive": {manifests.Request{Tool: "cmake", Platform: linux}, isType[*unsatisfiedError]},
		"another system":     {manifests.Request{Tool: "ninja", Platform: manifests.Platform{OS: "darwin", Arch: "arm64"}}, isType[*manifests.UnsupportedPlatformError]},
		"another machine":    {manifests.Request{Tool: "ninja", Platform: manifests.Platform{OS: "linux", Arch: "s390x"}}, isType[*manifests.UnsupportedPlatformError]},
		"no such package":    {manifests.Request{Tool: "ninja", Platform: linux, Components: []string{"make"}}, isType[*manifests.UnknownPartError]},
		"a target":           {manifests.Request{Tool: "ninja", Platform: linux, Targets: []string{"wasm"}}, isType[*manifests.UnknownPartError]},
		"a profile":          {manifests.Request{Tool: "ninja", Platform: linux, Profile: "minimal"}, isType[*manifests.UnknownPartError]},
	} {
		if _, err := w.resolve(t, w.source(t), test.request, verify.Mark{}); !test.is(err) || isUntrusted(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	granted := w.source(t)
	granted.Tools = []string{"ninja"}
	if _, err := w.resolve(t, granted, ask("cmake"), verify.Mark{}); !isType[*manifests.UnknownToolError](err) {
		t.Errorf("a tool that was not granted: %v", err)
	}
	if _, err := w.resolve(t, granted, ask("ninja"), verify.Mark{}); err != nil {
		t.Errorf("its twin: %v", err)
	}
	more := ask("ninja")
	more.Components = []string{"libgcc-s1"}
	if r, err := w.resolve(t, w.source(t), more, verify.Mark{}); err != nil || !slices.Equal(r.Components, []string{"ninja-build", "libgcc-s1"}) {
		t.Errorf("an additional package: %v, %v", r.Components, err)
	}
}

func isType[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// TestMixedSuites checks that every suite must be the requested one.
func TestMixedSuites(t *testing.T) {
	for name, test := range map[string]struct {
		at     string
		change func(*manifesttest.Suite)
		want   error
	}{
		"as it is":                      {"bookworm", func(s *manifesttest.Suite) {}, nil},
		"trixie as bookworm":            {"bookworm", func(s *manifesttest.Suite) { s.Suite, s.Codename = "stable", "trixie" }, verify.ErrUntrusted},
		"updates as bookworm":           {"bookworm", func(s *manifesttest.Suite) { s.Suite, s.Codename = "oldstable-updates", "bookworm-updates" }, verify.ErrUntrusted},
		"Ubuntu's security as its base": {"bookworm", func(s *manifesttest.Suite) { s.Suite, s.Codename = "bookworm-security", "bookworm" }, verify.ErrUntrusted},
		"another origin":                {"bookworm", func(s *manifesttest.Suite) { s.Origin = "Mallory" }, verify.ErrUntrusted},
		"no name":                       {"bookworm", func(s *manifesttest.Suite) { s.Sums = without("Suite", "Codename") }, verify.ErrUntrusted},
		"trixie's security":             {"bookworm-security", func(s *manifesttest.Suite) { s.Suite, s.Codename = "stable-security", "trixie-security" }, verify.ErrUntrusted},
		"trixie's, called bookworm's":   {"bookworm-security", func(s *manifesttest.Suite) { s.Suite, s.Codename = "bookworm-security", "trixie" }, verify.ErrUntrusted},
		"the base as security":          {"bookworm-security", func(s *manifesttest.Suite) { s.Suite, s.Codename = "oldstable", "bookworm" }, verify.ErrUntrusted},
		"security as Ubuntu calls it":   {"bookworm-security", func(s *manifesttest.Suite) { s.Suite, s.Codename = "bookworm-security", "bookworm" }, nil},
		"proposed updates as the updates": {"bookworm-security", func(s *manifesttest.Suite) {
			s.Suite, s.Codename = "oldstable-proposed-updates", "bookworm-proposed-updates"
		}, verify.ErrUntrusted},
	} {
		t.Run(name, func(t *testing.T) {
			w := whole(t)
			s, at := bookworm(), root
			if test.at == "bookworm-security" {
				s, at = securitySuite("1.11.1-3"), security
			}
			test.change(&s)
			w.publish(t, at, s)
			if _, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{}); !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// without drops fields of a release.
func without(fields ...string) func(string) string {
	return func(text string) (kept string) {
		for line := range strings.Lines(text) {
			if name, _, _ := strings.Cut(line, ":"); !slices.Contains(fields, name) {
				kept += line
			}
		}
		return kept
	}
}

// TestOnePinnedKeySuffices checks that one pinned signer is enough, whatever other
// signatures there are.
func TestOnePinnedKeySuffices(t *testing.T) {
	w := whole(t)
	stranger := verifytest.NewKey(t, "stranger", now.AddDate(-1, 0, 0))
	other := verifytest.NewKey(t, "automatic", now.AddDate(-1, 0, 0))
	for name, test := range map[string]struct {
		signers []*verifytest.Key
		want    error
	}{
		"the archive, and others": {[]*verifytest.Key{stranger, other, w.key}, nil},
		"others alone":            {[]*verifytest.Key{stranger, other}, verify.ErrUntrusted},
	} {
		s := securitySuite("1.11.1-3")
		s.Signers = test.signers
		w.publish(t, security, s)
		if _, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{}); !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFormat checks what a release and an index may contain.
func TestFormat(t *testing.T) {
	index := func(change func(string) string) func(*manifesttest.Suite) {
		return func(s *manifesttest.Suite) { s.Change = change }
	}
	release := func(change func(string) string) func(*manifesttest.Suite) {
		return func(s *manifesttest.Suite) { s.Sums = change }
	}
	replace := func(old, new string) func(string) string {
		return func(text string) string {
			if !strings.Contains(text, old) {
				t.Fatalf("%q is not in %q", old, text)
			}
			return strings.Replace(text, old, new, 1)
		}
	}
	reversed := func(text string) string {
		list := strings.Split(strings.TrimSpace(text), "\n\n")
		slices.Reverse(list)
		return strings.Join(list, "\n\n") + "\n"
	}
	again := func(text string) string { return text + text }
	for name, test := range map[string]struct {
		change func(*manifesttest.Suite)
		good   bool
	}{
		"stanzas in another order":     {index(reversed), true},
		"a stanza twice":               {index(again), true},
		"further empty lines":          {index(func(s string) string { return "\n\n" + strings.ReplaceAll(s, "\n\n", "\n\n\n") + "\n" }), true},
		"a field of its own":           {index(replace("Version: 2.36", "X-Own: yes\nVersion: 2.36")), true},
		"a field on two lines":         {index(replace("Depends: libc6 (>= 2.34)", "Depends: libc6\n (>= 2.34)")), true},
		"another spelling of a field":  {index(replace("Depends: libc6 (>=", "depends: libc6 (>=")), true},
		"a line without a field":       {index(replace("Version: 2.36", "what\nVersion: 2.36")), false},
		"a field twice":                {index(replace("Version: 2.36", "Version: 9\nVersion: 2.36")), false},
		"a carriage return":            {index(replace("Version: 2.36", "X: y\r\nVersion: 2.36")), false},
		"a null byte":                  {index(replace("Version: 2.36", "X: \x00\nVersion: 2.36")), false},
		"no version":                   {index(replace("Version: 2.36-9+deb12u14\n", "")), false},
		"a version of nothing":         {index(replace("Version: 2.36-9+deb12u14", "Version: newest")), false},
		"no package":                   {index(replace("Package: libc6\n", "")), false},
		"a package with a path":        {index(replace("Package: libc6", "Package: ../libc6")), false},
		"another architecture":         {index(func(s string) string { return strings.Replace(s, "Architecture: amd64", "Architecture: s390x", 1) }), false},
		"for all architectures":        {index(func(s string) string { return strings.Replace(s, "Architecture: amd64", "Architecture: all", 1) }), true},
		"a file outside":               {index(replace("Filename: pool/main/n/", "Filename: ../pool/main/n/")), false},
		"a file elsewhere":             {index(replace("Filename: pool", "Filename: https://evil.example/pool")), false},
		"a file at the root":           {index(replace("Filename: pool/main/n/", "Filename: /pool/main/n/")), false},
		"not a .deb":                   {index(replace(".deb\n", ".sh\n")), false},
		"no size":                      {index(replace("\nSize: ", "\nSized: ")), false},
		"a negative size":              {index(replace("\nSize: ", "\nSize: -")), false},
		"no digest":                    {index(replace("SHA256: ", "MD5sum: ")), false},
		"a short digest":               {index(replace("SHA256: ", "SHA256: 00")), false},
		"an invalid relation":          {index(replace("libc6 (>= 2.34)", "libc6 (~ 2.34)")), false},
		"a date in another zone":       {release(replace(" UTC", " CET")), false},
		"a date without one":           {release(replace(" UTC", "")), false},
		"no date":                      {release(without("Date")), false},
		"a date twice":                 {release(func(s string) string { return "Date: " + now.Format(time.RFC1123) + "\n" + s }), false},
		"no digests":                   {release(func(s string) string { return strings.ReplaceAll(s, "SHA256:", "SHA512:") }), false},
		"only weak digests":            {release(func(s string) string { return s[:strings.Index(s, "SHA256:")] }), false},
		"an index twice":               {release(func(s string) string { return s + s[strings.LastIndex(s[:len(s)-1], "\n")+1:] }), false},
		"invalid digests":              {release(replace("SHA256:\n", "SHA256:\n xyz 1 main/binary-amd64/Packages.xz\n")), false},
		"a line of two words":          {release(replace("SHA256:\n", "SHA256:\n 00 1\n")), false},
		"a negative size of an index":  {release(replace("SHA256:\n", "SHA256:\n "+strings.Repeat("0", 64)+" -1 x/Packages\n")), false},
		"another architecture's alone": {release(func(s string) string { return strings.ReplaceAll(s, "main/binary-amd64", "main/binary-mips") }), false},
		"two stanzas":                  {release(func(s string) string { return s + "\nOrigin: Debian\n" }), false},
		"an index of 1 GB": {release(func(s string) string {
			return strings.ReplaceAll(s, " main/binary-amd64/Packages\n", "000000 main/binary-amd64/Packages\n")
		}), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := bookworm()
			test.change(&s)
			w.publish(t, root, s)
			_, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{})
			if test.good && err != nil || !test.good && !isUntrusted(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestLines checks that each suite is a line of the mark, with its date.
func TestLines(t *testing.T) {
	w := whole(t)
	c, err := w.fetch(t, w.source(t), ask("ninja"))
	if err != nil {
		t.Fatal(err)
	}
	last := c.Mark()
	if len(last.Lines) != 3 || last.Lines["bookworm-security"].Expires.IsZero() || !last.Issued.Equal(last.Lines["bookworm-security"].Issued) {
		t.Fatalf("mark %+v", last)
	}
	for name, test := range map[string]struct {
		change func(*manifesttest.Suite)
		want   error
	}{
		"the same":                 {func(s *manifesttest.Suite) {}, nil},
		"newer":                    {func(s *manifesttest.Suite) { s.Issued = s.Issued.Add(time.Minute) }, nil},
		"older":                    {func(s *manifesttest.Suite) { s.Issued = s.Issued.Add(-time.Minute) }, verify.ErrStale},
		"something else, same day": {func(s *manifesttest.Suite) { s.Packages = nil }, verify.ErrStale},
		"expired":                  {func(s *manifesttest.Suite) { s.Issued, s.Until = s.Issued.Add(time.Minute), now }, verify.ErrStale},
		"from the future": {func(s *manifesttest.Suite) {
			s.Issued, s.Until = now.Add(time.Hour), now.Add(time.Hour*48)
			s.Signed = now
		}, verify.ErrStale},
	} {
		s := securitySuite("1.11.1-2~deb12u2")
		test.change(&s)
		w.publish(t, security, s)
		if _, err := w.resolve(t, w.source(t), ask("ninja"), last); !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVersions(t *testing.T) {
	w := whole(t)
	r := manifests.Request{List: true, Platform: manifests.Platform{OS: "darwin", Arch: "arm64"}}
	c, err := w.fetch(t, w.source(t), r)
	if err != nil {
		t.Fatal(err)
	}
	list := c.Versions("")
	if len(list) != 1 || list[0].Tool != "ninja" || list[0].Version != "1.11.1-2~deb12u2" || list[0].Unsigned || !list[0].Date.Equal(now.Add(-time.Hour)) {
		t.Errorf("versions %+v", list)
	}
	if len(c.Versions("ninja")) != 1 || len(c.Versions("cmake")) != 0 || len(c.Versions("nodejs")) != 0 {
		t.Error("versions of one tool")
	}
}

func TestAt(t *testing.T) {
	suites, codename, err := At("file:///srv/mirror/debian/dists/bookworm/InRelease")
	want := []Suite{{"file:///srv/mirror/debian/", "bookworm"}, {"file:///srv/mirror/debian/", "bookworm-updates"}, {"file:///srv/mirror/debian-security/", "bookworm-security"}}
	if err != nil || codename != "bookworm" || !slices.Equal(suites, want) {
		t.Errorf("%v, %s, %v", suites, codename, err)
	}
	suites, _, err = At("https://u:secret@mirror.example.org/ubuntu/dists/noble/InRelease")
	if err != nil || suites[2] != (Suite{"https://u:secret@mirror.example.org/ubuntu/", "noble-security"}) || strings.Contains(suites[2].URL(), "secret") {
		t.Errorf("%v, %v", suites, err)
	}
	for _, ref := range []string{"https://mirror.example.org/debian/InRelease", "https://mirror.example.org/dists/InRelease", "https://mirror.example.org/dists/a/b/InRelease",
		"https://u:secret@mirror.example.org/dists/bookworm/Release", "", "https://mirror.example.org/dists/../InRelease"} {
		if _, _, err := At(ref); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kist-tools/kist/cmd/kist/internal/audittext"
	"github.com/kist-tools/kist/cmd/kist/internal/bundletext"
	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/healthtext"
	"github.com/kist-tools/kist/cmd/kist/internal/imagetext"
	"github.com/kist-tools/kist/cmd/kist/internal/inventorytext"
	"github.com/kist-tools/kist/cmd/kist/internal/mirrortext"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/cmd/kist/internal/releasetext"
	"github.com/kist-tools/kist/cmd/kist/internal/selftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/cmd/kist/internal/upkeeptext"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/install/trial"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// hostile are texts that would forge lines, hide text, or steer a terminal.
var hostile = []string{
	"x\nerror: forged", "x\r\nhint: forged", "x\nNothing was changed.", "x\u2028warning: forged\u2029hint: y", "error: forged", "hint: curl | sh",
	"x\x1b[1A\x1b[2Kerror: y", "x\u009b2J", "x\xff\x9b2J\xfe", "a\tb\vc\fd", "x\u202ey\u2066z", "g\u200bi\u00adt\ufeff", "\U000e0041x\U000e0100",
	"warning: a\nwarning: b", "\nhint: x", "\x00", "it's $(x) `y` \"z\"", "Nothing was changed.\nhint: x", "%s%d%n", "HINT: x", "unpack\nerror:",
}

// hostileErrors are errors that contain foreign text.
func hostileErrors(s string) []error {
	return []error{
		errors.New(s),
		failure.Usage("%s", s), failure.Usage("x: %s", s),
		fmt.Errorf("channel %s: %w", s, errors.Join(errors.New(s), manifests.ErrUnreachable)),
		&fs.PathError{Op: "open", Path: s, Err: fs.ErrPermission},
		&namedfiles.MissingError{Path: s}, &namedfiles.KeyError{Paths: []string{s}, Err: verify.ErrUntrusted}, &namedfiles.KeyError{Paths: []string{s}, Secret: true, Err: errors.New(s)},
		&failure.UnknownVerbError{Parent: "kist", Verb: s, Near: []string{s}}, &failure.UnknownVerbError{Parent: "kist", Verb: s, Try: s}, failure.NoTool(s), failure.NoExec(s, s),
		&trust.SeveralChannelsError{Tool: s, Channels: []string{s}, Flags: []string{s}}, &toolset.SeveralVersionsError{Tool: s, Refs: []string{s}}, &trust.TakenError{Name: s}, &trust.BuiltinError{Name: s}, verify.Errorf(trust.ErrFormat, "%s", s),
		failure.Drift([]string{s}), &failure.KeptError{Kept: []install.Drift{{Path: s, Reason: s}}},
		&plan.ForeignFileError{Path: s}, &plan.ConflictError{Command: s, Owner: s}, &install.EntryError{Archive: s, Path: s, Detail: s},
		&install.SystemPrefixError{Role: s, Path: s}, &rootfs.BusyError{Path: s, Holder: s}, &install.ChildError{How: s, Said: s},
		&manifests.UnknownToolError{Channel: s, Tool: s, Near: []string{s}}, &manifests.UnknownVersionError{Channel: s, Tool: s, Version: s},
		&channels.SettingsError{File: s, Err: errors.New(s)}, &channels.UnknownChannelError{Name: s},
		&verify.SignatureError{Name: s, Need: 2, Rules: []string{s, s}}, &verify.DigestError{Name: s},
		&toolset.NotInstalledError{Ref: trust.Ref{Channel: s, Name: s, Version: s}, Near: []string{s}}, &host.NoHomeError{Home: s},
		&failure.LaunchError{Code: 126, Err: errors.New(s)}, &trial.WitnessError{Witness: native.Witness{Path: s, Contains: s}}, &trial.NoCommandError{File: s, Patterns: []string{s}, Programs: []string{s}},
		fmt.Errorf("%s: %w", s, x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{s, s}}, Host: s}),
		&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{s}}, Host: s}},
		&net.DNSError{Err: s, Name: s, Server: s}, &url.Error{Op: "Get", URL: s, Err: errors.New(s)},
		verify.Errorf(transport.ErrFile, "%s", s),
		&failure.InternalError{What: s, Stack: "goroutine 1\n" + s},
	}
}

// resultTypes are the results that verbs print as text.
var resultTypes = []cli.Result{
	change.Result{}, shownChannel{}, channelList{}, channelRemoved{}, channelAdded{}, channelMoved{}, channelRefreshed{}, signatureResult{}, dirsResult{}, manResult{}, ensureResult{},
	listResult{}, availableResult{}, distrosResult{}, change.OutdatedResult{}, publishtext.Created{}, publishtext.Signed{}, publishtext.Verified{}, publishtext.Listed{}, publishtext.Removed{}, publishtext.Edited{}, publishtext.SetEdited{}, publishtext.Pruned{}, publishtext.Pushed{}, publishtext.Added{},
	publishtext.Keys{}, searchResult{}, releasetext.ShownRelease{}, releasetext.StoredEvidence{}, selfResult{}, releasetext.Shown{}, change.UpdateResult{}, change.SyncResult{}, releasetext.Checked{}, cli.Build{}, whichResult{}, projectfiles.Pinned{}, projectfiles.Asked{}, shimsResult{}, projectfiles.Locked{}, treeDigest{},
	cacheKeyResult{}, healthtext.Relocated{}, healthtext.Repaired{}, healthtext.Report{}, upkeeptext.Cache{}, upkeeptext.Pruned{}, upkeeptext.OlderReleases{}, upkeeptext.Collected{},
	mirrortext.Synced{}, mirrortext.Pushed{}, mirrortext.Verified{}, bundletext.Created{}, bundletext.Shown{}, imagetext.Written{}, audittext.Result{}, publishtext.Withdrawn{}, publishtext.Reinstated{}, publishtext.Page{},
	inventorytext.Document{}, inventorytext.Differences{}, inventorytext.Machine{}, inventorytext.Fleet{},
	selftext.Release{}, selftext.Updated{}, selftext.RolledBack{}, verifiedBuild{},
}

// fill sets every text in v to s, and every list and map to two of them.
func fill(v reflect.Value, s string, depth int) {
	if !v.CanSet() || depth > 8 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(2)
	case reflect.Uint64:
		v.SetUint(2)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), s, depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), s, depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), s, depth+1)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, s, depth+1)
		fill(value, s, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	}
}

// FuzzOutput puts hostile text everywhere that kist interpolates text. No line may begin
// like one of kist's own, except those that kist wrote, and nothing invisible may be
// printed.
func FuzzOutput(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, err := range hostileErrors(s) {
			e, stdout, stderr := testEnv(t)
			a := cli.New(e)
			a.VerbName = "install"
			a.Verb.Changes, a.Verbose = true, true
			if code := a.Finish(err); code == 0 || stdout.Len() > 0 {
				t.Errorf("%T: exit %d, stdout %q", err, code, stdout)
			}
			want := map[string]int{"error:": 1}
			if s == "" {
				want = nil // nothing to say, in some
			}
			checkLines(t, fmt.Sprintf("%T", err), stderr.String(), want, map[string]int{"error:": 1, "hint:": 1, "nothing was changed": 1})

			a.JSON = true
			a.Finish(err)
			checkJSON(t, fmt.Sprintf("%T", err), stdout.Bytes())
		}
		for _, r := range resultTypes {
			v := reflect.New(reflect.TypeOf(r)).Elem()
			fill(v, s, 0)
			p := &term.Page{}
			v.Interface().(cli.Result).Render(p)
			text := p.String()
			if _, columns := r.(dirsResult); columns { // one tab of kist's own in each line
				if lines := strings.Count(text, "\n"); strings.Count(text, "\t") != lines {
					t.Errorf("%T: %d lines: %q", r, lines, text)
				}
				text = strings.ReplaceAll(text, "\t", " ")
			}
			checkLines(t, fmt.Sprintf("%T", r), text, nil, nil)
		}

		e, _, stderr := testEnv(t)
		a := cli.New(e)
		a.Verbose = true
		a.Say("%s", s)
		a.Say("%s asks for %s", s, s)
		a.Detail("%v", errors.New(s))
		a.Warn("%s", s)
		if _, err := a.Confirm(t.Context(), strings.NewReader("\n"), "Remove %s?", s); err != nil {
			t.Error(err)
		}
		a.Say("")
		show := a.Progress()
		for _, stage := range []install.Stage{install.Download, install.Stage(s)} {
			show(install.Progress{Stage: stage, Name: s, Done: 1, Total: 2})
		}
		checkLines(t, "talk", stderr.String(), map[string]int{"warning:": 1}, nil)

		if strings.ContainsRune(s, 0) {
			return // no argument holds it
		}
		for _, args := range [][]string{
			{s}, {"install", s}, {"install", "--" + s}, {"install", "--jobs=" + s, "x"}, {"install", "--color=" + s, "x"}, {"list", s, s, s}, {"which", s},
			{"publish", s}, {"help", s}, {"completion", s}, {"channel", "add", s, s, "--key", s}, {"channel", "show", s}, {"run", s, "--", s},
			{"check-signature", s, "--keyring", s}, {"check-signature", s, "--at", s, "--keyring", s}, {"publish", "add", s, "--file", s}, {"install", "-" + s},
			{"__complete", s, ""}, {"ensure", s}, {"uninstall", s, "-c", s},
		} {
			e, stdout, stderr := testEnv(t, args...)
			run(t.Context(), e)
			if strings.HasPrefix(stdout.String(), "kist ") || strings.Contains(stdout.String(), "Usage\n") {
				continue // s is a flag such as -h
			}
			checkLines(t, fmt.Sprintf("%q", args), stderr.String(), nil, map[string]int{"error:": 1, "hint:": 1, "nothing was changed": 1})
			checkLines(t, fmt.Sprintf("%q", args), stdout.String(), nil, nil)
		}
	})
}

// labels are the beginnings of lines by which users recognize kist's own messages.
var labels = []string{"error:", "warning:", "hint:", "nothing was changed"}

// checkLines counts the lines of text that begin like kist's own: exactly those of want,
// and at most those of most, must be there.
func checkLines(t *testing.T, of, text string, want, most map[string]int) {
	t.Helper()
	lines := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\n\r\v\f\u0085\u2028\u2029", r) })
	for _, label := range labels {
		n := 0
		for _, line := range lines {
			if strings.HasPrefix(strings.ToLower(line), label) {
				n++
			}
		}
		if exact, ok := want[label]; ok && n != exact || !ok && n > most[label] {
			t.Errorf("%s: %d lines begin with %q:\n%s", of, n, label, text)
		}
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !term.IsVisible(r) }) {
		t.Errorf("%s: invisible characters are printed: %q", of, text)
	}
}

// checkJSON wants one JSON value, indented, without invisible characters.
func checkJSON(t *testing.T, of string, text []byte) {
	t.Helper()
	if !json.Valid(text) {
		t.Errorf("%s: not JSON: %q", of, text)
	}
	checkLines(t, of, string(text), nil, nil)
}

// JSON keeps the value, even if its text is escaped.
func TestJSONKeepsValues(t *testing.T) {
	for _, s := range hostile {
		var out bytes.Buffer
		p := term.New(&out, nil, term.Terminal{}, nil, nil)
		if err := p.PrintJSON(cli.Document{Format: 1, Verb: s}); err != nil {
			t.Fatal(err)
		}
		checkJSON(t, s, out.Bytes())
		var back cli.Document
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Verb != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Errorf("%q became %q (%v)", s, back.Verb, err)
		}
	}
}

// The two results that are scripts for a shell are the only ones not escaped.
func TestEveryResultIsFuzzed(t *testing.T) {
	scripts := []string{"kist.shellEnvironment", "kist.scriptResult"}
	for _, name := range resultNames(t) {
		known := slices.ContainsFunc(resultTypes, func(r cli.Result) bool {
			of := reflect.TypeOf(r)
			return path.Base(of.PkgPath())+"."+of.Name() == name
		})
		if known == slices.Contains(scripts, name) {
			t.Errorf("%s: want it in resultTypes, unless it is a script", name)
		}
	}
}

//go:build unix

package main

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify/verifytest"
)

// scriptDebian publishes one suite below DIR/debian, or DIR/debian-security for security
// updates, which are valid for a week: ninja of VERSION, and the C library that it needs,
// which security updates lack. Each further word changes a field of the suite: codename,
// suite, origin, index (a new field, so that its digest differs).
func scriptDebian(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 5, 9, "debian DIR KEY SUITE DAYS VERSION [WORD=VALUE…]")
	dir, name := filepath.Join(args[0], "debian"), args[2]
	days, err := strconv.Atoi(args[3])
	ts.Check(err)
	tb := scriptTB{ts: ts}
	ninja := map[string]string{"Depends": "libc6 (>= 2.34)"}
	s := manifesttest.Suite{Name: name, Suite: "old" + name, ByHash: true, Issued: time.Now().AddDate(0, 0, days).Truncate(24 * time.Hour),
		Signers: []*verifytest.Key{verifytest.LoadKey(tb, []byte(ts.ReadFile(args[1]+".sec")))},
		Packages: []manifesttest.Deb{
			{Package: "ninja-build", Version: args[4], Fields: ninja, Files: map[string]string{"usr/bin/ninja": "#!/bin/sh\necho " + args[4] + "\n"}},
			{Package: "libc6", Version: "2.36-9", Files: map[string]string{"lib/libc.so.6": "libc\n", "usr/share/doc/libc6/copyright": "LGPL\n"}},
		}}
	if strings.HasSuffix(name, "-security") {
		dir += "-security"
		s.Until, s.Packages = s.Issued.AddDate(0, 0, 7), s.Packages[:1]
	}
	for _, word := range args[5:] {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "codename":
			s.Codename = value
		case "suite":
			s.Suite = value
		case "index":
			s.Change = func(index string) string { return "X-Own: " + value + "\n" + index }
		default:
			ts.Fatalf("debian: %s", word)
		}
	}
	for path, data := range s.Publish(tb) {
		scriptWrite(ts, filepath.Join(dir, path), data)
	}
}

//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify/verifytest"
)

// scriptUpstream writes the files of the upstream of TOOL below DIR, signed by KEY: these
// versions, newest first, each with the code name of its support line after "=", if it
// has one, and how many days ago it was signed after "@".
func scriptUpstream(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 4, 20, "upstream TOOL DIR KEY VERSION[=LABEL][@DAYS]…")
	tool, dir, name := args[0], args[1], args[2]
	if _, err := os.Stat(ts.MkAbs(name + ".sec")); err != nil {
		scriptKey(ts, false, []string{name})
	}
	key := verifytest.LoadKey(scriptTB{ts: ts}, []byte(ts.ReadFile(name+".sec")))
	var worlds []manifesttest.World
	for _, arg := range args[3:] {
		arg, ago, _ := strings.Cut(arg, "@")
		version, line, _ := strings.Cut(arg, "=")
		issued, signed := time.Now().UTC().AddDate(0, 0, -1), time.Now().UTC().Add(-time.Hour)
		if ago != "" {
			days, err := strconv.Atoi(ago)
			ts.Check(err)
			signed = time.Now().UTC().AddDate(0, 0, -days)
			issued = signed
		}
		worlds = append(worlds, manifesttest.World{Name: line, Version: version, Issued: issued,
			Signers: []*verifytest.Key{key}, Signed: signed})
	}
	for path, data := range manifesttest.Publish(scriptTB{ts: ts}, tool, worlds...) {
		scriptWrite(ts, filepath.Join(dir, filepath.FromSlash(path)), data)
	}
}

//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/verify"
)

// buildTrailer precedes the version at the end of a copy of kist that a script made, so
// that copies differ, and each says its own version.
const buildTrailer = "\nthis copy of kist is version "

// useScriptRelease gives env the version at the end of its program, and the keys of kist's
// own channel that the script made: those in the files that TEST_RELEASE_KEYS lists.
func useScriptRelease(env *cli.Env) {
	if version := trailingVersion(env.Program); version != "" {
		env.Build.Version = version
	}
	list := os.Getenv("TEST_RELEASE_KEYS")
	if list == "" {
		return
	}
	env.OwnKeys = func() (*verify.Keyring, error) {
		var pins []verify.Pin
		var files [][]byte
		for _, name := range filepath.SplitList(list) {
			data, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			ring, err := verify.OpenKeyring(data)
			if err != nil {
				return nil, err
			}
			for _, c := range ring.Certificates() {
				pins = append(pins, verify.Pin{Primary: c.Fingerprint})
			}
			files = append(files, data)
		}
		return verify.NewKeyring(pins, files...)
	}
}

// trailingVersion returns the version that follows buildTrailer at the end of a file, or "".
func trailingVersion(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	end := make([]byte, 128)
	n, _ := f.ReadAt(end, max(0, info.Size()-int64(len(end))))
	_, version, _ := bytes.Cut(end[:n], []byte(buildTrailer))
	return string(version)
}

func scriptRelease(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 4, 10, "release DIR VERSION FILE KEY…")
	dir, version, file, keys := args[0], args[1], args[2], args[3:]
	if _, err := os.Stat(ts.MkAbs(dir)); err != nil {
		ts.Check(ts.Exec("kist", "publish", "init", dir, "--channel", "kist"))
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	ts.Check(ts.Exec("kist", "publish", "add", dir, file, "--tool", "kist", "--version", version, "--platform", platform,
		"--component", "program", "--format", "file", "--label", "stable"))
	ts.Check(ts.Exec("kist", "publish", "sign", dir, "--secret-key", keys[0]+".sec"))
	if next := ts.MkAbs(dir + "/channel.next.toml"); os.Rename(next, ts.MkAbs(dir+"/channel.toml")) == nil { // it waits for more signatures
		ts.Check(os.Remove(next + ".asc"))
	}
	scriptSign(ts, false, append([]string{dir + "/channel.toml"}, keys...))
}

// recordVersion returns a copy of program with version where the go command recorded
// "(devel)", as in a release: self update compares it with the version that was signed. The
// record keeps its length, so version has to be as long as 0.1.0; a checksum fills the rest.
func recordVersion(ts *testscript.TestScript, program []byte, version string) []byte {
	const main = "mod\tgithub.com/kist-tools/kist\t"
	devel, stated := []byte(main+"(devel)\t"), []byte(main+"v"+version+"\tx")
	if len(stated) != len(devel) || !bytes.Contains(program, devel) {
		ts.Fatalf("cannot record version %s: it is not as long as 0.1.0, or the tests were built with a version", version)
	}
	return bytes.ReplaceAll(program, devel, stated)
}

//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

func scriptNeeds(ts *testscript.TestScript, neg bool, args []string, low, high int, use string) {
	if neg || len(args) < low || len(args) > high {
		ts.Fatalf("usage: %s", use)
	}
}

func scriptWrite(ts *testscript.TestScript, name string, data []byte) {
	path := ts.MkAbs(name)
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, data, 0o644))
}

// scriptTB lets helpers that need a testing.TB run in a script.
type scriptTB struct {
	testing.TB
	ts *testscript.TestScript
}

func (tb scriptTB) Helper()           {}
func (tb scriptTB) Fatal(args ...any) { tb.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (tb scriptTB) Fatalf(format string, args ...any) {
	tb.ts.Fatalf(format, args...)
}

func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	var at any
	ts.Check(d.Decode(&at))
	if _, ok := at.(map[string]any); !ok {
		ts.Fatalf("stdout holds no JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("stdout holds more than one JSON object")
	}
	for _, step := range strings.Split(args[0], ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if step == "len" {
				at = json.Number(strconv.Itoa(len(v)))
				continue
			}
			ts.Check(err)
			if i >= len(v) {
				ts.Fatalf("%s: only %d elements", args[0], len(v))
			}
			at = v[i]
		default:
			at = nil
		}
	}
	matched, err := regexp.MatchString("^(?:"+args[1]+")$", fmt.Sprint(at))
	ts.Check(err)
	if matched == neg {
		ts.Fatalf("%s is %v, want %s", args[0], at, args[1])
	}
}

func scriptKey(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 2, "key NAME [DAYS]")
	days := 1
	if len(args) > 1 {
		var err error
		days, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	scriptWriteKey(ts, args[0], verifytest.NewKey(scriptTB{ts: ts}, args[0], time.Now().AddDate(0, 0, -days)))
}

func scriptWriteKey(ts *testscript.TestScript, name string, k *verifytest.Key) {
	scriptWrite(ts, name+".asc", k.Public(scriptTB{ts: ts}))
	scriptWrite(ts, name+".sec", k.Secret(scriptTB{ts: ts}))
	ts.Setenv(strings.ToUpper(name), string(k.Primary()))
}

// scriptReissue makes two certificates of one secret key.
func scriptReissue(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 1, "reissue NAME")
	a, b := verifytest.NewReissuedKey(scriptTB{ts: ts}, args[0], time.Now().AddDate(0, 0, -2), time.Now().AddDate(0, 0, -1))
	scriptWriteKey(ts, args[0], a)
	scriptWriteKey(ts, args[0]+"-reissued", b)
}

// scriptSubkey writes a newer copy of a key, which has one more subkey.
func scriptSubkey(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 2, 2, "subkey KEY FILE")
	k := verifytest.LoadKey(scriptTB{ts: ts}, []byte(ts.ReadFile(args[0]+".sec")))
	k.AddSubkey(scriptTB{ts: ts}, time.Now().Add(-time.Hour))
	scriptWrite(ts, args[1], k.Public(scriptTB{ts: ts}))
}

func scriptSign(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 2, 10, "sign FILE KEY…")
	data := []byte(ts.ReadFile(args[0]))
	var block []byte
	for _, name := range args[1:] {
		key, err := verify.ReadSecretKey([]byte(ts.ReadFile(name + ".sec")))
		ts.Check(err)
		sig, err := key.Sign(args[0], data, time.Now())
		ts.Check(err)
		if block == nil {
			block = sig
			continue
		}
		block, err = verify.AppendSignature(block, sig)
		ts.Check(err)
	}
	scriptWrite(ts, args[0]+".asc", block)
}

// scriptPack makes a tar.gz of files by name; a name that ends in * is executable.
func scriptPack(ts *testscript.TestScript, file string, members []*tar.Header, contents map[string]string) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range members {
		content := contents[h.Name]
		h.Size = int64(len(content))
		ts.Check(w.WriteHeader(h))
		_, err := io.WriteString(w, content)
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(z.Close())
	scriptWrite(ts, file, b.Bytes())
}

func scriptArchive(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 2, 20, "archive FILE DIR [MEMBER…]")
	var members []*tar.Header
	contents := map[string]string{}
	top := ts.MkAbs(args[1])
	ts.Check(filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(top, path)
		ts.Check(err)
		data, err := os.ReadFile(path)
		ts.Check(err)
		mode := int64(0o644)
		if strings.HasPrefix(rel, "bin/") {
			mode = 0o755
		}
		members = append(members, &tar.Header{Name: rel, Mode: mode, Typeflag: tar.TypeReg})
		contents[rel] = string(data)
		return nil
	}))
	for _, m := range args[2:] {
		name, target, link := strings.Cut(m, "->")
		h := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}
		if link {
			h.Typeflag, h.Linkname = tar.TypeSymlink, target
		}
		members = append(members, h)
	}
	scriptPack(ts, args[0], members, contents)
}

func scriptHello(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 2, 2, "hello FILE VERSION")
	top := "hello-" + args[1] + "/"
	script := "#!/bin/sh\necho hello " + args[1] + " \"$@\"\nexit ${CODE:-0}\n"
	scriptPack(ts, args[0], []*tar.Header{
		{Name: top, Mode: 0o755, Typeflag: tar.TypeDir},
		{Name: top + "bin/hello", Mode: 0o755, Typeflag: tar.TypeReg},
		{Name: top + "lib/VERSION", Mode: 0o644, Typeflag: tar.TypeReg},
	}, map[string]string{top + "bin/hello": script, top + "lib/VERSION": args[1] + "\n"})
}

func scriptAcme(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 2, 10, "acme DIR VERSION…")
	dir := args[0]
	if _, err := os.Stat(ts.MkAbs("acme.sec")); err != nil {
		scriptKey(ts, false, []string{"acme"})
	}
	if _, err := os.Stat(ts.MkAbs(dir)); err != nil {
		ts.Check(ts.Exec("kist", "publish", "init", dir, "--channel", "acme"))
	}
	for _, version := range args[1:] {
		file := "hello-" + version + ".tar.gz"
		scriptHello(ts, false, []string{file, version})
		ts.Check(ts.Exec("kist", "publish", "add", dir, "--tool", "hello", "--version", version, "--platform", "any",
			"--file", file, "--strip", "1", "--command", "bin/hello", "--witness", "lib/VERSION="+version))
	}
	ts.Check(ts.Exec("kist", "publish", "sign", dir, "--secret-key", "acme.sec"))
}

func scriptFill(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 1, "fill FILE")
	hole := regexp.MustCompile(`\{(size|sha256|now) ?([^}]*)\}`)
	text := hole.ReplaceAllStringFunc(ts.ReadFile(args[0]), func(found string) string {
		part := hole.FindStringSubmatch(found)
		if part[1] == "now" {
			days := 0
			if part[2] != "" {
				var err error
				days, err = strconv.Atoi(part[2])
				ts.Check(err)
			}
			return time.Now().UTC().AddDate(0, 0, days).Format(time.RFC3339)
		}
		data := ts.ReadFile(part[2])
		if part[1] == "size" {
			return strconv.Itoa(len(data))
		}
		sum := sha256.Sum256([]byte(data))
		return hex.EncodeToString(sum[:])
	})
	scriptWrite(ts, args[0], []byte(text))
}

func scriptFlip(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 2, "flip FILE [OFFSET]")
	data := []byte(ts.ReadFile(args[0]))
	at := len(data) / 2
	if len(args) > 1 {
		var err error
		at, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	data[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
}

// scriptTree describes everything below a directory.
func scriptTree(ts *testscript.TestScript, dir string) []string {
	var tree []string
	top := ts.MkAbs(dir)
	ts.Check(filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s %v", rel, info.Mode())
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x", len(data), sha256.Sum256(data))
		}
		tree = append(tree, line)
		return nil
	}))
	return tree
}

func scriptSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 2, 2, "snapshot NAME DIR")
	scriptWrite(ts, filepath.Join(".snapshots", args[0]), []byte(strings.Join(scriptTree(ts, args[1]), "\n")))
}

func scriptUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 2, 2, "unchanged NAME DIR")
	before := strings.Split(ts.ReadFile(filepath.Join(".snapshots", args[0])), "\n")
	after := scriptTree(ts, args[1])
	for _, line := range before {
		if !slices.Contains(after, line) {
			ts.Logf("- %s", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			ts.Logf("+ %s", line)
		}
	}
	if !slices.Equal(before, after) {
		ts.Fatalf("%s is not as it was", args[1])
	}
}

func scriptHold(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 1, "hold FILE")
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR|os.O_CREATE, 0o600)
	ts.Check(err)
	ts.Check(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	ts.Defer(func() { f.Close() })
}

func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 1, "await FILE")
	for range 1000 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s never came", args[0])
}

func scriptProgram(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 2, "program FILE [VERSION]")
	self, err := os.Executable()
	ts.Check(err)
	data, err := os.ReadFile(self)
	ts.Check(err)
	if len(args) > 1 {
		data = append(recordVersion(ts, data, strings.TrimPrefix(args[1], "v")), buildTrailer+args[1]...)
	}
	// What is started while the file is open for writing has it open too for a
	// moment, and no file that somebody writes to can be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o755))
}

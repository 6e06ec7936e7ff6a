//go:build unix

package main

import (
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests/transport/oci/ocitest"
)

// The scripts in testdata/script are the specification of the command line, one file for
// each case of a verb. Each script has its own directory and HOME, and runs kist in
// separate processes, which reach no network except the loopback interface.
// scriptCommands lists the additional commands of scripts.

func TestMain(m *testing.M) {
	testKist := func(change func(*cli.Env)) func() {
		return func() {
			if len(os.Args) == 2 && os.Args[1] == childVerb {
				os.Exit(install.ServeChild())
			}
			env := hostEnv()
			env.LockWait = 2 * time.Second
			network := hostTransport()
			network.Backoff, network.MaxWait = 10*time.Millisecond, 50*time.Millisecond
			env.Transport = webTransport(network)
			useScriptRelease(&env)
			change(&env)
			realMain(env)
		}
	}
	testscript.Main(m, map[string]func(){
		"kist": testKist(func(*cli.Env) {}),
		// The same without the second wall: what archives may do is refused by the first.
		"kist-unwalled": testKist(func(env *cli.Env) { env.Child = install.Child{} }),
	})
}

// catchHangup makes SIGHUP end the processes that a test starts, even if the tests were
// started with it ignored, as nohup does: an ignored signal is inherited, a caught one is
// not.
func catchHangup() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) }

// TestScripts runs the scripts of testdata/script. With -short it runs a sample: the
// first of each verb, and every twentieth after it, by name.
func TestScripts(t *testing.T) {
	catchHangup()
	testscript.Run(t, testscript.Params{
		Files:              scriptFiles(t),
		RequireUniqueNames: true,
		Cmds:               scriptCommands(),
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Vars = append(env.Vars,
				"HOME="+home,
				"BIN="+filepath.Join(home, ".local", "bin"),
				"DATA="+filepath.Join(home, ".local", "share", "kist"),
				"STATE="+filepath.Join(home, ".local", "state", "kist"),
				"CACHE="+filepath.Join(home, ".cache", "kist"),
				"CONFIG="+filepath.Join(home, ".config", "kist"),
				"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", "GOPROXY=off",
				"SHELL=/bin/sh", "LC_ALL=C",
			)
			env.Values[scriptServers] = map[string]*httptest.Server{}
			env.Values[scriptRegistries] = map[string]*ocitest.Registry{}
			return os.Mkdir(home, 0o755)
		},
	})
}

func scriptFiles(t *testing.T) (files []string) {
	all, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d scripts were found", len(all))
	}
	if !testing.Short() {
		return all
	}
	ofVerb := map[string]int{} // scripts so far
	for _, cmd := range kistCommand().Commands() {
		ofVerb[cmd.Name()] = 0
	}
	for _, file := range all {
		verb, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".txtar"), "_")
		n, ok := ofVerb[verb]
		if !ok {
			continue
		}
		if n%20 == 0 {
			files = append(files, file)
		}
		ofVerb[verb]++
	}
	t.Logf("-short: %d of %d scripts", len(files), len(all))
	return files
}

// TestScriptsRunToTheirEnd checks that no script ends early: by the builtin stop, which
// takes precedence over a command of ours with that name, or by an unconditional skip.
func TestScriptsRunToTheirEnd(t *testing.T) {
	builtin := strings.Fields("cat cd chmod cmp cmpenv cp env exec exists grep kill mkdir mv rm skip stderr stdin stdout stop symlink ttyin ttyout unix2dos unquote wait")
	for name := range scriptCommands() {
		if slices.Contains(builtin, name) {
			t.Errorf("%s is a builtin of testscript, so our command of that name is never run", name)
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		script, _, _ := strings.Cut(string(data), "\n-- ")
		for line := range strings.Lines(script) {
			if word := strings.Fields(line); len(word) > 0 && (word[0] == "stop" || word[0] == "skip") {
				t.Errorf("%s: %q ends the script", file, strings.TrimSpace(line))
			}
		}
	}
}

type scriptCommand = func(ts *testscript.TestScript, neg bool, args []string)

// scriptCommands returns the commands that scripts have in addition to testscript's.
func scriptCommands() map[string]scriptCommand {
	return map[string]scriptCommand{
		// exits CODE COMMAND…: run it and demand this very exit code.
		"exits": scriptExits,
		// json PATH VALUE: stdout is exactly one JSON object, with this value at PATH.
		"json": scriptJSON,
		// key NAME [DAYS]: make NAME.asc and NAME.sec, DAYS ago; its fingerprint goes to $NAME, in capitals.
		"key": scriptKey,
		// reissue NAME: make NAME and NAME-reissued, as key does, of one secret.
		"reissue": scriptReissue,
		// subkey NAME FILE: write to FILE a newer copy of a key that key made, with one more subkey.
		"subkey": scriptSubkey,
		// sign FILE KEY…: make FILE.asc, a signature by each NAME.sec.
		"sign": scriptSign,
		// archive FILE DIR [MEMBER…]: pack what is in DIR, then hostile members.
		"archive": scriptArchive,
		// hello FILE VERSION: pack a tool that says hello, as a tar.gz.
		"hello": scriptHello,
		// acme DIR VERSION…: make the channel acme, which offers hello.
		"acme": scriptAcme,
		// upstream TOOL DIR KEY VERSION[=LABEL]…: make DIR what TOOL's upstream serves, signed by KEY.
		"upstream": scriptUpstream,
		// rust DIR KEY NAME NUMBER DATE [+PATH|-PATH]: publish a release of Rust below DIR/dist as upstream does, signed by KEY.
		"rust": scriptRust,
		// debian DIR KEY SUITE DAYS VERSION [WORD=VALUE…]: publish a suite below DIR as Debian does, DAYS from now, with ninja of VERSION, signed by KEY.
		"debian": scriptDebian,
		// fill FILE: replace {size F}, {sha256 F} and {now±DAYS} in it.
		"fill": scriptFill,
		// rebundle OLD NEW [URLEND flip|drop|FILE]: write a bundle with the file of a URL changed, left out or replaced.
		"rebundle": scriptRebundle,
		// relock LOCK OLD NEW: make LOCK name the manifest NEW instead of OLD.
		"relock": scriptRelock,
		// serve VAR DIR [tls|forged|moved=URL|HOW]: serve DIR on the loopback interface, its URL in VAR; what is asked for goes to the file VAR.requests, with what Authorization to VAR.shown.
		"serve": scriptServe,
		// registry VAR [tls|basic|token]: serve an OCI registry, its host and port in VAR; requests go to VAR.requests, their Authorization to VAR.shown.
		"registry": scriptServeRegistry,
		// change VAR HOW [ARGUMENT…]: change what a registry holds or answers; HOW "honest" ends its lies.
		"change": scriptChangeRegistry,
		// close VAR: stop serving. The builtin stop would end the script.
		"close": scriptClose,
		// flip FILE [OFFSET]: change one bit of it.
		"flip": scriptFlip,
		// snapshot NAME DIR: remember what is below DIR.
		"snapshot": scriptSnapshot,
		// unchanged NAME DIR: it is as it was.
		"unchanged": scriptUnchanged,
		// hold FILE: hold the lock that FILE stands for, to the end of the script.
		"hold": scriptHold,
		// program FILE [VERSION]: put kist itself there, as a build of VERSION.
		"program": scriptProgram,
		// release DIR VERSION FILE KEY…: publish FILE as the program of kist VERSION in the channel below DIR, signed by each KEY.
		"release": scriptRelease,
		// evidence DOCUMENT PROOF CERTIFICATE: the files that "show --evidence --json" named, in variables.
		"evidence": scriptEvidence,
		// image LAYOUT [DIR]: check that LAYOUT is an OCI image, list it in LAYOUT.txt, and unpack it below DIR.
		"image": scriptImage,
		// await FILE: wait until FILE is there.
		"await": scriptAwait,
	}
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

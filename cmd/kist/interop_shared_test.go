//go:build interop

package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// anotherUser installs as root, as an image is built, and uses the tools as another user.
func anotherUser(t *testing.T, s site) {
	h := newHome(t, s.program)
	at := func(name string) string { return filepath.Join(h.dir, "opt", name) }
	h = h.with("XDG_DATA_HOME="+at("data"), "XDG_STATE_HOME="+at("state"), "XDG_CACHE_HOME="+at("cache"),
		"XDG_CONFIG_HOME="+at("config"), "XDG_BIN_HOME="+at("bin"))
	h.must("channel", "add", "acme", s.channel, "--key", s.key)
	h.must("install", "acme/hello")
	before := takeSnapshot(t, h.dir)
	other := h.as(person)
	contains(t, tool(t, "setpriv", "--reuid", person, "--regid", person, "--clear-groups", "--", filepath.Join(at("bin"), "hello")), "hello 1.0")
	contains(t, other.must("list"), "hello")
	contains(t, other.must("which", "hello"), at("data"))
	contains(t, other.must("env", "hello"), at("data"))
	contains(t, other.must("run", "hello", "--", "hello"), "hello 1.0")
	contains(t, other.must("verify"), "as installed")
	contains(t, other.must("show", "hello"), "signed by")
	contains(t, other.must("ensure", "acme/hello>=1.0"), at("data"))
	// What changes nothing is done already.
	contains(t, other.must("install", "acme/hello"), "already installed")
	o := other.exits(0, "install", "acme/hello@=1.0")
	contains(t, o.stdout, "already installed\n$") // what update follows is not theirs to say
	contains(t, other.exits(0, "default", "hello@1.0").stderr, "already the default")
	for _, change := range []string{"install acme/hello@2.0", "install acme/other", "uninstall hello", "update", "update hello", "rollback",
		"channel remove acme", "uninstall --all", "self uninstall --yes", "repair --relocated"} {
		contains(t, other.exits(9, strings.Fields(change)...).stderr, "only root can change what is in it")
	}
	other.exits(8, "channel", "list") // the settings may hold a password
	same(t, before, takeSnapshot(t, h.dir))
	for _, harm := range [][]string{{"chmod", "g+w", at("data/kist")}, {"chmod", "o+w", at("data/kist")}, {"chown", "54322", at("data/kist")},
		{"chown", "54322", at("state")}, {"chmod", "g+w", h.path("opt")}} {
		mend := map[string][]string{"chmod": {"chmod", "go-w"}, "chown": {"chown", "0"}}[harm[0]]
		tool(t, harm[0], harm[1:]...)
		other.exits(9, "list")
		tool(t, mend[0], append(mend[1:], harm[2:]...)...)
		other.must("list")
	}
	closed := matches(t, at("data/kist/prefixes/*/bin/hello"))[0]
	tool(t, "chmod", "go-r", closed)
	o = other.exits(8, "verify", "hello")
	contains(t, o.stdout, "1 of [0-9]+ paths cannot be read by this user")
	contains(t, o.stdout, "cannot be read by this user: "+closed)
	tool(t, "chmod", "go+r", closed)
	contains(t, other.must("verify", "hello"), "as installed")
	h.must("uninstall", "hello")
	h.must("install", "acme/hello", "--no-default")
	for _, dryRun := range []string{"--dry-run=false", "--dry-run"} {
		contains(t, other.exits(9, "default", dryRun, "hello@1.0").stderr, "only root can change what is in it")
		contains(t, other.exits(9, "install", dryRun, "--default", "acme/hello").stderr, "only root can change what is in it")
	}
	contains(t, other.must("install", "acme/hello", "--dry-run"), "already installed")
	h.must("default", "hello@1.0")
}

// sharedStore has root and three users share one store, which is a layer of theirs.
func sharedStore(t *testing.T, s site) {
	root := newHome(t, s.program)
	shared := root.path("opt", "kist")
	root.must("--store", shared, "channel", "add", "acme", s.channel, "--key", s.key)
	root.must("--store", shared, "install", "acme/hello")
	before := takeSnapshot(t, shared)

	// An image with USER app: the store itself, and no home.
	app := newHome(t, s.program).as(person).with("HOME=")
	contains(t, app.must("--store", shared, "run", "hello", "--", "hello"), "hello 1.0")
	contains(t, app.must("--store", shared, "install", "hello"), "already installed")
	contains(t, app.exits(9, "--store", shared, "uninstall", "hello").stderr, "belongs to root")
	sharedEvidence(t, root, app, shared)

	var users []*home
	for _, uid := range []string{"54321", "54322", "54323"} {
		users = append(users, s.withLayer(t, uid, shared))
	}
	for n, h := range users {
		contains(t, h.must("list"), "in "+shared)
		contains(t, h.must("which", "hello"), shared)
		contains(t, h.must("run", "hello", "--", "hello"), "hello 1.0")
		contains(t, h.must("env", "hello", "--shell", "posix"), shared)
		contains(t, h.must("verify"), "as installed")
		contains(t, h.must("verify", "--evidence"), "this user has no channel acme: proved by the keys that were stored")
		contains(t, h.must("install", "hello"), "already installed in "+shared)
		contains(t, h.exits(9, "uninstall", "hello").stderr, "which belongs to root")
		if n > 0 { // two of them link it, one of those has a copy of their own
			h.must("default", "hello")
			contains(t, tool(t, h.path(".local", "bin", "hello")), "hello 1.0")
		}
		if n > 1 {
			h.must("channel", "add", "acme", s.channel, "--key", s.key)
			tool(t, "chmod", "0700", shared) // as if it were not there
			contains(t, h.exits(0, "install", "acme/hello").stderr, "is left out")
			tool(t, "chmod", "0755", shared)
			contains(t, h.must("which", "hello"), h.dir)
			h.must("uninstall", "hello")
			contains(t, h.must("which", "hello"), shared)
		}
	}
	same(t, before, takeSnapshot(t, shared))

	// Root changes it while they use it.
	root.must("--store", shared, "uninstall", "hello")
	users[0].exits(3, "which", "hello")
	root.must("--store", shared, "install", "acme/hello")
	contains(t, users[0].must("which", "hello"), shared)
}

// sharedEvidence has root and another user prove what is installed in a store of root's. It
// ends with the store as it was.
func sharedEvidence(t *testing.T, root, app *home, shared string) {
	t.Helper()
	verify := []string{"--store", shared, "verify", "--evidence"}
	honest := func() {
		t.Helper()
		if got := root.must(verify...); strings.Contains(got, "note") {
			t.Errorf("root's own proof has a note:\n%s", got)
		}
		contains(t, app.must(verify...), "only root may read the settings of this store: proved by the keys that were stored with the receipt")
	}
	honest()
	contains(t, app.must("--store", shared, "show", "hello", "--evidence"), filepath.Join(shared, "state", "kist", "evidence"))
	piece := ""
	for _, file := range matches(t, filepath.Join(shared, "state/kist/evidence/sha256/*")) {
		if strings.Contains(takeFile(t, file), "hello") {
			piece = file
		}
	}

	// One that others may not read neither proves nor refutes.
	tool(t, "chmod", "go-r", piece)
	got := app.exits(8, verify...)
	contains(t, got.stderr, "cannot be proved again: this user may not read "+piece)
	contains(t, got.stderr, "(?m)^hint: the owner of the store can prove it")
	root.must(verify...)
	tool(t, "chmod", "go+r", piece)
	honest()

	// A changed one refutes, for every user.
	good := filepath.Join(root.dir, "good")
	tool(t, "cp", "-p", piece, good)
	tool(t, "sh", "-c", `echo "# changed" >>"$1"`, "sh", piece)
	for _, h := range []*home{root, app} {
		contains(t, h.exits(4, verify...).stderr, "is not proved any more")
	}
	tool(t, "cp", "-p", good, piece) // into the same file: the cache has a link to it
	honest()
}

// withLayer returns a home of the user uid, whose config.toml names store as a layer.
func (s site) withLayer(t *testing.T, uid, store string) *home {
	h := newHome(t, s.program)
	write(t, h.path(".config", "kist", "config.toml"), "format = 1\nstores = [\""+store+"\"]\n", 0o600)
	tool(t, "chmod", "0700", h.path(".config", "kist"))
	return h.own(uid).as(uid)
}

// hostileStores are layers that another user can change or replace.
func hostileStores(t *testing.T, s site) {
	const mallory = "54322"
	root := newHome(t, s.program)
	at := func(name ...string) string { return root.path(append([]string{"opt"}, name...)...) }
	shared := at("kist")
	root.must("--store", shared, "channel", "add", "acme", s.channel, "--key", s.key)
	root.must("--store", shared, "install", "acme/hello")
	tool(t, "mkdir", "-p", at("links"))
	tool(t, "ln", "-s", shared, at("links", "kist"))
	for _, uid := range []string{person, "0"} { // root trusts no store of another user either
		h := s.withLayer(t, uid, at("links", "kist"))
		contains(t, h.must("run", "hello", "--", "hello"), "hello 1.0")
		for _, harm := range []struct{ do, undo []string }{
			{[]string{"chmod", "o+w", at()}, []string{"chmod", "o-w", at()}},
			{[]string{"chmod", "o+w", shared}, []string{"chmod", "o-w", shared}},
			{[]string{"chown", mallory, at()}, []string{"chown", "0", at()}},
			{[]string{"chown", mallory, shared}, []string{"chown", "0", shared}},
			{[]string{"chown", mallory, at("kist", "data")}, []string{"chown", "0", at("kist", "data")}},
			{[]string{"chown", mallory, at("kist", "data", "kist")}, []string{"chown", "0", at("kist", "data", "kist")}},
			{[]string{"chown", mallory, at("kist", "data", "kist", "prefixes")}, []string{"chown", "0", at("kist", "data", "kist", "prefixes")}},
			{[]string{"chmod", "o+w", at("kist", "data", "kist", "generations")}, []string{"chmod", "o-w", at("kist", "data", "kist", "generations")}},
			{[]string{"chown", mallory, at("kist", "state", "kist", "receipts")}, []string{"chown", "0", at("kist", "state", "kist", "receipts")}},
			{[]string{"chmod", "0777", at("kist", "state", "kist")}, []string{"chmod", "0755", at("kist", "state", "kist")}},
			{[]string{"chown", mallory, at("links")}, []string{"chown", "0", at("links")}},
			{[]string{"chmod", "o+w", at("links")}, []string{"chmod", "o-w", at("links")}},
			{[]string{"chown", "-h", mallory, at("links", "kist")}, []string{"chown", "-h", "0", at("links", "kist")}},
			{[]string{"chmod", "0700", shared}, []string{"chmod", "0755", shared}},
		} {
			if uid == "0" && harm.do[1] == "0700" {
				continue // root reads it all the same
			}
			tool(t, harm.do[0], harm.do[1:]...)
			o := h.exits(125, "run", "hello", "--", "hello")
			contains(t, o.stderr, "is left out")
			if strings.Contains(h.exits(0, "list").stdout, "hello") {
				t.Errorf("%v: the store is used", harm.do)
			}
			tool(t, harm.undo[0], harm.undo[1:]...)
			contains(t, h.must("run", "hello", "--", "hello"), "hello 1.0")
		}
	}
}

// relocatedByOthers copies a store between users, as a layer of an image or a restored
// cache does. repair adapts it only if all of it belongs to the user who runs kist.
func relocatedByOthers(t *testing.T, s site) {
	for _, c := range []struct{ from, to string }{{person, "0"}, {"0", person}} {
		t.Run("from user "+c.from+" to user "+c.to, func(t *testing.T) {
			from := s.home(t)
			from.must("install", "acme/hello")
			from.own(c.from)
			to := newHome(t, s.program)
			for _, part := range []string{".local", ".config"} {
				tool(t, "cp", "-a", from.path(part), to.path(part))
			}
			user := to.as(c.to)
			if c.from == "0" { // root could change what is root's in any case
				to.own(c.to)
				tool(t, "chown", "-R", "-h", "54322", to.path(".local/state/kist/receipts"))
			}
			before := takeSnapshot(t, to.dir)
			refused := user.exits(9, "repair", "--relocated")
			contains(t, refused.stderr, "it belongs to user ")
			contains(t, refused.stderr, "Nothing was changed.")
			same(t, before, takeSnapshot(t, to.dir))
			to.own(c.to)
			contains(t, user.must("repair", "--relocated"), "Adapted acme/hello@1.0")
			contains(t, tool(t, to.path(".local/bin/hello")), "hello 1.0")
			user.must("uninstall", "hello")
			from.as(c.from).must("verify")
		})
	}
}

// unmounted takes away the file system on which everything is installed.
func unmounted(t *testing.T, s site) {
	h := s.home(t)
	mount := `mkdir -p "$HOME/.local/share/kist" "$HOME/volume"; mount -t tmpfs -o mode=755 none "$HOME/volume"
cd "$HOME"; mount --bind volume .local/share/kist; "$1" install -q acme/hello@1.0 >/dev/null; umount .local/share/kist; `
	o := h.inNamespace(mount).exits(9, "uninstall", "hello")
	contains(t, o.stderr, "seems not to be mounted")
	contains(t, o.stderr, "Nothing was changed.")
	h.inNamespace(mount).exits(9, "uninstall", "--all")
	contains(t, h.inNamespace(mount).kist("list").stderr, "seems not to be mounted")
	contains(t, h.inNamespace(mount+"mount --bind volume .local/share/kist").must("list"), "hello")
	h.inNamespace(mount+"mount --bind volume .local/share/kist").must("uninstall", "hello")
}

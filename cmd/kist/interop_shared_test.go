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
	for _, change := range []string{"install acme/hello", "uninstall hello", "update", "default hello@1.0", "rollback",
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
	h.must("uninstall", "hello")
}

// relocatedByOthers copies a store between users, as a layer of an image or a restored
// cache does. It is adapted only once all of it belongs to the user who asks.
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

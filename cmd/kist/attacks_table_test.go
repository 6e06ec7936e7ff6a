package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

const (
	channelFile = "channel.toml"
	blob11      = "blobs/hello-1.1-linux-amd64"
)

// attacks lists the attacks that The Update Framework names, in its order, and then the
// others of docs/trust.md.
var attacks = []attack{
	{"arbitrary software", "another file under the signed name", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.lie(honest, blob11, manifesttest.Replaced(bytes.Repeat([]byte("x"), len(b.Files[acmeURL+blob11]))))
		return installNew
	}},
	{"arbitrary software", "a manifest signed by a stranger", 4, func(b *battle, honest bool) []string {
		b.serve(b.next("1.1"), either(honest, b.first, b.thief))
		return installNew
	}},
	{"arbitrary software", "an unsigned manifest", 4, func(b *battle, honest bool) []string {
		b.serve(b.next("1.1"), either(honest, team(b.first), nil)...)
		return installNew
	}},
	{"arbitrary software", "one bit of the manifest changed", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.lie(honest, channelFile, manifesttest.Replaced(changed(b.manifest)))
		return installNew
	}},
	{"arbitrary software", "an empty signature", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.lie(honest, channelFile+".asc", manifesttest.Empty)
		return installNew
	}},
	{"rollback", "an older manifest", 5, func(b *battle, honest bool) []string {
		b.publish("1.0", "1.1")
		old, oldSig := b.manifest, b.manSig
		b.publish("1.0", "1.1", "1.2")
		b.must("channel", "refresh", "acme")
		if !honest {
			b.Files[acmeURL+channelFile], b.Files[acmeURL+channelFile+".asc"] = old, oldSig
		}
		return installNew
	}},
	{"rollback", "another manifest under the same serial", 5, func(b *battle, honest bool) []string {
		b.publish("1.0")
		b.must("channel", "refresh", "acme")
		b.serial -= either[uint64](honest, 0, 1)
		b.publish("1.0", "1.1")
		return installNew
	}},
	{"rollback", "an older manifest after the mark was lost", 5, func(b *battle, honest bool) []string {
		b.publish("1.1")
		if !honest {
			if err := os.Remove(b.file(".local/state/kist/marks/acme.json")); err != nil {
				b.Fatal(err)
			}
		}
		return installNew
	}},
	{"rollback", "an older manifest after the mark was damaged", 5, func(b *battle, honest bool) []string {
		b.publish("1.1")
		if !honest {
			if err := os.WriteFile(b.file(".local/state/kist/marks/acme.json"), []byte("{}"), 0o600); err != nil {
				b.Fatal(err)
			}
		}
		return installNew
	}},
	{"rollback", "an older manifest with another set", 5, func(b *battle, honest bool) []string {
		b.publishSet("hello@1.0")
		older, olderSig := b.manifest, b.manSig
		b.publishSet("hello@1.1")
		b.must("outdated")
		if !honest {
			b.Files[acmeURL+"channel.toml"], b.Files[acmeURL+"channel.toml.asc"] = older, olderSig
		}
		return []string{"sync", "acme/@team", "--prune", "--yes"}
	}},
	{"fast-forward", "a stolen key signs a huge serial", 5, func(b *battle, honest bool) []string {
		huge := b.next("1.0")
		huge.Serial = either(honest, b.serial, 1<<62)
		b.serve(huge, b.first)
		b.must("channel", "refresh", "acme")
		b.publish("1.0", "1.1")
		return installNew
	}},
	{"fast-forward", "a serial below the one to recover from", 5, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.must("channel", "refresh", "acme")
		huge := b.next("1.0")
		huge.Serial = 1 << 62
		b.serve(huge, b.first)
		b.must("channel", "refresh", "acme")
		b.keys(2, team(b.first, b.second), team(b.second), func(k *native.Keys) {
			k.Serial, k.Revoked = b.serial+1, []verify.Fingerprint{b.first.Primary()}
		})
		m := b.next("1.0", "1.1")
		m.Serial -= either[uint64](honest, 0, 1)
		b.serve(m, b.second)
		return installNew
	}},
	{"indefinite freeze", "a manifest that has expired", 5, func(b *battle, honest bool) []string {
		b.publish("1.0", "1.1")
		b.wait(either[time.Duration](honest, 29, 31) * 24 * time.Hour)
		return installNew
	}},
	{"indefinite freeze", "the clock set back", 5, func(b *battle, honest bool) []string {
		b.publish("1.0", "1.1")
		expiring, sig := b.manifest, b.manSig
		b.wait(40 * 24 * time.Hour)
		b.publish("1.0", "1.1")
		b.must("channel", "refresh", "acme")
		b.wait(-40 * 24 * time.Hour)
		if !honest {
			b.Files[acmeURL+channelFile], b.Files[acmeURL+channelFile+".asc"] = expiring, sig
		}
		return installNew
	}},
	{"indefinite freeze", "a manifest valid for ever", 5, func(b *battle, honest bool) []string {
		m := b.next("1.1")
		m.Expires = m.Issued.Add(either[time.Duration](honest, 400, 401) * 24 * time.Hour)
		b.serve(m, b.first)
		return installNew
	}},
	{"indefinite freeze", "new keys withheld", 5, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.must("channel", "refresh", "acme")
		b.publish("1.1")
		b.lie(honest, native.KeysFile, manifesttest.NotFound)
		return installNew
	}},
	{"indefinite freeze", "keys that have expired", 5, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first), func(k *native.Keys) { k.Expires = b.now.AddDate(0, 0, 10) })
		b.wait(either[time.Duration](honest, 9, 11) * 24 * time.Hour)
		b.publish("1.1")
		return installNew
	}},
	{"indefinite freeze", "older keys after newer ones that had expired", 5, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.must("channel", "refresh", "acme")
		old, oldSig := b.Files[acmeURL+native.KeysFile], b.Files[acmeURL+native.KeysFile+".asc"]
		b.keys(2, team(b.first), team(b.first), func(k *native.Keys) { k.Expires = b.now.AddDate(0, 0, 1) })
		b.wait(48 * time.Hour)
		if code, said := b.kist("channel", "refresh", "acme"); code != 5 {
			b.Fatalf("exit code %d: %s", code, said)
		}
		b.publish("1.1")
		if honest {
			b.keys(3, team(b.first), team(b.first))
		} else {
			b.Files[acmeURL+native.KeysFile], b.Files[acmeURL+native.KeysFile+".asc"] = old, oldSig
		}
		return installNew
	}},
	{"indefinite freeze", "a server that says for ever that nothing has changed", 5, (*battle).unchangedForEver},
	{"endless data", "a manifest without end", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.lie(honest, channelFile, manifesttest.Endless)
		return installNew
	}},
	{"endless data", "a signature without end", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.lie(honest, channelFile+".asc", manifesttest.Endless)
		return installNew
	}},
	{"endless data", "keys without end", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.keys(1, team(b.first), team(b.first))
		b.lie(honest, native.KeysFile, manifesttest.Endless)
		return installNew
	}},
	{"endless data", "a manifest of very many keys", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		if !honest {
			data := manifesttest.HostileTOML(string(b.manifest), manifests.MaxManifest)["keys below one element"]()
			b.serveText(data, b.first)
		}
		return installNew
	}},
	{"endless data", "a manifest of nested arrays", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		if !honest {
			data := manifesttest.HostileTOML(string(b.manifest), manifests.MaxManifest)["nested arrays"]()
			b.serveText(data, b.first)
		}
		return installNew
	}},
	{"endless data", "a file without end", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.lie(honest, blob11, manifesttest.Endless)
		return installNew
	}},
	{"slow retrieval", "a manifest that trickles", 6, func(b *battle, honest bool) []string {
		return b.overHTTP(honest, func(w http.ResponseWriter, path string) bool { return b.trickle(w, path, honest, channelFile) })
	}},
	{"slow retrieval", "a file that trickles", 6, func(b *battle, honest bool) []string {
		return b.overHTTP(honest, func(w http.ResponseWriter, path string) bool { return b.trickle(w, path, honest, blob11) })
	}},
	{"mix-and-match", "a manifest with another one's signature", 4, func(b *battle, honest bool) []string {
		b.publish("1.0")
		old := b.manSig
		b.publish("1.1")
		b.lie(honest, channelFile+".asc", manifesttest.Replaced(old))
		return installNew
	}},
	{"mix-and-match", "a new manifest with an old file", 4, func(b *battle, honest bool) []string {
		b.publish("1.0", "1.1")
		old := b.Files[acmeURL+blob11]
		content := []byte("#!/bin/sh\necho hello 1.1, built again\n")
		m := b.next("1.0", "1.1")
		m.Releases[1].Artifacts[0].Size, m.Releases[1].Artifacts[0].SHA256 = int64(len(content)), verify.DigestOf(content)
		b.serve(m, b.first)
		b.Files[acmeURL+blob11] = either(honest, content, old)
		return installNew
	}},
	{"wrong software", "another channel's manifest by the same signer", 4, func(b *battle, honest bool) []string {
		m := b.next("1.1")
		m.Channel = either(honest, "acme", "acme-beta")
		b.serve(m, b.first)
		return installNew
	}},
	{"wrong software", "another platform's file", 4, func(b *battle, honest bool) []string {
		m := b.next("1.1")
		m.Releases[0].Artifacts = append(m.Releases[0].Artifacts, b.hello("1.1", "linux/arm64").Artifacts...)
		b.serve(m, b.first)
		b.lie(honest, blob11, manifesttest.Replaced(b.Files[acmeURL+"blobs/hello-1.1-linux-arm64"]))
		return installNew
	}},
	{"wrong software", "another version's file", 4, func(b *battle, honest bool) []string {
		b.publish("1.0", "1.1")
		b.lie(honest, blob11, manifesttest.Replaced(b.Files[acmeURL+"blobs/hello-1.0-linux-amd64"]))
		return installNew
	}},
	{"wrong software", "another version, entered under this one", 4, func(b *battle, honest bool) []string {
		m := b.next("1.1")
		m.Releases[0].Witness = &native.Witness{Path: "bin/hello", Contains: either(honest, "hello-1.1-", "hello-1.2-")}
		b.serve(m, b.first)
		return installNew
	}},
	{"wrong software", "nothing for this platform", 3, func(b *battle, honest bool) []string {
		m := b.next()
		m.Releases = append(m.Releases, b.hello("1.1", either(honest, "linux/amd64", "linux/arm64")))
		b.serve(m, b.first)
		return installNew
	}},
	{"key compromise", "one stolen key where two must sign", 4, func(b *battle, honest bool) []string {
		two := func(signers ...*verifytest.Key) {
			m := b.next("1.0", "1.1")
			m.Channel = "two"
			b.serveAt("https://other.example/", m, signers...)
		}
		two(b.first, b.second)
		b.add("two", "https://other.example/", b.first, b.second)
		two(either(honest, team(b.first, b.second), team(b.first, b.first))...)
		return []string{"install", "two/hello@1.1", "--no-default"}
	}},
	{"key compromise", "a key that was retired", 4, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.keys(2, team(b.first, b.second), team(b.second))
		b.serve(b.next("1.1"), either(honest, b.second, b.first))
		return installNew
	}},
	{"key compromise", "a revoked key put back by later keys", 4, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.keys(2, team(b.first, b.second), team(b.second), func(k *native.Keys) {
			k.Revoked = []verify.Fingerprint{b.first.Primary()}
		})
		b.serve(b.next("1.0", "1.1"), b.second)
		b.must("channel", "refresh", "acme")
		b.keys(3, team(b.second), either(honest, team(b.second), team(b.first, b.second)))
		return installNew
	}},
	{"key compromise", "a thief rotates the keys to their own", 4, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.must("channel", "refresh", "acme")
		b.keys(2, either(honest, team(b.first, b.thief), team(b.thief)), team(b.thief))
		b.serve(b.next("1.1"), b.thief)
		return installNew
	}},
	{"key compromise", "new keys that they have not signed", 4, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.keys(2, either(honest, team(b.first, b.second), team(b.first)), team(b.second))
		b.serve(b.next("1.1"), b.second)
		return installNew
	}},
	{"key compromise", "another channel's keys", 4, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first), func(k *native.Keys) { k.Channel = either(honest, "acme", "acme-beta") })
		b.publish("1.1")
		return installNew
	}},
	{"key compromise", "older keys served again", 5, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.keys(2, team(b.first), team(b.first, b.second))
		b.publish("1.0", "1.1")
		b.must("channel", "refresh", "acme")
		if !honest {
			for _, end := range []string{"", ".asc"} {
				b.Files[acmeURL+native.KeysFile+end] = b.Files[acmeURL+native.KeysFileOf(1)+end]
			}
		}
		return installNew
	}},
	{"key compromise", "older keys that were replaced since", 5, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.keys(2, team(b.first, b.second), team(b.second))
		b.serve(b.next("1.0", "1.1"), b.second)
		b.must("channel", "refresh", "acme")
		if !honest {
			for _, end := range []string{"", ".asc"} {
				b.Files[acmeURL+native.KeysFile+end] = b.Files[acmeURL+native.KeysFileOf(1)+end]
			}
		}
		return installNew
	}},
	{"key compromise", "an installed release by a key revoked since", 4, func(b *battle, honest bool) []string {
		b.keys(1, team(b.first), team(b.first))
		b.keys(2, team(b.first, b.second), team(b.second), func(k *native.Keys) {
			k.Revoked = either(honest, nil, []verify.Fingerprint{b.first.Primary()})
		})
		b.serve(b.next("1.0"), b.second)
		b.must("channel", "refresh", "acme")
		return []string{"verify", "hello", "--evidence"}
	}},
	{"scope", "a tool that was not granted", 3, func(b *battle, honest bool) []string {
		b.must("channel", "remove", "acme")
		b.must(append([]string{"channel", "add", "acme", acmeURL, "--tools", either(honest, "hel*", "hell")}, b.keyFiles(b.first)...)...)
		b.publish("1.1")
		return []string{"install", "acme/hello@1.1"}
	}},
	{"scope", "a built-in tool's name", 3, func(b *battle, honest bool) []string {
		m := b.next("1.1")
		m.Releases[0].Tool = either(honest, "hello", "go")
		m.Releases[0].Artifacts[0].Component = m.Releases[0].Tool
		b.serve(m, b.first)
		return []string{"install", "acme/" + m.Releases[0].Tool + "@1.1"}
	}},
	{"scope", "a set with a tool of a channel that was not added", 3, func(b *battle, honest bool) []string {
		b.publishSet(either(honest, "hello", "elsewhere/hello"))
		return []string{"install", "acme/@team"}
	}},
	{"scope", "a set with a tool that was not granted", 3, func(b *battle, honest bool) []string {
		b.publishSet("hello@1.1")
		b.must("channel", "remove", "acme")
		b.must(append([]string{"channel", "add", "acme", acmeURL, "--tools", either(honest, "hel*", "hell")}, b.keyFiles(b.first)...)...)
		return []string{"install", "acme/@team"}
	}},
	{"scope", "a set with a tool that its channel lacks, to prune what it does not name", 3, func(b *battle, honest bool) []string {
		b.publishSet("hello@1.1", either(honest, "other", "nothing"))
		return []string{"sync", "acme/@team", "--prune", "--yes"}
	}},
	{"scope", "a tool spelled to look like another", 4, func(b *battle, honest bool) []string {
		b.serve(b.next("1.1"), b.first)
		text := strings.Replace(string(b.manifest), `"hello"`, either(honest, `"hello"`, `"hеllo"`), 1) // Cyrillic е
		b.Files[acmeURL+channelFile] = []byte(text)
		b.Files[acmeURL+channelFile+".asc"] = verifytest.Cosign(b, []byte(text), b.now, b.first)
		return installNew
	}},
	{"scope", "two channels offering one tool", 2, func(b *battle, honest bool) []string {
		other := b.next("1.1")
		other.Channel = "other"
		other.Releases[0].Tool = either(honest, "other-tool", "hello")
		other.Releases[0].Artifacts[0].Component = other.Releases[0].Tool
		b.serveAt("https://other.example/", other, b.second)
		b.add("other", "https://other.example/", b.second)
		b.publish("1.0", "1.1")
		b.must("channel", "refresh", "acme")
		return installNew
	}},
	{"misleading commands", "a command called kist", 4, func(b *battle, honest bool) []string {
		return b.command(honest, "bin/kist")
	}},
	{"misleading commands", "a command that is an option", 4, func(b *battle, honest bool) []string {
		return b.command(honest, "bin/-rf")
	}},
	{"misleading commands", "a command with an invisible letter", 4, func(b *battle, honest bool) []string {
		return b.command(honest, "bin/hel\u200blo")
	}},
	{"scope", "a channel that policy.toml does not allow", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		rules := "format = 1\nchannels = [\"" + either(honest, "acme", "go") + "\"]\n"
		if err := os.WriteFile(b.file(".config/kist/policy.toml"), []byte(rules), 0o600); err != nil {
			b.Fatal(err)
		}
		return installNew
	}},

	{"forged cache", "a stranger's manifest that the server calls unchanged", 4, (*battle).forgedCache},
	{"lying mirror", "an older manifest", 5, func(b *battle, honest bool) []string {
		b.publish("1.0")
		old, oldSig := b.manifest, b.manSig
		b.publish("1.0", "1.1")
		b.must("channel", "refresh", "acme")
		b.mirror()
		if !honest {
			b.Files[mirrorURL+channelFile], b.Files[mirrorURL+channelFile+".asc"] = old, oldSig
		}
		return installNew
	}},
	{"lying mirror", "one bit of the manifest changed", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.mirror()
		b.Files[mirrorURL+channelFile] = either(honest, b.manifest, changed(b.manifest))
		return installNew
	}},
	{"lying mirror", "another file under the signed name", 4, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.mirror()
		b.Files[mirrorURL+blob11] = either(honest, b.Files[acmeURL+blob11], bytes.Repeat([]byte("x"), len(b.Files[acmeURL+blob11])))
		return installNew
	}},
	{"lying mirror", "a config.toml that others can change names it", 2, func(b *battle, honest bool) []string {
		b.publish("1.1")
		b.mirror()
		if err := os.Chmod(b.file(".config/kist/config.toml"), either[os.FileMode](honest, 0o644, 0o666)); err != nil {
			b.Fatal(err)
		}
		return installNew
	}},

	{"wrong place", "the cache directory became a link to another", 9, func(b *battle, honest bool) []string {
		if !honest {
			b.becomesLink(".cache/kist")
		}
		return []string{"self", "uninstall"}
	}},
	{"wrong place", "the settings directory became a link to another", 9, func(b *battle, honest bool) []string {
		if !honest {
			b.becomesLink(".config/kist")
		}
		return []string{"channel", "remove", "acme"}
	}},
	{"wrong place", "the data directory became a link to a copy", 9, func(b *battle, honest bool) []string {
		if !honest {
			b.becomesLink(".local/share")
		}
		return []string{"uninstall", "hello"}
	}},
	{"wrong place", "another state directory for the same data", 9, func(b *battle, honest bool) []string {
		if !honest {
			b.environ = map[string]string{"XDG_STATE_HOME": b.TempDir()}
		}
		return []string{"uninstall", "--all"}
	}},
	{"wrong place", "another data directory for the same state", 9, func(b *battle, honest bool) []string {
		if !honest {
			b.environ = map[string]string{"XDG_DATA_HOME": b.TempDir()}
		}
		return []string{"uninstall", "--all"}
	}},
	{"wrong place", "a path that PATH cannot hold", 9, func(b *battle, honest bool) []string {
		dir := filepath.Join(b.TempDir(), either(honest, "a-b", "a:b"))
		b.environ = map[string]string{"XDG_DATA_HOME": dir, "XDG_STATE_HOME": dir}
		return []string{"list"}
	}},
}

//go:build interop

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestImage makes images of three tools on a base that umoci made, pushes them to a
// docker-registry by skopeo, unpacks them by umoci, and works in them as another user. An
// update of one tool sends that tool's layer, and the small last one.
func TestImage(t *testing.T) {
	program := build(t)
	publisher := newHome(t, program)
	acme, dir, work := newSigner(t, "ed25519"), commonDir(t), commonDir(t)
	at := func(name string) string { return filepath.Join(work, name) }
	const size = 8 << 20
	offer := func(name, version string, size int) {
		archive := at(name + "-" + version + ".tar.gz")
		largeArchive(t, archive, name, version, size)
		publisher.must("publish", "add", dir, archive, "--platform", "any", "--strip", "1", "--command", "bin/"+name)
		publisher.must("publish", "sign", dir, "--secret-key", acme.secretKey())
	}
	publishHello(t, publisher, dir, acme, "1.0")
	offer("large", "1.0", size)
	offer("data", "1.0", size+1)

	registry := startRegistry(t, false)
	base := imageBase(t, at, program)
	tool(t, "skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", "oci:"+base+":1", "docker://"+registry.host+"/base:1")
	publisher.must("channel", "add", "acme", dir, "--key", acme.publicKey())
	image := func(layout, base string) {
		t.Helper()
		publisher.must("image", at(layout), "acme/hello", "acme/large", "acme/data", "--base", base, "--user", person)
	}
	image("one", base)
	image("pulled", "oci://"+registry.host+"/base:1")
	tool(t, "diff", "-r", at("one"), at("pulled"))
	push := func(layout string) {
		t.Helper()
		tool(t, "skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", "oci:"+at(layout)+":latest", "docker://"+registry.host+"/tools:"+layout)
	}
	push("one")
	chroot, err := exec.LookPath("chroot")
	if err != nil {
		t.Fatal(err)
	}
	works := func(layout, version string) {
		t.Helper()
		tool(t, "umoci", "unpack", "--image", at(layout)+":latest", at("bundle-"+layout))
		root := filepath.Join(at("bundle-"+layout), "rootfs")
		in := func(user string, args ...string) string {
			t.Helper()
			return tool(t, "env", append([]string{"-i", "PATH=/opt/kist/bin:/bin", "HOME=/", chroot, "--userspec=" + user + ":" + user, root}, args...)...)
		}
		contains(t, in(person, "/bin/sh", "-c", "hello"), "hello "+version)
		contains(t, in(person, "/bin/kist", "--store", "/opt/kist", "run", "hello", "--", "hello"), "hello "+version)
		contains(t, in(person, "/bin/kist", "--store", "/opt/kist", "list"), "hello +"+version+" +acme +[-0-9]+ +default")
		for _, user := range []string{person, "0"} {
			proved := in(user, "/bin/kist", "--store", "/opt/kist", "verify", "--evidence")
			if strings.Count(proved, "as installed") != 3 || strings.Count(proved, "proved again by its evidence") != 3 || strings.Contains(proved, "keys that were stored") {
				t.Errorf("user %s of %s: %s", user, layout, proved)
			}
		}
		contains(t, in("0", "/bin/kist", "--store", "/opt/kist", "uninstall", "hello"), "Removed|removed|Uninstalled")
	}
	works("one", "1.0")

	// Somebody else changes a file of the unpacked image, and its proof fails.
	tampered := matches(t, at("bundle-one/rootfs/opt/kist/data/kist/prefixes/acme-large-1.0-*/bin/large"))[0]
	write(t, tampered, "#!/bin/sh\necho other\n", 0o755)
	o := finish(t, exec.Command(chroot, "--userspec="+person+":"+person, at("bundle-one/rootfs"), "/bin/kist", "--store", "/opt/kist", "verify"))
	if o.code != 1 {
		t.Errorf("a changed file: %v", o)
	}

	before := diskUsage(t, registry.storage)
	publishHello(t, publisher, dir, acme, "1.1")
	image("two", base)
	push("two")
	sent := diskUsage(t, registry.storage) - before
	all := layerSizes(t, at("two"))
	shared := layerSizes(t, at("one"))
	fresh, total, count := int64(0), int64(0), 0
	for digest, size := range all {
		total += size
		if _, have := shared[digest]; !have {
			fresh += size
			count++
		}
	}
	t.Logf("image of %d layers, %d bytes; an update of one tool of three: %d new layers of %d bytes; the registry grew by %d bytes", len(all), total, count, fresh, sent)
	if count != 2 || fresh > 64<<10 || sent > fresh+64<<10 || total < 2*size {
		t.Errorf("%d new layers of %d bytes, %d sent", count, fresh, sent)
	}
	works("two", "1.1")

	// What came back from the registry is the same image, byte for byte.
	tool(t, "skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "docker://"+registry.host+"/tools:two", "oci:"+at("back"))
	tool(t, "diff", "-r", at("two/blobs"), at("back/blobs"))
}

// imageBase returns an image layout with a shell and kist.
func imageBase(t *testing.T, at func(string) string, program string) string {
	t.Helper()
	tool(t, "umoci", "init", "--layout", at("base"))
	tool(t, "umoci", "new", "--image", at("base:1"))
	tool(t, "umoci", "unpack", "--image", at("base:1"), at("unpacked"))
	root := at("unpacked/rootfs")
	write(t, filepath.Join(root, "bin/kist"), takeFile(t, program), 0o755)
	for _, file := range append([]string{"/bin/sh"}, strings.Fields(tool(t, "sh", "-c", `ldd /bin/sh | grep -o '/[^ ]*'`))...) {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, file), takeFile(t, real), 0o755)
	}
	tool(t, "umoci", "repack", "--image", at("base:1"), at("unpacked"))
	return at("base")
}

// layerSizes returns the sizes of the layers of the image in a layout, by digest.
func layerSizes(t *testing.T, layout string) map[string]int64 {
	t.Helper()
	type blob struct {
		Digest string
		Size   int64
	}
	read := func(name string, v any) {
		if err := json.Unmarshal([]byte(takeFile(t, filepath.Join(layout, name))), v); err != nil {
			t.Fatal(err)
		}
	}
	var index struct{ Manifests []blob }
	read("index.json", &index)
	var manifest struct{ Layers []blob }
	read("blobs/sha256/"+strings.TrimPrefix(index.Manifests[0].Digest, "sha256:"), &manifest)
	sizes := map[string]int64{}
	for _, l := range manifest.Layers {
		sizes[l.Digest] = l.Size
	}
	return sizes
}

// diskUsage returns the bytes of the files below dir.
func diskUsage(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

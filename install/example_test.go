package install_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// This example installs a tool from the channel of a directory, and removes it by its
// receipt. A program that installs archives of strangers sets Options.Child, which
// unpacks them in a sandbox.
func Example() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "kist-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)

	files := transport.New(transport.Config{})
	i, err := install.Open(ctx, install.Options{
		Dirs: install.Dirs{
			Data: filepath.Join(home, "data"), State: filepath.Join(home, "state"), Cache: filepath.Join(home, "cache"),
			Config: filepath.Join(home, "config"), Bin: filepath.Join(home, "bin"),
		},
		Host:      install.Host{EUID: os.Geteuid(), Caller: -1, PrivateGroup: -1},
		Transport: files,
		Now:       time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC),
		Random:    rand.Reader,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer i.Close()

	// Resolve proves the manifest and stores its mark, so that an older manifest is
	// refused from now on.
	release, err := i.Resolve(ctx, files, acme(), manifests.Request{
		Tool: "hello", Version: "1.0", Platform: manifests.Platform{OS: "linux", Arch: "amd64"},
	})
	if err != nil {
		log.Fatal(err)
	}
	result := change(ctx, i, plan.Change{Install: []manifests.Release{release}})
	hello := result.Installed[0]
	fmt.Println("installed", hello.Tool, hello.Version)
	paths, drifts, err := i.Verify(ctx, hello.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(paths, "paths,", len(drifts), "changed")

	// A file that is not in the receipt is not kist's, and stays.
	notes := filepath.Join(i.Prefix(hello.ID), "notes.txt")
	if err := os.WriteFile(notes, []byte("mine"), 0o600); err != nil {
		log.Fatal(err)
	}
	result = change(ctx, i, plan.Change{Remove: []record.ID{hello.ID}})
	fmt.Println("removed", result.Removed[0].Tool)
	for _, left := range result.Leftovers {
		fmt.Println("left", filepath.Base(left.Path)+":", left.Reason)
	}
	// Output:
	// installed hello 1.0
	// 2 paths, 0 changed
	// removed hello
	// left notes.txt: not recorded
}

// change plans c and applies the plan.
func change(ctx context.Context, i *install.Installer, c plan.Change) install.Result {
	p, err := i.Plan(c)
	if err != nil {
		log.Fatal(err)
	}
	result, err := i.Apply(ctx, p)
	if err != nil {
		log.Fatal(err)
	}
	return result
}

// acme returns the channel of a directory, with the pinned key of its publisher.
func acme() manifests.Channel {
	const dir = "../manifests/native/testdata/channel"
	cwd, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	location, err := manifests.Locate(dir, cwd, "channel.toml")
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := os.ReadFile(filepath.Join(dir, "publisher.asc"))
	if err != nil {
		log.Fatal(err)
	}
	primary, err := verify.ParseFingerprint("F74F BFC8 62D5 1DD9 1D1C  C403 065A 67BE E453 83F9")
	if err != nil {
		log.Fatal(err)
	}
	keys, err := verify.NewKeyring([]verify.Pin{{Primary: primary}}, certificate)
	if err != nil {
		log.Fatal(err)
	}
	return manifests.Channel{Name: "acme", Source: native.Source{
		Channel: "acme", URL: location,
		Policy:  verify.Policy{Keys: keys, Threshold: 1},
		Granted: func(tool string) bool { return tool == "hello" },
	}}
}

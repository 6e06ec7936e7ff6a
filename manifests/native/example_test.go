package native_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// This example reads the channel of a directory, lists its releases and resolves the
// newest of them.
func ExampleSource_Fetch() {
	cwd, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	location, err := manifests.Locate("testdata/channel", cwd, "channel.toml")
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := os.ReadFile("testdata/channel/publisher.asc")
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

	source := native.Source{
		Channel: "acme",
		URL:     location,
		Policy:  verify.Policy{Keys: keys, Threshold: 1},
		Granted: func(tool string) bool { return tool == "hello" },
	}
	now := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	catalog, err := source.Fetch(context.Background(), transport.New(transport.Config{}), manifests.Query{Now: now})
	if err != nil {
		log.Fatal(err)
	}
	// The mark must be fresh, and not older than the last one seen: that detects a
	// rollback. install.Installer does this and stores the mark; here nothing was seen.
	if err := catalog.Mark().Supersedes(verify.Mark{}, now); err != nil {
		log.Fatal(err)
	}
	for _, v := range catalog.Versions("hello") {
		fmt.Println(v.Tool, v.Version)
	}
	release, err := catalog.Resolve(manifests.Request{Tool: "hello", Platform: manifests.Platform{OS: "linux", Arch: "amd64"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(release.Version, release.Commands, release.Artifacts[0].Size)
	// Output:
	// hello 1.1
	// hello 1.0
	// 1.1 [bin/hello] 132
}

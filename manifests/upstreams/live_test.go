//go:build live

package upstreams_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// TestLiveGo uses the real built-in channel, through any origin that can be reached.
func TestLiveGo(t *testing.T) {
	command := exec.Command("go", "env", "GOPROXY")
	command.Dir = "/"
	command.Env = append(os.Environ(), "GOTOOLCHAIN=local")
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	proxies, err := gosum.ParseProxies(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	u, _ := upstreams.Lookup("go")
	source, err := u.Source(upstreams.Machine{GoProxies: proxies, Notify: func(line, cause string) { t.Log(line, cause) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", "1.25", "1.24.4"} {
		q := manifests.Query{Request: manifests.Request{Tool: "go", Version: version, Platform: manifests.Platform{OS: "linux", Arch: "amd64"}}, Now: time.Now()}
		start := time.Now()
		catalog, err := source.Fetch(t.Context(), transport.New(transport.Config{Version: "test"}), q)
		if err != nil {
			t.Fatal(err)
		}
		release, err := catalog.Resolve(q.Request)
		if err == nil {
			err = release.Validate()
		}
		if err != nil {
			t.Error(err)
		}
		t.Logf("%q: %s in %v, %v", version, release.Artifacts[0].Name, time.Since(start), release.Evidence.Notes)
	}
}

//go:build live

package gosum_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/verify"
)

// web is a minimal Transport.
type web struct{}

func (web) Open(ctx context.Context, ref string, _ int64) (io.ReadCloser, int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, ref, nil)
	if err != nil {
		return nil, 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("%w: %v", manifests.ErrUnreachable, err)
	case answer.StatusCode == http.StatusOK:
		return answer.Body, answer.ContentLength, nil
	}
	answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusGone {
		return nil, 0, fmt.Errorf("%s: %w", manifests.Redact(ref), manifests.ErrNotFound)
	}
	return nil, 0, fmt.Errorf("%s: status %d: %w", manifests.Redact(ref), answer.StatusCode, manifests.ErrUnreachable)
}

// liveSource uses the module proxy configured in the machine's own Go.
func liveSource(t *testing.T) gosum.Source {
	t.Helper()
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
	db, err := verify.NewChecksumDB(verify.GoChecksumKey)
	if err != nil {
		t.Fatal(err)
	}
	return gosum.Source{Channel: "go", Tool: "go", DB: db, Proxies: proxies}
}

func TestLiveProxy(t *testing.T) {
	source := liveSource(t)
	var last verify.Mark
	for _, version := range []string{"", "1.25", "1.24.4", "1.26rc1"} {
		q := manifests.Query{Request: manifests.Request{Tool: "go", Version: version, Platform: manifests.Platform{OS: "linux", Arch: "amd64"}},
			Now: time.Now(), Last: last}
		catalog, err := source.Fetch(t.Context(), web{}, q)
		if err != nil {
			t.Fatal(err)
		}
		if err := catalog.Mark().Supersedes(last, q.Now); err != nil {
			t.Error(err)
		}
		last = catalog.Mark()
		release, err := catalog.Resolve(q.Request)
		if err != nil {
			t.Fatal(err)
		}
		if err := release.Validate(); err != nil {
			t.Error(err)
		}
		t.Logf("%q: go %s, %s, record %d of %d, %d versions", version, release.Version, release.Evidence.Tree.H1,
			release.Evidence.Tree.Record, release.Evidence.Tree.Size, len(catalog.Versions("go")))
		if version == "1.24.4" {
			hashLive(t, release)
		}
	}

	var unknown *manifests.UnknownVersionError
	q := manifests.Query{Request: manifests.Request{Tool: "go", Version: "1.24.99", Platform: manifests.Platform{OS: "linux", Arch: "amd64"}}, Now: time.Now()}
	if _, err := source.Fetch(t.Context(), web{}, q); !errors.As(err, &unknown) || len(unknown.Near) == 0 {
		t.Errorf("a version that was never released: %v", err)
	}
}

// hashLive downloads a release's zip and checks its content hash.
func hashLive(t *testing.T, release manifests.Release) {
	t.Helper()
	body, _, err := web{}.Open(t.Context(), release.Artifacts[0].Refs[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "go.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size, err := io.Copy(file, body)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	h1, err := verify.HashZip(release.Artifacts[0].Name, file, size)
	if err != nil || h1 != release.Artifacts[0].Integrity.Tree.H1 {
		t.Errorf("the zip has hash %s, %v", h1, err)
	}
	t.Logf("hashed %d bytes in %v", size, time.Since(start))
}

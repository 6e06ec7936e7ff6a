package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
)

// snapshots is a transport for documents that are published together.
type snapshots struct {
	edition string
	files   map[string]string // by ref
	asked   []string
}

func (s *snapshots) have() manifests.Validators {
	return manifests.Validators{Location: "x", ETag: fmt.Sprintf("%q", s.edition), Snapshot: true}
}

func (s *snapshots) Open(ctx context.Context, ref string, _ int64) (io.ReadCloser, int64, error) {
	a, err := s.OpenAnswer(ctx, ref, 0)
	return a.Body, a.Size, err
}

func (s *snapshots) OpenAnswer(_ context.Context, ref string, _ int64) (manifests.Answer, error) {
	s.asked = append(s.asked, ref)
	text, ok := s.files[ref]
	if !ok {
		return manifests.Answer{}, manifests.ErrNotFound
	}
	return manifests.Answer{Body: io.NopCloser(strings.NewReader(text)), Size: int64(len(text)), Validators: s.have()}, nil
}

func (s *snapshots) OpenChanged(ctx context.Context, ref string, have manifests.Validators) (manifests.Answer, error) {
	if have == s.have() {
		return manifests.Answer{}, manifests.ErrUnchanged
	}
	return s.OpenAnswer(ctx, ref, 0)
}

// TestSnapshots checks that a document that was absent is absent as long as the edition
// has not changed, and is asked for otherwise.
func TestSnapshots(t *testing.T) {
	server := &snapshots{"1", map[string]string{"x://a/channel.toml": "one"}, nil}
	recorder := &Recorder{From: server}
	for _, name := range []string{"keys.toml", "channel.toml"} {
		if _, err := manifests.ReadAll(t.Context(), recorder, "x://a/"+name, 10); (err == nil) != (name == "channel.toml") {
			t.Fatal(err)
		}
	}
	root := openRoot(t)
	if err := recorder.Save(root, "set"); err != nil {
		t.Fatal(err)
	}
	read := func(r *Revalidating, name string) string {
		data, err := manifests.ReadAll(t.Context(), r, "x://a/"+name, 10)
		if err != nil && !errors.Is(err, manifests.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		return string(data)
	}
	server.asked, server.files = nil, nil
	r := &Revalidating{From: server, Stored: Replay{Root: root, Dir: "set"}}
	if keys, channel := read(r, "keys.toml"), read(r, "channel.toml"); keys != "" || channel != "one" || len(server.asked) != 0 || !r.Reused() {
		t.Errorf("unchanged: %q, %q, asked for %q", keys, channel, server.asked)
	}
	// What was not asked for before is asked for, and so is what is asked for again.
	read(r, "keys/1.toml")
	read(r, "keys.toml")
	if len(server.asked) != 2 {
		t.Errorf("asked for %q", server.asked)
	}
	server.edition, server.files = "2", map[string]string{"x://a/keys.toml": "keys", "x://a/channel.toml": "two"}
	r = &Revalidating{From: server, Stored: Replay{Root: root, Dir: "set"}}
	if keys, channel := read(r, "keys.toml"), read(r, "channel.toml"); keys != "keys" || channel != "two" || r.Reused() {
		t.Errorf("changed: %q, %q", keys, channel)
	}
}

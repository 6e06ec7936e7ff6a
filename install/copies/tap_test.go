package copies

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/kist-tools/kist/manifests"
)

// A stateful transport answers with one document, or that it has not changed.
type stateful struct{ asked []string }

func (s *stateful) Open(context.Context, string, int64) (io.ReadCloser, int64, error) {
	panic("not asked so")
}

func (s *stateful) answer(text string) manifests.Answer {
	return manifests.Answer{Body: io.NopCloser(io.LimitReader(repeated(text), int64(len(text)))), Size: int64(len(text)),
		Validators: manifests.Validators{Location: "here", ETag: `"2"`}}
}

func (s *stateful) OpenAnswer(_ context.Context, ref string, _ int64) (manifests.Answer, error) {
	s.asked = append(s.asked, ref)
	return s.answer("new"), nil
}

func (s *stateful) OpenChanged(_ context.Context, ref string, have manifests.Validators) (manifests.Answer, error) {
	s.asked = append(s.asked, ref+" if not "+have.ETag)
	if have.ETag == `"2"` {
		return manifests.Answer{}, manifests.ErrUnchanged
	}
	return s.answer("new"), nil
}

// repeated is a reader of one text, over and over.
type repeated string

func (r repeated) Read(p []byte) (int, error) { return copy(p, r), nil }

// The tap asks for a document only if it has changed, once; a source that asks again
// gets what the server sends. What came either way is kept, with its validators.
func TestTapAsksForChanges(t *testing.T) {
	for _, test := range []struct {
		etag, want string
		asked      []string
	}{
		{"", "new", []string{"u", "u"}},
		{`"1"`, "new", []string{`u if not "1"`, "u"}},
		{`"2"`, "held", []string{`u if not "2"`, "u"}},
	} {
		server := &stateful{}
		tap := &tap{from: server, asked: map[string]bool{}, states: map[string]manifests.Validators{}, origins: map[string]bool{},
			proved: func(string) ([]byte, bool, error) { return nil, false, nil },
			held: func(string) ([]byte, manifests.Validators) {
				return []byte("held"), manifests.Validators{ETag: test.etag}
			}}
		tap.clear()
		for _, want := range []string{test.want, "new"} {
			data, err := manifests.ReadAll(t.Context(), tap, "u", 10)
			if err != nil || string(data) != want {
				t.Errorf("%s: got %q, %v, want %q", test.etag, data, err, want)
			}
			if read, _, err := tap.documents(); err != nil || string(read["u"]) != want {
				t.Errorf("%s: kept %q, %v, want %q", test.etag, read["u"], err, want)
			}
			if tap.state("u").ETag != `"2"` {
				t.Errorf("%s: the validators are %+v", test.etag, tap.state("u"))
			}
		}
		if !slices.Equal(server.asked, test.asked) {
			t.Errorf("%s: asked %q, want %q", test.etag, server.asked, test.asked)
		}
	}
}

package manifests_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A counted upstream notes each request, and whether it avoids caches.
type counted struct {
	manifesttest.Upstream
	asked []string
	again error // what a wait returns
}

func (c *counted) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	body, size, err := c.Open(ctx, ref, offset)
	return manifests.Answer{Body: body, Size: size, Again: func(context.Context, int, error) error {
		c.asked = append(c.asked, "wait")
		return c.again
	}}, err
}

func (c *counted) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	name := strings.TrimPrefix(ref, "https://x.example/")
	if manifests.AvoidsCaches(ctx) {
		name += "!"
	}
	c.asked = append(c.asked, name)
	return c.Upstream.Open(ctx, ref, offset)
}

// TestSignedRefAsksInOrder checks what is asked for, in which order, and which error counts.
func TestSignedRefAsksInOrder(t *testing.T) {
	unproved := &verify.SignatureError{Name: "x"}
	key := verifytest.NewKey(t, "publisher", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	sign := func(text string) []byte {
		return key.Sign(t, []byte(text), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	}
	goodSig, badSig, oddSig := sign("text"), sign("other"), sign("odd")
	good, bad, odd := manifesttest.Replaced(goodSig), manifesttest.Replaced(badSig), manifesttest.Replaced(oddSig)
	denied := func([]byte) (io.Reader, int64, error) { return nil, 0, manifests.ErrDenied }
	gaveUp := errors.New("gave up")
	for name, test := range map[string]struct {
		sig    manifesttest.Lie
		copies manifesttest.Lie // nil: the document has no ref for them
		again  error
		want   error
		asked  string
	}{
		"proved":                     {good, manifesttest.NotFound, nil, nil, "doc doc.sig"},
		"proved by the copy":         {bad, good, nil, nil, "doc doc.sig copy"},
		"missing":                    {manifesttest.NotFound, good, nil, unproved, "doc doc.sig wait doc! doc.sig!"},
		"empty":                      {manifesttest.Empty, good, nil, unproved, "doc doc.sig wait doc! doc.sig!"},
		"no signature":               {manifesttest.Replaced([]byte("text")), good, nil, unproved, "doc doc.sig wait doc! doc.sig!"},
		"denied":                     {denied, good, nil, manifests.ErrDenied, "doc doc.sig"},
		"never proved":               {bad, bad, nil, unproved, "doc doc.sig copy wait doc! doc.sig! copy!"},
		"a copy that is unreachable": {bad, manifesttest.Unreachable, nil, unproved, "doc doc.sig copy wait doc! doc.sig! copy!"},
		"without refs for copies":    {bad, nil, nil, unproved, "doc doc.sig wait doc! doc.sig!"},
		"the wait fails":             {bad, nil, gaveUp, gaveUp, "doc doc.sig wait"},
		"unreachable":                {manifesttest.Unreachable, manifesttest.NotFound, nil, manifests.ErrUnreachable, "doc doc.sig"},
		"another refusal":            {odd, manifesttest.NotFound, nil, gaveUp, "doc doc.sig"},
	} {
		u := &counted{Upstream: manifesttest.Upstream{Files: map[string][]byte{"https://x.example/doc": []byte("text")}}, again: test.again}
		u.Tell("https://x.example/doc.sig", test.sig)
		s := manifests.SignedRef{Ref: "https://x.example/doc", Suffix: ".sig", Limit: 10}
		if test.copies != nil {
			u.Tell("https://x.example/copy", test.copies)
			s.ByDigest = func(d verify.Digest) (string, error) {
				if d != verify.DigestOf([]byte("text")) {
					t.Errorf("%s: asked for %s", name, d)
				}
				return "https://x.example/copy", nil
			}
		}
		err := s.Read(t.Context(), u, func(data, sig []byte) error {
			switch {
			case string(data) != "text":
				t.Errorf("%s: the document is %q", name, data)
			case bytes.Equal(sig, goodSig):
				return nil
			case bytes.Equal(sig, oddSig):
				return gaveUp
			}
			return unproved
		})
		if !errors.Is(err, test.want) || !slices.Equal(u.asked, strings.Fields(test.asked)) {
			t.Errorf("%s: %v after %v, want %v", name, err, u.asked, test.want)
		}
	}

	// The ceiling of the document is that of the caller.
	u := &manifesttest.Upstream{Files: map[string][]byte{"https://x.example/doc": []byte("more than 10 bytes")}}
	err := manifests.SignedRef{Ref: "https://x.example/doc", Suffix: ".sig", Limit: 10}.Read(t.Context(), u, func(_, _ []byte) error { return nil })
	if !errors.As(err, new(*manifests.TooLargeError)) {
		t.Errorf("too large: %v", err)
	}
}

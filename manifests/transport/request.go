package transport

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// A question is a request for a document or a part of it.
type question struct {
	method string
	from   int64
	to     int64                // end of the range, exclusive; negative: to the end of the document
	have   manifests.Validators // of the copy that the caller has; zero: none
	header http.Header          // more headers
	body   func() io.Reader     // what is sent; nil: nothing
	size   int64                // bytes of body
}

// whole reports whether q requests the whole document.
func (q question) whole() bool { return q.from == 0 && q.to < 0 }

// bounds returns the value of the Range header. RFC 9110, section 14.2.
func (q question) bounds() string {
	if q.to < 0 {
		return fmt.Sprintf("bytes=%d-", q.from)
	}
	return fmt.Sprintf("bytes=%d-%d", q.from, q.to-1)
}

// follow sends the request to u and follows its redirects. It returns the last answer,
// and what was shown to the server that gave it. Each hop shows only what is meant for
// its own URL.
func (h *httpTransport) follow(ctx context.Context, u *url.URL, q question) (answer *http.Response, shown Authorization, err error) {
	user := u.User
	for hop := 0; ; hop++ {
		if shown, err = h.authorize(ctx, u, user); err != nil {
			return nil, shown, err
		}
		if answer, err = h.send(ctx, u, shown, q); err != nil {
			return nil, shown, err
		}
		switch answer.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
			http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return answer, shown, nil
		}
		answer.Body.Close()
		if hop == maxRedirects {
			return nil, shown, refusal(fmt.Sprintf("more than %d redirects", maxRedirects))
		}
		next, err := u.Parse(answer.Header.Get("Location"))
		switch {
		case err != nil || answer.Header.Get("Location") == "" || next.Opaque != "" || next.Hostname() == "":
			return nil, shown, refusal("redirected without a usable Location")
		case next.Scheme != "https" && next.Scheme != u.Scheme:
			return nil, shown, refusal(fmt.Sprintf("redirected from %s to %s", u.Scheme, next.Scheme))
		case !sameOrigin(u, next):
			user = nil // and stays so, even if a redirect leads back
		}
		next.User = user // never one that the server chooses
		if leavesRedirect(ctx, next.String()) {
			return nil, shown, &redirectError{next.String()}
		}
		u = next
	}
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

func (h *httpTransport) send(ctx context.Context, u *url.URL, shown Authorization, q question) (*http.Response, error) {
	bare := *u
	bare.User, bare.Fragment, bare.RawFragment = nil, "", ""
	var sent io.Reader
	if q.body != nil && q.size > 0 {
		sent = q.body()
	}
	request, err := http.NewRequestWithContext(ctx, q.method, bare.String(), sent)
	if err != nil {
		return nil, refusal("not a valid URL for a request")
	}
	if sent != nil {
		request.ContentLength = q.size
	}
	maps.Copy(request.Header, q.header)
	request.Header.Set("User-Agent", "kist/"+h.c.Version)
	request.Header.Set("Accept-Encoding", "identity")
	if h.c.Accept != "" {
		request.Header.Set("Accept", h.c.Accept)
	}
	shown.addTo(request)
	if manifests.AvoidsCaches(ctx) {
		request.Header.Set("Cache-Control", "no-cache")
	}
	if !q.whole() {
		request.Header.Set("Range", q.bounds())
	}
	setConditions(request, q.have)
	answer, err := h.round.RoundTrip(request)
	if err != nil && h.c.Proxy != nil {
		err = blameProxy(request, h.c.Proxy, err)
	}
	return answer, err
}

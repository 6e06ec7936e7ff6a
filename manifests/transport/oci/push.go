package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// A Repository is a repository that is changed: blobs and manifests are sent to it.
type Repository struct{ repository }

// Repository returns the repository of r, for changes.
func (t *Transport) Repository(r manifests.RegistryRef) Repository {
	return Repository{repository{t: t, host: r.Registry, name: r.Repository, write: true}}
}

// ErrRefusedUpload is returned when a registry does not take what it is sent.
var ErrRefusedUpload = verify.NewClass("the registry refused it", "unreachable", nil)

// chunk is how many bytes of a blob one request sends. What was sent in completed requests
// need not be sent again after a failure.
const chunk = 16 << 20

// maxBreaks is how many failures of one upload are followed by another attempt.
const maxBreaks = 8

// send sends a Call to the URL that base and end form.
func (r Repository) send(ctx context.Context, end string, c transport.Call) (reply transport.Reply, err error) {
	err = r.do(ctx, func(ctx context.Context, base string) (err error) {
		c.URL = base + end
		reply, err = r.t.web.Do(ctx, c)
		return err
	})
	return reply, err
}

// sendTo sends a Call to the URL that the registry named for an upload. If that is on
// another server, it is shown nothing: a registry must not choose what the user's login
// there changes.
func (r Repository) sendTo(ctx context.Context, c transport.Call) (reply transport.Reply, err error) {
	err = r.do(ctx, func(ctx context.Context, base string) (err error) {
		if at, err := url.Parse(c.URL); err == nil && !strings.HasPrefix(base, at.Scheme+"://"+at.Host+"/") {
			ctx = context.WithValue(ctx, shownKey{}, shown{only: true})
		}
		reply, err = r.t.web.Do(ctx, c)
		return err
	})
	return reply, err
}

// Has reports whether the repository has the blob d. A registry that redirects to it has
// it.
func (r Repository) Has(ctx context.Context, d verify.Digest) (bool, error) {
	reply, err := r.send(ctx, blobPath(d), transport.Call{Method: http.MethodHead, Accept: []int{200, 404, 301, 302, 303, 307, 308}})
	return err == nil && reply.Code != 404, err
}

// HasManifest reports whether the repository has the manifest d.
func (r Repository) HasManifest(ctx context.Context, d verify.Digest) (bool, error) {
	reply, err := r.send(ctx, manifestPath("sha256:"+d.Hex()), transport.Call{Method: http.MethodHead, Accept: []int{200, 404}})
	return err == nil && reply.Code == 200, err
}

// Tagged returns the index that a tag leads to. The error matches manifests.ErrNotFound if
// there is no such tag.
func (r Repository) Tagged(ctx context.Context, tag string) ([]byte, error) {
	return manifests.ReadAll(manifests.WithoutCaches(ctx), urls{r.repository, manifests.Validators{}}, manifestPath(tag), MaxManifest)
}

// ReadBlob returns the blob d of size bytes, which has that digest.
func (r Repository) ReadBlob(ctx context.Context, d verify.Digest, size int64) ([]byte, error) {
	return r.readBlob(ctx, r.String(), d, size)
}

// PutManifest stores a manifest or an index under its digest, or under a tag, which then
// leads to it.
func (r Repository) PutManifest(ctx context.Context, reference, mediaType string, data []byte) error {
	if len(data) > MaxManifest {
		return &manifests.TooLargeError{Name: r.String() + " " + reference, Limit: MaxManifest}
	}
	_, err := r.send(ctx, manifestPath(reference), transport.Call{Method: http.MethodPut,
		Header: http.Header{"Content-Type": {mediaType}}, Accept: []int{201},
		Body: func() io.Reader { return strings.NewReader(string(data)) }, Size: int64(len(data))})
	return explainUpload(err)
}

// PutBlob sends the blob d, whose size bytes are in from, in several requests if it is
// large. sent is called with how many bytes the registry has so far. After a failure the
// upload goes on with what the registry lacks, if it says how much that is, and else
// starts over.
//
// Source: OCI distribution specification 1.1, sections "Pushing a blob in chunks" and
// "POST then PUT".
func (r Repository) PutBlob(ctx context.Context, d verify.Digest, from io.ReaderAt, size int64, sent func(int64)) error {
	u := upload{Repository: r, digest: d, from: from, size: size, sent: sent}
	for breaks := 0; ; breaks++ {
		err := u.run(ctx)
		if err == nil || ctx.Err() != nil || breaks == maxBreaks || !u.mayGoOn(err) {
			return explainUpload(err)
		}
		// An upload that was completed although its answer was lost is known no more.
		if has, _ := r.Has(ctx, d); has {
			sent(size)
			return nil
		}
		u.resume(ctx)
	}
}

// explainUpload adds to the answer of a registry that refuses an upload that it did.
func explainUpload(err error) error {
	status, ok := errors.AsType[*transport.StatusError](err)
	if ok && status.Code >= 400 && status.Code < 500 && status.Code != 401 && status.Code != 403 && status.Code != 429 {
		return fmt.Errorf("%w: %w", ErrRefusedUpload, status)
	}
	return err
}

// An upload is the state of sending one blob.
type upload struct {
	Repository
	digest verify.Digest
	from   io.ReaderAt
	size   int64
	sent   func(int64)

	location string // where the next request goes; empty: the upload has not begun
	have     int64  // bytes that the registry has
	whole    bool   // the registry takes no chunks
}

// run sends what is left of the blob.
func (u *upload) run(ctx context.Context) error {
	if u.location == "" {
		reply, err := u.send(ctx, "blobs/uploads/", transport.Call{Method: http.MethodPost, Accept: []int{202}})
		if err != nil {
			return err
		}
		u.have = 0
		if err := u.follow(reply); err != nil {
			return err
		}
	}
	for !u.whole && u.size-u.have > chunk {
		reply, err := u.sendTo(ctx, u.part(http.MethodPatch, u.location, chunk, 202))
		if err != nil {
			return err
		}
		u.have += chunk
		if err := u.follow(reply); err != nil {
			return err
		}
		u.sent(u.have)
	}
	end, err := url.Parse(u.location)
	if err != nil {
		return err
	}
	query := "digest=" + url.QueryEscape("sha256:"+u.digest.Hex())
	if end.RawQuery != "" {
		query = end.RawQuery + "&" + query
	}
	end.RawQuery = query
	_, err = u.sendTo(ctx, u.part(http.MethodPut, end.String(), u.size-u.have, 201))
	if err == nil {
		u.sent(u.size)
	}
	return err
}

// part returns the Call that sends the next n bytes.
func (u *upload) part(method, to string, n int64, accept int) transport.Call {
	c := transport.Call{Method: method, URL: to, Accept: []int{accept}, Once: true, Size: n,
		Header: http.Header{"Content-Type": {FileType}},
		Body:   func() io.Reader { return io.NewSectionReader(u.from, u.have, n) }}
	if !u.whole && n > 0 && (method == http.MethodPatch || u.have > 0) {
		c.Header["Content-Range"] = []string{fmt.Sprintf("%d-%d", u.have, u.have+n-1)}
	}
	return c
}

// follow takes the place of the next request from the answer to the last.
func (u *upload) follow(reply transport.Reply) error {
	next, err := reply.URL.Parse(reply.Header.Get("Location"))
	if err != nil || reply.Header.Get("Location") == "" || next.Hostname() == "" || next.User != nil {
		return u.failed("it named no place for the upload")
	}
	if next.Scheme != "https" && next.Scheme != reply.URL.Scheme {
		return u.failed("its place for the upload does not speak https")
	}
	u.location = next.String()
	return nil
}

// mayGoOn reports whether another attempt may end differently: the connection or the
// registry failed, or it has not the bytes that the last request assumed.
func (u *upload) mayGoOn(err error) bool {
	if status, ok := errors.AsType[*transport.StatusError](err); ok {
		switch status.Code {
		case http.StatusMethodNotAllowed, http.StatusNotImplemented:
			again := !u.whole
			u.whole, u.location = true, "" // it takes no chunks
			return again
		case http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable:
			return true
		}
		return status.Code >= 500
	}
	return errors.Is(err, manifests.ErrUnreachable)
}

// resume asks how much of the upload the registry has. If it does not say, the upload
// starts over.
func (u *upload) resume(ctx context.Context) {
	at := u.location
	u.location = ""
	if at == "" || u.whole {
		return
	}
	reply, err := u.sendTo(ctx, transport.Call{Method: http.MethodGet, URL: at, Accept: []int{204}})
	if err != nil {
		return
	}
	first, last, ok := strings.Cut(strings.TrimPrefix(reply.Header.Get("Range"), "bytes="), "-")
	n, failed := strconv.ParseInt(last, 10, 64)
	if !ok || first != "0" || failed != nil || n < 0 || n >= u.size || u.follow(reply) != nil {
		return
	}
	if u.have = n + 1; n == 0 { // "0-0" says nothing or one byte
		u.location = ""
		return
	}
	u.sent(u.have)
}

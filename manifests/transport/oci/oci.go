// Package oci fetches channels and artifacts from OCI registries, and sends them there. It
// proves nothing about them.
//
// A repository holds a channel of kist's own format. Each edition is an index: its first
// manifest lists the documents of the channel (channel.toml, its signatures, the keys
// documents), and one or more manifests for each tool list its artifacts. The tag "head"
// leads to the newest edition. An artifact is a blob with the SHA-256 digest that
// channel.toml states, so no manifest is needed to fetch it.
//
// A repository may also hold a mirror: a tag that leads to a bundle, as package bundle
// defines it, which has documents and artifacts of other channels by their URLs.
//
// The registry is as untrusted as any other server: signatures, serials, expiry and marks
// decide. That the documents of an edition belong together is its digest's doing, so no
// cache can mix two of them.
//
// What package transport says of answers, times, redirects and credentials holds here too:
// every request goes through it. A login is shown to the origin of the registry, and to the
// server for tokens that it names, and never to where either redirects.
//
// Sources: OCI image specification 1.1 and OCI distribution specification 1.1.
package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/bundle"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// A Transport is the transport for oci URLs. It asks for a tag once, and then answers for
// the edition that the tag led to, so that one command sees one edition. It implements
// manifests.Ranger, manifests.Answerer and manifests.Revalidator.
type Transport struct {
	c   transport.Config
	web transport.Web

	mu     sync.Mutex
	plain  map[string]bool // hosts that speak http
	logins map[repositoryKey]transport.Authorization
	heads  map[string]*head
}

type repositoryKey struct {
	host, name string
	write      bool
}

// New returns the transport configured by c.
func New(c transport.Config) *Transport {
	t := &Transport{c: c, plain: map[string]bool{}, logins: map[repositoryKey]transport.Authorization{}, heads: map[string]*head{}}
	c.Credential, c.Accept = t.authorize, strings.Join([]string{IndexType, ManifestType, "*/*;q=0.1"}, ", ")
	t.web = transport.NewWeb(c)
	return t
}

// origin returns the scheme and host of the registry at host.
func (t *Transport) origin(host string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.plain[host] {
		return "http://" + host
	}
	return "https://" + host
}

func (t *Transport) speakPlainly(host string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plain[host] = true
}

func (r repository) key() repositoryKey { return repositoryKey{r.host, r.name, r.write} }

func (t *Transport) login(r repository) (transport.Authorization, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := t.logins[r.key()]
	return a, ok
}

func (t *Transport) storeLogin(r repository, a transport.Authorization) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logins[r.key()] = a
}

// parse parses ref, and returns its repository.
func (t *Transport) parse(ref string) (manifests.RegistryRef, repository, error) {
	r, err := manifests.ParseRegistryRef(ref)
	if err == nil && r.File == "" && r.Digest.IsZero() {
		err = errors.New("names no file of the repository")
	}
	if err != nil {
		return r, repository{}, fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
	}
	return r, repository{t: t, host: r.Registry, name: r.Repository}, nil
}

// find is parse for a ref whose content is wanted. An artifact in a mirror is the blob that
// the manifest of the mirror says, so that parts of it can be fetched.
func (t *Transport) find(ctx context.Context, ref string) (manifests.RegistryRef, repository, error) {
	r, from, err := t.parse(ref)
	if err != nil || !r.Mirrors() {
		return r, from, err
	}
	files, _, err := t.head(ctx, r, manifests.Validators{})
	if err != nil {
		return r, from, err
	}
	if d := files[r.File]; d.MediaType == FileType {
		r.Digest, err = d.SHA256()
	}
	return r, from, err
}

// Open implements manifests.Transport.
func (t *Transport) Open(ctx context.Context, ref string, offset int64) (body io.ReadCloser, size int64, err error) {
	r, from, err := t.find(ctx, ref)
	if err != nil {
		return nil, 0, err
	}
	if r.Digest.IsZero() {
		a, err := t.openDocument(ctx, r, manifests.Validators{}, offset)
		return a.Body, a.Size, err
	}
	err = from.do(ctx, func(ctx context.Context, base string) (err error) {
		body, size, err = t.web.Open(ctx, base+blobPath(r.Digest), offset)
		return err
	})
	return body, size, err
}

// OpenAnswer implements manifests.Answerer.
func (t *Transport) OpenAnswer(ctx context.Context, ref string, offset int64) (a manifests.Answer, err error) {
	r, from, err := t.find(ctx, ref)
	if err != nil {
		return a, err
	}
	if r.Digest.IsZero() {
		return t.openDocument(ctx, r, manifests.Validators{}, offset)
	}
	err = from.do(ctx, func(ctx context.Context, base string) (err error) {
		a, err = t.web.OpenAnswer(ctx, base+blobPath(r.Digest), offset)
		return err
	})
	return a, err
}

// OpenChanged implements manifests.Revalidator. have are the validators of an edition:
// they are those of each of its documents.
func (t *Transport) OpenChanged(ctx context.Context, ref string, have manifests.Validators) (a manifests.Answer, err error) {
	r, _, err := t.parse(ref)
	if err != nil {
		return a, err
	}
	if r.Digest.IsZero() {
		return t.openDocument(ctx, r, have, 0)
	}
	return t.OpenAnswer(ctx, ref, 0)
}

// OpenRange implements manifests.Ranger.
func (t *Transport) OpenRange(ctx context.Context, ref string, offset, n int64) (body io.ReadCloser, size int64, err error) {
	r, from, err := t.find(ctx, ref)
	if err != nil {
		return nil, 0, err
	}
	if r.Digest.IsZero() {
		a, err := t.openDocument(ctx, r, manifests.Validators{}, offset)
		if err == nil && a.Size < offset+n {
			err = fmt.Errorf("%s: %w: it has %d bytes", manifests.Redact(ref), manifests.ErrNoRange, a.Size)
		}
		if err != nil {
			return nil, 0, err
		}
		return manifests.Part(a.Body, n), a.Size, nil
	}
	err = from.do(ctx, func(ctx context.Context, base string) (err error) {
		body, size, err = t.web.OpenRange(ctx, base+blobPath(r.Digest), offset, n)
		return err
	})
	return body, size, err
}

// Size implements manifests.Ranger.
func (t *Transport) Size(ctx context.Context, ref string) (size int64, err error) {
	r, from, err := t.find(ctx, ref)
	if err != nil {
		return 0, err
	}
	if r.Digest.IsZero() {
		a, err := t.openDocument(ctx, r, manifests.Validators{}, 0)
		return a.Size, err
	}
	err = from.do(ctx, func(ctx context.Context, base string) (err error) {
		size, err = t.web.Size(ctx, base+blobPath(r.Digest))
		return err
	})
	return size, err
}

func blobPath(d verify.Digest) string      { return "blobs/sha256:" + d.Hex() }
func manifestPath(reference string) string { return "manifests/" + reference }

// openDocument returns a document of an edition from offset on. Its bytes have the digest
// that the edition states.
func (t *Transport) openDocument(ctx context.Context, r manifests.RegistryRef, have manifests.Validators, offset int64) (manifests.Answer, error) {
	files, validators, err := t.head(ctx, r, have)
	if err != nil {
		return manifests.Answer{}, err
	}
	d, ok := files[r.File]
	if !ok {
		return manifests.Answer{}, fmt.Errorf("%s: %w", r, manifests.ErrNotFound)
	}
	if d.Size > manifests.MaxManifest {
		return manifests.Answer{}, &manifests.TooLargeError{Name: r.String(), Limit: manifests.MaxManifest}
	}
	want, err := d.SHA256()
	if err != nil {
		return manifests.Answer{}, verify.Untrusted("%s: %v", r, err)
	}
	from := repository{t: t, host: r.Registry, name: r.Repository}
	data, err := from.readBlob(ctx, r.String(), want, d.Size)
	if err != nil {
		return manifests.Answer{}, err
	}
	if offset < 0 || offset > int64(len(data)) {
		return manifests.Answer{}, fmt.Errorf("%s: %w: it has %d bytes", r, manifests.ErrNoRange, len(data))
	}
	return manifests.Answer{Body: io.NopCloser(bytes.NewReader(data[offset:])), Size: int64(len(data)), Validators: validators}, nil
}

// readBlob reads a blob of size bytes, and checks its digest. name stands for it in errors.
func (r repository) readBlob(ctx context.Context, name string, want verify.Digest, size int64) ([]byte, error) {
	data, err := manifests.ReadMatching(ctx, urls{r, manifests.Validators{}}, blobPath(want), size, func(data []byte) bool { return verify.DigestOf(data) == want })
	if err != nil {
		return nil, err
	}
	if got := verify.DigestOf(data); got != want {
		return nil, &verify.DigestError{Name: name, Want: want, Got: got}
	}
	return data, nil
}

// A head is the edition that a tag leads to.
type head struct {
	mu         sync.Mutex // held while the registry is asked
	digest     string     // of the index; empty: not known
	files      map[string]Descriptor
	validators manifests.Validators
}

// head returns the documents of the edition that a tag leads to, by path, and what
// identifies it. If have does, the error is manifests.ErrUnchanged. The registry is asked
// for a tag once, and again only without caches.
func (t *Transport) head(ctx context.Context, r manifests.RegistryRef, have manifests.Validators) (map[string]Descriptor, manifests.Validators, error) {
	key := manifests.RegistryRef{Registry: r.Registry, Repository: r.Repository, Tag: r.Tag}.String()
	t.mu.Lock()
	h := t.heads[key]
	if h == nil {
		h = &head{}
		t.heads[key] = h
	}
	t.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if manifests.AvoidsCaches(ctx) {
		h.digest, h.files = "", nil
	}
	from := repository{t: t, host: r.Registry, name: r.Repository}
	if h.digest == "" || h.files == nil && have.ETag != strconv.Quote(h.digest) {
		if err := h.load(ctx, from, r.Tag, have); err != nil {
			return nil, have, err
		}
	}
	if h.validators == have {
		return nil, have, manifests.ErrUnchanged
	}
	return h.files, h.validators, nil
}

// load asks for the tag, and for the documents of its edition unless have identifies it.
func (h *head) load(ctx context.Context, from repository, tag string, have manifests.Validators) error {
	data, err := manifests.ReadAll(ctx, urls{from, have}, manifestPath(tag), MaxManifest)
	if errors.Is(err, manifests.ErrUnchanged) {
		h.validators = have
		h.digest, err = strconv.Unquote(have.ETag)
		return err
	}
	if err != nil {
		return err
	}
	h.digest = "sha256:" + verify.DigestOf(data).Hex()
	h.validators = manifests.Validators{
		Location: transport.LocationOf(from.t.origin(from.host) + "/v2/" + from.name + "/" + manifestPath(tag)),
		ETag:     strconv.Quote(h.digest), Snapshot: true,
	}
	if h.validators == have {
		return nil
	}
	name := from.String() + ":" + tag
	mirrored, _, err := bundle.ParseManifest(data)
	if err == nil {
		h.files = mirroredFiles(mirrored)
		return nil
	}
	if !errors.Is(err, bundle.ErrNotBundle) {
		return fmt.Errorf("%s: %w", name, err)
	}
	index, err := ParseIndex(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d, err := index.Documents()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	want, err := d.SHA256()
	if err != nil {
		return err
	}
	listed, err := manifests.ReadAll(ctx, urls{from, manifests.Validators{}}, manifestPath(d.Digest), MaxManifest)
	if err != nil {
		return err
	}
	if got := verify.DigestOf(listed); got != want {
		return &verify.DigestError{Name: from.String() + "@" + d.Digest, Want: want, Got: got}
	}
	if h.files, err = ParseManifest(listed); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// mirroredFiles returns the files of a bundle by their URLs.
func mirroredFiles(list []bundle.File) map[string]Descriptor {
	files := map[string]Descriptor{}
	for _, f := range list {
		d := Descriptor{MediaType: DocumentType, Digest: "sha256:" + f.Digest.Hex(), Size: f.Size}
		if f.Artifact {
			d.MediaType = FileType
		}
		for _, u := range f.URLs {
			files[u] = d
		}
	}
	return files
}

// urls is the transport for what a repository holds, by the end of its URL, such as
// "manifests/head". It asks only for what have does not identify.
type urls struct {
	repository
	have manifests.Validators
}

// Open implements manifests.Transport.
func (u urls) Open(ctx context.Context, end string, offset int64) (body io.ReadCloser, size int64, err error) {
	a, err := u.OpenAnswer(ctx, end, offset)
	return a.Body, a.Size, err
}

// OpenAnswer implements manifests.Answerer.
func (u urls) OpenAnswer(ctx context.Context, end string, offset int64) (a manifests.Answer, err error) {
	err = u.do(ctx, func(ctx context.Context, base string) (err error) {
		if u.have.IsZero() {
			a, err = u.t.web.OpenAnswer(ctx, base+end, offset)
		} else {
			a, err = u.t.web.OpenChanged(ctx, base+end, u.have)
		}
		return err
	})
	return a, err
}

// Package ocitest has a registry in memory for tests. It speaks the parts of the OCI
// distribution specification 1.1 that kist uses, and can be made to lie.
package ocitest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Registry is a registry in memory. Its fields may be changed between requests.
type Registry struct {
	// Answer, if it is not nil, sees each request first. It returns true if it has
	// answered.
	Answer func(w http.ResponseWriter, r *http.Request) bool
	// User and Password, if User is not empty, are what its clients must show.
	User, Password string
	// Realm, if it is not empty, is the URL of its server for tokens. [Registry.ServeToken]
	// is that server.
	Realm string
	// Storage, if it is not empty, is the URL below which blobs are served: it is
	// redirected to.
	Storage string
	// NoConditions makes it ignore If-None-Match.
	NoConditions bool
	// NoChunks makes it accept only uploads in one request.
	NoChunks bool
	// Break, if it is not 0, breaks the connection after that many more bytes of uploads.
	Break int64

	mu        sync.Mutex
	blobs     map[string][]byte   // by repository and digest
	manifests map[string]manifest // by repository and digest
	tags      map[string]string   // digests, by repository and tag
	uploads   map[string][]byte   // by id
	log       []*Request
	last      int
}

type manifest struct {
	mediaType string
	data      []byte
}

// A Request is a request that the registry got.
type Request struct {
	Method, Path  string
	Authorization string
	Sent          int64 // bytes of the answer's body
	Code          int
}

const token = "t0k3n-of-the-registry"

// New returns an empty registry.
func New() *Registry {
	return &Registry{blobs: map[string][]byte{}, manifests: map[string]manifest{}, tags: map[string]string{}, uploads: map[string][]byte{}}
}

// Requests returns what was asked since it was last called.
func (g *Registry) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Request
	for _, r := range g.log {
		list = append(list, *r)
	}
	g.log = nil
	return list
}

// SetTag makes a tag of a repository lead to a digest, "" to none.
func (g *Registry) SetTag(repository, tag, digest string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if digest == "" {
		delete(g.tags, repository+"/"+tag)
		return
	}
	g.tags[repository+"/"+tag] = digest
}

// Tag returns the digest that a tag leads to, "" if there is no such tag.
func (g *Registry) Tag(repository, tag string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tags[repository+"/"+tag]
}

// Put stores a manifest under its digest and a tag.
func (g *Registry) Put(repository, tag, mediaType string, data []byte) (digest string) {
	digest = digestOf(data)
	g.mu.Lock()
	g.manifests[repository+"/"+digest] = manifest{mediaType, data}
	g.mu.Unlock()
	g.SetTag(repository, tag, digest)
	return digest
}

// Blob returns a blob, or a manifest, of a repository.
func (g *Registry) Blob(repository, digest string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m, ok := g.manifests[repository+"/"+digest]; ok {
		return m.data
	}
	return g.blobs[repository+"/"+digest]
}

// Change replaces the content of a blob or a manifest, whatever its digest says.
func (g *Registry) Change(repository, digest string, data []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := repository + "/" + digest
	if m, ok := g.manifests[key]; ok {
		g.manifests[key] = manifest{m.mediaType, data}
		return
	}
	g.blobs[key] = data
}

// Digests returns how many manifests and blobs there are.
func (g *Registry) Digests() (manifests, blobs int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.manifests), len(g.blobs)
}

// Collect removes the manifests and blobs that no tag leads to, as registries do from time
// to time.
func (g *Registry) Collect() {
	g.mu.Lock()
	defer g.mu.Unlock()
	used := map[string]bool{}
	var visit func(repository, digest string)
	visit = func(repository, digest string) {
		key := repository + "/" + digest
		if used[key] {
			return
		}
		used[key] = true
		for _, d := range references(g.manifests[key].data) {
			visit(repository, d)
		}
	}
	for tag, digest := range g.tags {
		visit(tag[:strings.LastIndex(tag, "/")], digest)
	}
	for key := range g.manifests {
		if !used[key] {
			delete(g.manifests, key)
		}
	}
	for key := range g.blobs {
		if !used[key] {
			delete(g.blobs, key)
		}
	}
}

// references returns the digests that a manifest names.
func references(data []byte) (list []string) {
	type named struct{ Digest string }
	var m struct {
		Config    named
		Layers    []named
		Manifests []named
	}
	if json.Unmarshal(data, &m) != nil {
		return nil
	}
	for _, d := range append(append(m.Layers, m.Manifests...), m.Config) {
		if d.Digest != "" {
			list = append(list, d.Digest)
		}
	}
	return list
}

// ServeToken is the server for tokens: it gives one to those who show User and Password.
func (g *Registry) ServeToken(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if g.User != "" && (user != g.User || password != g.Password) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	json.NewEncoder(w).Encode(map[string]string{"token": token, "scope": r.URL.Query().Get("scope")})
}

// A counter notes what is answered to a request.
type counter struct {
	http.ResponseWriter
	g       *Registry
	request *Request
}

func (c *counter) note(code int, n int) {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	if c.request.Code == 0 {
		c.request.Code = code
	}
	c.request.Sent += int64(n)
}

func (c *counter) WriteHeader(code int) {
	c.note(code, 0)
	c.ResponseWriter.WriteHeader(code)
}

func (c *counter) Write(p []byte) (int, error) {
	c.note(http.StatusOK, len(p))
	return c.ResponseWriter.Write(p)
}

// ServeHTTP implements http.Handler.
func (g *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &counter{w, g, &Request{Method: r.Method, Path: r.URL.Path, Authorization: r.Header.Get("Authorization")}}
	g.mu.Lock()
	g.log = append(g.log, c.request)
	g.mu.Unlock()
	if g.Answer != nil && g.Answer(c, r) {
		return
	}
	if !g.admits(r) {
		challenge := `Basic realm="registry"`
		if g.Realm != "" {
			challenge = fmt.Sprintf(`Bearer realm=%q,service="registry",scope="repository:x:pull"`, g.Realm)
		}
		c.Header().Set("WWW-Authenticate", challenge)
		fail(c, http.StatusUnauthorized, "UNAUTHORIZED")
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	if !ok {
		http.NotFound(c, r)
		return
	}
	for _, part := range []struct {
		name  string
		serve func(w http.ResponseWriter, r *http.Request, repository, name string)
	}{{"/blobs/uploads/", g.serveUpload}, {"/blobs/", g.serveBlob}, {"/manifests/", g.serveManifest}} {
		if repository, name, ok := strings.Cut(rest, part.name); ok {
			part.serve(c, r, repository, name)
			return
		}
	}
	http.NotFound(c, r)
}

func (g *Registry) admits(r *http.Request) bool {
	if g.Realm != "" {
		return r.Header.Get("Authorization") == "Bearer "+token
	}
	user, password, _ := r.BasicAuth()
	return g.User == "" || user == g.User && password == g.Password
}

func fail(w http.ResponseWriter, code int, name string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"errors":[{"code":%q}]}`, name)
}

func (g *Registry) serveBlob(w http.ResponseWriter, r *http.Request, repository, digest string) {
	g.mu.Lock()
	data, ok := g.blobs[repository+"/"+digest]
	g.mu.Unlock()
	switch {
	case !ok:
		fail(w, http.StatusNotFound, "BLOB_UNKNOWN")
	case g.Storage != "" && r.Method == http.MethodGet:
		http.Redirect(w, r, g.Storage+"/"+digest, http.StatusTemporaryRedirect)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// ServeStorage serves blobs by digest, whatever their repository.
func (g *Registry) ServeStorage(w http.ResponseWriter, r *http.Request) {
	if data := g.blobOfAny(r.URL.Path); data != nil {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		return
	}
	http.NotFound(w, r)
}

func (g *Registry) blobOfAny(end string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, data := range g.blobs {
		if strings.HasSuffix(key, end) {
			return data
		}
	}
	return nil
}

func (g *Registry) serveManifest(w http.ResponseWriter, r *http.Request, repository, name string) {
	if r.Method == http.MethodPut {
		g.putManifest(w, r, repository, name)
		return
	}
	g.mu.Lock()
	digest := name
	if tagged, ok := g.tags[repository+"/"+name]; ok {
		digest = tagged
	}
	m, ok := g.manifests[repository+"/"+digest]
	g.mu.Unlock()
	if !ok || !strings.Contains(r.Header.Get("Accept"), m.mediaType) {
		fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN")
		return
	}
	w.Header().Set("Docker-Content-Digest", digest)
	if !g.NoConditions {
		w.Header().Set("ETag", strconv.Quote(digest))
		if r.Header.Get("If-None-Match") == strconv.Quote(digest) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("Content-Type", m.mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(m.data)))
	if r.Method != http.MethodHead {
		w.Write(m.data)
	}
}

func (g *Registry) putManifest(w http.ResponseWriter, r *http.Request, repository, name string) {
	data, err := io.ReadAll(io.LimitReader(r.Body, 4<<20+1))
	digest := digestOf(data)
	switch {
	case err != nil:
		return
	case len(data) > 4<<20:
		fail(w, http.StatusRequestEntityTooLarge, "SIZE_INVALID")
		return
	case strings.HasPrefix(name, "sha256:") && name != digest:
		fail(w, http.StatusBadRequest, "DIGEST_INVALID")
		return
	}
	if !g.store(repository, name, digest, manifest{r.Header.Get("Content-Type"), data}) {
		fail(w, http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN")
		return
	}
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
}

// store stores a manifest, unless something is missing that it names.
func (g *Registry) store(repository, name, digest string, m manifest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range references(m.data) {
		_, isBlob := g.blobs[repository+"/"+d]
		_, isManifest := g.manifests[repository+"/"+d]
		if !isBlob && !isManifest {
			return false
		}
	}
	g.manifests[repository+"/"+digest] = m
	if name != digest {
		g.tags[repository+"/"+name] = digest
	}
	return true
}

func (g *Registry) serveUpload(w http.ResponseWriter, r *http.Request, repository, id string) {
	at := func(id string) string {
		return "/v2/" + repository + "/blobs/uploads/" + url.PathEscape(id) + "?state=x"
	}
	if r.Method == http.MethodPost {
		g.mu.Lock()
		g.last++
		id = strconv.Itoa(g.last)
		g.uploads[id] = nil
		g.mu.Unlock()
		w.Header().Set("Location", at(id))
		w.WriteHeader(http.StatusAccepted)
		return
	}
	g.mu.Lock()
	have, ok := g.uploads[id]
	g.mu.Unlock()
	switch {
	case !ok:
		fail(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		return
	case r.Method == http.MethodPatch && g.NoChunks:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED")
		return
	case r.Method == http.MethodGet:
		w.Header().Set("Location", at(id))
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(len(have)-1, 0)))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if begins := r.Header.Get("Content-Range"); begins != "" && !strings.HasPrefix(begins, strconv.Itoa(len(have))+"-") {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	part, whole := g.readPart(r.Body)
	have = append(have, part...)
	g.mu.Lock()
	g.uploads[id] = have
	g.mu.Unlock()
	if !whole {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Location", at(id))
	if r.Method == http.MethodPatch {
		w.Header().Set("Range", fmt.Sprintf("0-%d", len(have)-1))
		w.WriteHeader(http.StatusAccepted)
		return
	}
	digest := r.URL.Query().Get("digest")
	if digestOf(have) != digest {
		fail(w, http.StatusBadRequest, "DIGEST_INVALID")
		return
	}
	g.mu.Lock()
	delete(g.uploads, id)
	g.blobs[repository+"/"+digest] = have
	g.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
}

// readPart reads what is sent. It returns false if the connection is to break.
func (g *Registry) readPart(from io.Reader) (data []byte, whole bool) {
	if g.Break == 0 {
		data, err := io.ReadAll(from)
		return data, err == nil
	}
	data, _ = io.ReadAll(io.LimitReader(from, g.Break))
	g.Break -= int64(len(data))
	return data, g.Break > 0
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

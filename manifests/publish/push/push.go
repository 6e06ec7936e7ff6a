package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/verify"
)

// A Push sends a channel to a repository.
type Push struct {
	Dir    publish.Dir
	Report publish.Report // of Dir.Verify: what is sent is what it verified
	To     oci.Repository
	Tag    string // that users follow
	Jobs   int    // how many blobs are sent at the same time
	DryRun bool   // ask what the registry lacks, and send nothing
	// Progress is told how many bytes of a blob the registry has. Calls do not overlap.
	Progress func(b Blob, done int64)
}

// Done is what a Push did, or in a dry run what it would do.
type Done struct {
	Channel   string `json:"channel"`
	Serial    uint64 `json:"serial"`
	Digest    string `json:"digest"` // of the index
	Sent      int    `json:"sent"`   // blobs
	Bytes     int64  `json:"bytes"`  // of Sent
	Present   int    `json:"present"`
	Manifests int    `json:"manifests"`           // that were sent, with the index
	Elsewhere int    `json:"elsewhere,omitempty"` // artifacts at URLs, which are not sent
	Unchanged bool   `json:"unchanged"`           // the tag leads to this edition already
}

var (
	// ErrTaken is returned if a serial of the channel is something else in the registry.
	ErrTaken = verify.NewClass("the registry has another edition of that serial", "stale", nil)
	// ErrNewer is returned if the registry has a later serial of the channel.
	ErrNewer = verify.NewClass("the registry has a newer edition", "stale", nil)
	// ErrOther is returned if the repository holds something other than the channel.
	ErrOther = verify.NewClass("the repository is not this channel's", "refused", nil)
)

// SerialTag returns the tag of the edition with a serial. It is never moved.
func SerialTag(serial uint64) string { return "serial-" + strconv.FormatUint(serial, 10) }

// Run sends what the registry lacks: blobs first, then the manifests that refer to them,
// then the index with the tag of its serial, and p.Tag last. An error leaves p.Tag as it
// was, and what was sent is not sent again next time.
//
// The error matches ErrTaken, ErrNewer or ErrOther if the repository holds what must not be
// replaced. What it holds is not proved, so that a registry can prevent a push, as it can
// anyway.
func (p Push) Run(ctx context.Context) (Done, error) {
	mark := p.Report.Evidence.Mark
	if mark == nil || p.Report.Manifest == nil {
		return Done{}, verify.Untrusted("the channel was not verified")
	}
	if err := checkURLs(p.Report.Manifest); err != nil {
		return Done{}, err
	}
	documents, err := p.Dir.Published(mark.Digest)
	if err != nil {
		return Done{}, err
	}
	e, err := Arrange(p.Report.Manifest, documents)
	if err != nil {
		return Done{}, err
	}
	index := oci.Describe(oci.IndexType, e.Index)
	done := Done{Channel: e.Channel, Serial: e.Serial, Digest: index.Digest, Elsewhere: p.Report.Elsewhere}
	tagged, err := p.checkTags(ctx, e, mark.Keys.Restart > 0)
	if err != nil {
		return done, err
	}
	if tagged.head {
		done.Unchanged = true
		return done, nil
	}
	empty, _ := oci.Empty()
	s := sender{Push: p, done: &done, empty: empty.Digest, seen: map[string]bool{}}
	for _, g := range e.Groups {
		if err := s.sendGroup(ctx, g); err != nil {
			return done, err
		}
	}
	done.Manifests++
	if p.DryRun {
		return done, nil
	}
	if !tagged.serial {
		if err := p.To.PutManifest(ctx, SerialTag(e.Serial), oci.IndexType, e.Index); err != nil {
			return done, err
		}
	}
	return done, p.To.PutManifest(ctx, p.Tag, oci.IndexType, e.Index)
}

// tags says which tags lead to an edition already.
type tags struct{ serial, head bool }

// checkTags looks whether the repository's tags may be what the edition makes them.
// restarted says that the channel's keys let its serials start over.
func (p Push) checkTags(ctx context.Context, e Edition, restarted bool) (t tags, err error) {
	if t.head, err = p.checkHead(ctx, e, restarted); err != nil || t.head {
		t.serial = t.head
		return t, err
	}
	have, err := p.To.Tagged(ctx, SerialTag(e.Serial))
	switch {
	case errors.Is(err, manifests.ErrNotFound):
		return t, nil
	case err == nil && !bytes.Equal(have, e.Index):
		err = fmt.Errorf("%s: %w: %d", p.To, ErrTaken, e.Serial)
	}
	t.serial = err == nil
	return t, err
}

// checkHead reports whether p.Tag leads to e already.
func (p Push) checkHead(ctx context.Context, e Edition, restarted bool) (same bool, err error) {
	have, err := p.To.Tagged(ctx, p.Tag)
	switch {
	case errors.Is(err, manifests.ErrNotFound):
		return false, nil
	case err != nil || bytes.Equal(have, e.Index):
		return err == nil, err
	}
	index, err := oci.ParseIndex(have)
	if err != nil {
		return false, fmt.Errorf("%s: %w: its tag %s: %v", p.To, ErrOther, p.Tag, err)
	}
	if channel := index.Annotations[oci.ChannelKey]; channel != e.Channel {
		return false, fmt.Errorf("%s: %w: it holds channel %.100q, not %q", p.To, ErrOther, channel, e.Channel)
	}
	serial, err := strconv.ParseUint(index.Annotations[oci.SerialKey], 10, 64)
	if err != nil {
		return false, fmt.Errorf("%s: %w: its tag %s states no serial", p.To, ErrOther, p.Tag)
	}
	if serial > e.Serial && !restarted {
		return false, fmt.Errorf("%s: %w: serial %d, and this is %d", p.To, ErrNewer, serial, e.Serial)
	}
	return false, nil
}

// checkURLs checks that users of a registry accept the URLs of the manifest: in a channel
// that is fetched from an http or file URL, artifacts may have such URLs too.
func checkURLs(m *native.Manifest) error {
	for _, r := range m.Releases {
		for _, a := range r.Artifacts {
			for _, text := range a.URLs {
				if u, err := url.Parse(text); err != nil || u.Scheme != "https" {
					return verify.Untrusted("%s %s: users of a registry accept https URLs only, not %s", r.Tool, r.Version, manifests.Redact(text))
				}
			}
		}
	}
	return nil
}

// A sender sends the groups of an edition.
type sender struct {
	Push
	mu    sync.Mutex
	done  *Done
	empty string          // the digest of the empty configuration, which is not counted
	seen  map[string]bool // the digests of blobs that were looked for
}

// sendGroup sends a manifest and before it its blobs, unless the registry has it: then it
// has them too, because it refuses a manifest without them.
func (s *sender) sendGroup(ctx context.Context, g Group) error {
	digest, err := g.Descriptor.SHA256()
	if err != nil {
		return err
	}
	has, err := s.To.HasManifest(ctx, digest)
	if err != nil {
		return err
	}
	if has {
		for _, b := range g.Blobs {
			if s.isNew(b) {
				s.count(b, true)
			}
		}
		return nil
	}
	work, inner := errgroup.WithContext(ctx)
	work.SetLimit(max(s.Jobs, 1))
	for _, b := range g.Blobs {
		if s.isNew(b) {
			work.Go(func() error { return s.sendBlob(inner, b) })
		}
	}
	if err := work.Wait(); err != nil {
		return err
	}
	s.done.Manifests++
	if s.DryRun {
		return nil
	}
	return s.To.PutManifest(ctx, g.Descriptor.Digest, oci.ManifestType, g.Data)
}

// isNew reports whether b was not looked for yet: tools may share a file.
func (s *sender) isNew(b Blob) bool {
	key := b.Digest.Hex()
	isNew := !s.seen[key]
	s.seen[key] = true
	return isNew
}

func (s *sender) sendBlob(ctx context.Context, b Blob) error {
	has, err := s.To.Has(ctx, b.Digest)
	if err != nil {
		return err
	}
	if has || s.DryRun {
		s.count(b, has)
		return nil
	}
	var from io.ReaderAt = bytes.NewReader(b.Data)
	if b.Data == nil {
		f, err := s.Dir.Open(b.Name)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	}
	s.tell(b, 0)
	if err := s.To.PutBlob(ctx, b.Digest, from, b.Size, func(done int64) { s.tell(b, done) }); err != nil {
		return fmt.Errorf("%s: %w", b.Name, err)
	}
	s.count(b, false)
	return nil
}

func (s *sender) count(b Blob, present bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if "sha256:"+b.Digest.Hex() == s.empty {
		return
	}
	if present {
		s.done.Present++
		return
	}
	s.done.Sent++
	s.done.Bytes += b.Size
}

func (s *sender) tell(b Blob, done int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Progress != nil && "sha256:"+b.Digest.Hex() != s.empty {
		s.Progress(b, done)
	}
}

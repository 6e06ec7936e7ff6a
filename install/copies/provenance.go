package copies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A channel that the user added may name any URL for its artifacts, and their proof binds
// only the content. If the content came from a second URL, the file of the first one would
// hold what its origin never served: the channel could replace documents and artifacts of
// other channels in the mirror. So such an artifact becomes the file of a URL that serves
// it, or of one below the channel's own URL.

// ownsRef reports whether the channel of a decides what the URL ref serves: ref is below
// its own URL, or the channel is built in.
func (a wantedArtifact) ownsRef(ref string) bool {
	if a.from.Settings == nil {
		return true
	}
	own, errOwn := manifests.ParseURL(a.from.Settings.URL)
	u, err := manifests.ParseURL(ref)
	if errOwn != nil || err != nil || u.Scheme != own.Scheme || !strings.EqualFold(u.Host, own.Host) {
		return false
	}
	dir := own.Path
	if a.from.Settings.Format == "native" && path.Base(dir) == "channel.toml" { // the URL of a native channel names its manifest
		dir = path.Dir(dir)
	}
	if !strings.HasSuffix(dir, "/") {
		dir += "/"
	}
	return strings.HasPrefix(u.Path, dir) && path.Clean(u.Path) == u.Path
}

// findRef returns the first ref of a whose file may hold blob: a ref that the channel owns,
// or that served all of blob now. The answers in log count. A ref that was not asked, or
// only for a part, is asked for all of it.
func (c *collector) findRef(ctx context.Context, a wantedArtifact, blob download.Blob, log *refLog) (string, error) {
	// Chunks that an earlier run left may have come from elsewhere.
	whole := a.Chunks.Len() == 0
	var last error
	for _, ref := range a.Refs {
		if _, err := Name(ref); err != nil {
			last = err
			continue
		}
		if a.ownsRef(ref) || whole && log.servedAll(ref) {
			return ref, nil
		}
		err := c.checkServes(ctx, ref, blob)
		if err == nil {
			return ref, nil
		}
		if ctx.Err() != nil {
			return "", err
		}
		last = err
	}
	return "", fmt.Errorf("channel %s: no URL of %s can be mirrored: %w", a.from.Name, a.Name, last)
}

// checkServes returns nil if ref serves blob.
func (c *collector) checkServes(ctx context.Context, ref string, blob download.Blob) error {
	body, _, err := c.by.Transport.Open(ctx, ref, 0)
	if err != nil {
		return err
	}
	err = verify.Check(manifests.Redact(ref), body, blob.Size, blob.Digest)
	return errors.Join(err, body.Close())
}

// A refLog is a transport that records which refs answered, and from which offset.
type refLog struct {
	from manifests.Transport

	mu      sync.Mutex
	answers []openedRef // without an error
}

type openedRef struct {
	ref    string
	offset int64
}

// Open implements manifests.Transport.
func (l *refLog) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	body, size, err := l.from.Open(ctx, ref, offset)
	l.add(ref, offset, err)
	return body, size, err
}

// OpenAnswer implements manifests.Answerer.
func (l *refLog) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	a, err := manifests.OpenAnswer(ctx, l.from, ref, offset)
	l.add(ref, offset, err)
	return a, err
}

func (l *refLog) add(ref string, offset int64, err error) {
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, openedRef{ref, offset})
}

// servedAll reports whether a successful download came from ref alone: one answer, from
// the start.
func (l *refLog) servedAll(ref string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answers) == 1 && l.answers[0] == openedRef{ref, 0}
}

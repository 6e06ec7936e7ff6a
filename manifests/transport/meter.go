package transport

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/kist-tools/kist/manifests"
)

const (
	// minSample is how many bytes must have come before they say anything: the
	// first ones of a connection come slower than what follows.
	minSample = 256 << 10
	// memory is how long a Meter remembers. What came earlier counts half, and
	// what came before that a quarter.
	memory = 100 * time.Millisecond
)

// A Meter is From with a stopwatch: it tells how fast bodies have been coming
// lately, all of them together. Only time with a body open counts, so neither
// the wait for an answer nor a pause between two.
type Meter struct {
	From manifests.Transport
	Now  func() time.Time

	mu    sync.Mutex
	open  int       // bodies
	since time.Time // until when spent is accounted for
	spent time.Duration
	bytes float64
}

// Rate is how many bytes a second have been coming, 0 while too few have come
// to tell.
func (m *Meter) Rate() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.account(0)
	if m.bytes < minSample || m.spent <= 0 {
		return 0
	}
	return m.bytes / m.spent.Seconds()
}

// account brings the account up to now and adds n bytes to it.
func (m *Meter) account(n int) {
	now := m.Now()
	if m.open > 0 {
		m.spent += now.Sub(m.since)
	}
	m.since, m.bytes = now, m.bytes+float64(n)
	if m.spent > memory && m.bytes > 2*minSample {
		m.spent, m.bytes = m.spent/2, m.bytes/2
	}
}

// Open implements manifests.Transport.
func (m *Meter) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	body, size, err := m.From.Open(ctx, ref, offset)
	return m.watch(body, err), size, err
}

// OpenAnswer implements manifests.Answerer.
func (m *Meter) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	a, err := manifests.OpenAnswer(ctx, m.From, ref, offset)
	a.Body = m.watch(a.Body, err)
	return a, err
}

// OpenRange implements manifests.Ranger.
func (m *Meter) OpenRange(ctx context.Context, ref string, offset, n int64) (io.ReadCloser, int64, error) {
	body, size, err := manifests.OpenRange(ctx, m.From, ref, offset, n)
	return m.watch(body, err), size, err
}

// Size implements manifests.Ranger.
func (m *Meter) Size(ctx context.Context, ref string) (int64, error) {
	return manifests.SizeOf(ctx, m.From, ref)
}

func (m *Meter) watch(body io.ReadCloser, err error) io.ReadCloser {
	if err != nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.account(0)
	m.open++
	return &metered{from: body, m: m}
}

// A metered body is open until it ends, fails or is closed.
type metered struct {
	from  io.ReadCloser
	m     *Meter
	ended bool // guarded by m.mu
}

func (b *metered) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.count(n, err != nil)
	return n, err
}

func (b *metered) Close() error {
	b.count(0, true)
	return b.from.Close()
}

func (b *metered) count(n int, ends bool) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	b.m.account(n)
	if ends && !b.ended {
		b.ended = true
		b.m.open--
	}
}

package transport

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/kist-tools/kist/manifests"
)

const (
	// minSample is how many bytes must arrive before a rate is known: the first bytes
	// of a connection are slower than the rest.
	minSample = 256 << 10
	// memory is the interval after which a Meter halves the weight of older bytes.
	memory = 100 * time.Millisecond
)

// A Meter measures how fast the bodies of From have arrived lately, all of them
// together. Only time with a body open counts, not the wait for an answer or the pause
// between two.
type Meter struct {
	From manifests.Transport
	Now  func() time.Time

	mu    sync.Mutex
	open  int       // number of open bodies
	since time.Time // end of the time that spent covers
	spent time.Duration
	bytes float64
}

// Rate returns the bytes per second, or 0 until enough bytes have arrived.
func (m *Meter) Rate() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.update(0)
	if m.bytes < minSample || m.spent <= 0 {
		return 0
	}
	return m.bytes / m.spent.Seconds()
}

// update adds the time since the last call, and n bytes.
func (m *Meter) update(n int) {
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
	m.update(0)
	m.open++
	return &metered{from: body, m: m}
}

// A metered body counts as open until it ends, fails or is closed.
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
	b.m.update(n)
	if ends && !b.ended {
		b.ended = true
		b.m.open--
	}
}

//go:build benchmark

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// throttled compares kist's choice of archives with a single format for all of them, from
// a server as slow as a network.
func (b *benchmark) throttled() {
	formats := []string{"gz", "xz", "zst"}
	b.variant("choice", formats...)
	for _, format := range formats {
		b.variant(format, format)
	}
	for _, profile := range []string{"minimal", "default"} {
		for _, mbit := range []float64{50, 200, 1000} {
			b.atSpeed(profile, mbit, formats)
		}
	}
}

// atSpeed removes what was installed after the measurement: it is large, and the network
// is slower than a file system after a mass delete.
func (b *benchmark) atSpeed(profile string, mbit float64, formats []string) {
	one := *b
	one.work = b.dir()
	defer os.RemoveAll(one.work)
	url := throttledServer(b.t, filepath.Join(*benchData, "rust"), mbit*1e6/8)
	var all []contender
	for _, variant := range append([]string{"choice"}, formats...) {
		all = append(all, one.kist(fmt.Sprintf("kist, %s, %s, %.0f Mbit/s", variant, profile, mbit),
			one.mirroredAt(url, variant), "install", "mirror/rust", "--profile", profile))
	}
	figures := installs(b.t, *benchRuns, all...)
	choice, fixed := figures[0], figures[1:]
	best := 0
	for i := range fixed {
		if median(column(fixed[i], wall)) < median(column(fixed[best], wall)) {
			best = i
		}
	}
	b.report.row(fmt.Sprintf("Rust %s, %.0f Mbit/s: choice / best fixed one (%s)", profile, mbit, formats[best]), ratio(choice, fixed[best], wall), 1.1)
}

// throttledServer serves a directory at a rate in bytes a second, for all its connections
// together.
func throttledServer(t *testing.T, dir string, rate float64) (url string) {
	server := httptest.NewUnstartedServer(http.FileServer(http.Dir(dir)))
	server.Listener = throttledListener{server.Listener, &throttle{rate: rate}}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// throttle limits the rate of all senders together.
type throttle struct {
	rate float64 // bytes a second
	mu   sync.Mutex
	free time.Time // when all that was let through has passed
}

// arrears is how much idle time may be made up for, because sleeps take longer than
// requested.
const arrears = 20 * time.Millisecond

func (t *throttle) pass(n int) {
	t.mu.Lock()
	if earliest := time.Now().Add(-arrears); t.free.Before(earliest) {
		t.free = earliest
	}
	t.free = t.free.Add(time.Duration(float64(n) / t.rate * float64(time.Second)))
	until := t.free
	t.mu.Unlock()
	time.Sleep(time.Until(until))
}

type throttledListener struct {
	net.Listener
	throttle *throttle
}

func (l throttledListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return throttledConn{conn, l.throttle}, err
}

type throttledConn struct {
	net.Conn
	throttle *throttle
}

func (c throttledConn) Write(p []byte) (n int, err error) {
	const packets = 16 << 10 // at once; connections take turns
	for len(p) > 0 && err == nil {
		part := p[:min(len(p), packets)]
		c.throttle.pass(len(part))
		var sent int
		sent, err = c.Conn.Write(part)
		n, p = n+sent, p[len(part):]
	}
	return n, err
}

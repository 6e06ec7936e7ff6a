package unpack

import "io"

// An aheadReader reads from a decoder in its own goroutine, up to 1 MiB ahead of its
// caller.
type aheadReader struct {
	full chan block
	free chan []byte
	quit chan struct{}
	cur  block
	used int // bytes of cur that Read has returned
}

type block struct {
	data []byte
	err  error // to return after data
}

// readAhead starts an aheadReader. The caller must stop it.
func readAhead(r io.Reader) *aheadReader {
	const blocks, size = 4, 256 << 10
	a := &aheadReader{full: make(chan block, blocks), free: make(chan []byte, blocks), quit: make(chan struct{})}
	for range blocks {
		a.free <- make([]byte, size)
	}
	go a.run(r)
	return a
}

func (a *aheadReader) run(r io.Reader) {
	defer close(a.full)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.quit:
			return
		}
		n, err := fill(r, buf)
		a.full <- block{buf[:n], err} // never blocks: full has room for all blocks
		if err != nil {
			return
		}
	}
}

// fill reads until buf is full or r fails, and returns r's error unchanged, unlike
// io.ReadFull.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (a *aheadReader) Read(p []byte) (int, error) {
	for a.used == len(a.cur.data) {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.data != nil {
			a.free <- a.cur.data[:cap(a.cur.data)]
		}
		a.cur, a.used = <-a.full, 0
	}
	n := copy(p, a.cur.data[a.used:])
	a.used += n
	return n, nil
}

// stop ends the goroutine and waits for it.
func (a *aheadReader) stop() {
	close(a.quit)
	for range a.full {
	}
}

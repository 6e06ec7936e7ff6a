package unpack

import "io"

// An ahead reads from a decoder in a goroutine of its own, up to a mebibyte
// ahead of whoever writes the files.
type ahead struct {
	full chan block
	free chan []byte
	quit chan struct{}
	cur  block
	used int // bytes of cur that were given out
}

type block struct {
	data []byte
	err  error // what comes after data
}

func readAhead(r io.Reader) *ahead {
	const blocks, size = 4, 256 << 10
	a := &ahead{full: make(chan block, blocks), free: make(chan []byte, blocks), quit: make(chan struct{})}
	for range blocks {
		a.free <- make([]byte, size)
	}
	go a.run(r)
	return a
}

func (a *ahead) run(r io.Reader) {
	defer close(a.full)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.quit:
			return
		}
		n, err := fill(r, buf)
		a.full <- block{buf[:n], err} // there is room: no more blocks exist
		if err != nil {
			return
		}
	}
}

// fill reads until buf is full or r fails, and keeps r's own error.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (a *ahead) Read(p []byte) (int, error) {
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
func (a *ahead) stop() {
	close(a.quit)
	for range a.full {
	}
}

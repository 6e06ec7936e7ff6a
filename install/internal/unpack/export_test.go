package unpack

import (
	"bytes"
	"context"
	"io"
	"strings"

	"golang.org/x/sync/semaphore"

	"github.com/kist-tools/kist/install/record"
)

// Finish completes the prefix, and returns its entries.
func (p *Prefix) Finish(ctx context.Context, executable ...string) (entries []record.Entry, err error) {
	claims, err := p.Claims()
	if err == nil {
		_, err = Complete(ctx, p.root, p.limits, claims, executable...)
	}
	for _, c := range claims {
		entries = append(entries, *c.Entry)
	}
	return entries, err
}

// Read reads an archive's structure and contents without writing files, which fuzzers can
// do a thousand times faster than unpacking.
func Read(format string, data []byte, limits Limits) error {
	src := &source{ctx: context.Background(), file: bytes.NewReader(data), size: int64(len(data))}
	put := func(e entry) error {
		if e.body == nil {
			return nil
		}
		_, err := io.Copy(io.Discard, e.body)
		return err
	}
	memory := semaphore.NewWeighted(limits.Memory)
	switch format {
	case "zip":
		return readZip(src, limits, true, put)
	case "deb":
		return readDeb(src, memory, limits, put)
	}
	codec := strings.TrimPrefix(strings.TrimPrefix(format, "tar"), ".")
	return readTarIn(codec, false, src, src.all(), src.size, memory, limits, put)
}

// Unexported names that the tests use.
var (
	MatchPath = matchPath
	Number    = number
	Relative  = relative
)

package unpack

import (
	"bytes"
	"context"
	"io"
	"strings"

	"golang.org/x/sync/semaphore"
)

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

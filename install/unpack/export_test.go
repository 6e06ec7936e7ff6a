package unpack

import (
	"bytes"
	"context"
	"io"
)

// Read reads an archive's structure and contents, and places nothing: what a
// fuzzer can do a thousand times faster than unpacking.
func Read(format string, data []byte, limits Limits) error {
	src := &source{ctx: context.Background(), file: bytes.NewReader(data), size: int64(len(data))}
	put := func(e entry) error {
		if e.body == nil {
			return nil
		}
		_, err := io.Copy(io.Discard, e.body)
		return err
	}
	switch format {
	case "zip":
		return readZip(src, limits, true, put)
	case "deb":
		return readDeb(src, limits, put)
	case "tar":
		return readTarIn("", src, 0, src.size, limits, put)
	}
	return readTarIn(format[len("tar."):], src, 0, src.size, limits, put)
}

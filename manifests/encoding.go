package manifests

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// A DecodeError reports that bytes do not have the content encoding that the server
// states, or that kist cannot decode it. It matches verify.ErrUntrusted.
type DecodeError struct {
	Encoding string
	Err      error // nil if kist does not support the encoding
}

func (e *DecodeError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("kist cannot decode Content-Encoding: %.40s", e.Encoding)
	}
	return fmt.Sprintf("Content-Encoding %.40s: %v", e.Encoding, e.Err)
}
func (*DecodeError) Kind() string { return "untrusted" }

func (e *DecodeError) Unwrap() error { return e.Err }

func (e *DecodeError) Is(target error) bool { return target == verify.ErrUntrusted }

// NewDecoder returns a reader that decodes r from a content encoding: gzip (x-gzip),
// or deflate with or without the zlib header, which many servers omit. The error is a
// *DecodeError for any other encoding, such as br and zstd, and for data that is not
// so encoded. The caller limits how much it reads. RFC 9110, section 8.4.1.
func NewDecoder(encoding string, r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	var out io.Reader
	var err error
	switch strings.TrimPrefix(encoding, "x-") {
	case "gzip":
		out, err = gzip.NewReader(in)
	case "deflate":
		// RFC 1950, section 2.2: the first two bytes are a multiple of 31.
		if head, _ := in.Peek(2); len(head) == 2 && head[0]&15 == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
			out, err = zlib.NewReader(in)
		} else {
			out = flate.NewReader(in)
		}
	default:
		return nil, &DecodeError{Encoding: encoding}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	d := &decoder{encoding, out}
	if err := d.explain(err); err != nil {
		return nil, err
	}
	return d, nil
}

type decoder struct {
	encoding string
	from     io.Reader
}

func (d *decoder) Read(p []byte) (int, error) {
	n, err := d.from.Read(p)
	return n, d.explain(err)
}

// explain makes err a *DecodeError unless it is io.EOF or a transport error.
func (d *decoder) explain(err error) error {
	if err == nil || err == io.EOF || errors.Is(err, ErrUnreachable) {
		return err
	}
	return &DecodeError{d.encoding, err}
}

// EncodedLimit returns how many bytes the encoded form of limit bytes may have. It is
// more than limit, because incompressible data grows a little when it is encoded.
func EncodedLimit(limit int64) int64 { return limit + limit>>8 + 4096 }

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A dirTransport is the transport for file URLs: a mirror on this machine. It reads regular files
// only, so that a pipe or a device cannot block it; links are followed.
type dirTransport struct{}

// ErrFile is returned when the file of a file URL cannot be read; the network is not the
// cause. The error also matches manifests.ErrUnreachable.
var ErrFile = errors.New("unreadable file")

// Open implements manifests.Transport.
func (dirTransport) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	name, err := filePath(ref)
	if err != nil {
		return nil, 0, unreadable(ctx, ref, err)
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%s: %w", manifests.Redact(ref), manifests.ErrNotFound)
	} else if err != nil {
		return nil, 0, unreadable(ctx, ref, withoutPath(err))
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = unreadable(ctx, ref, withoutPath(err))
	case !info.Mode().IsRegular():
		err = unreadable(ctx, ref, errors.New("not a regular file"))
	case offset > info.Size():
		err = fmt.Errorf("%s: %w: it has %d bytes", manifests.Redact(ref), manifests.ErrNoRange, info.Size())
	default:
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return &body{ctx, ref, f, info.Size() - offset, nil}, info.Size(), nil
}

func unreadable(ctx context.Context, ref string, err error) error {
	return unreachable(ctx, ref, verify.Errorf(ErrFile, "%w", err))
}

// filePath returns the local path that a file URL names. RFC 8089.
func filePath(ref string) (string, error) {
	u, err := url.Parse(ref)
	switch {
	case err != nil || u.Scheme != "file" || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("not a file URL")
	case u.Host != "" && u.Host != "localhost" || u.User != nil:
		return "", errors.New("a file URL names a path of this machine, file:///path")
	case !strings.HasPrefix(u.Path, "/") || strings.Contains(u.Path, "\x00"):
		return "", errors.New("not an absolute path")
	}
	name := u.Path
	if runtime.GOOS == "windows" {
		name = strings.TrimPrefix(name, "/")
	}
	name = filepath.FromSlash(name)
	if !filepath.IsAbs(name) {
		return "", errors.New("not an absolute path")
	}
	return name, nil
}

// withoutPath returns err without the path, which the ref already shows.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"syscall"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// Replay is the transport for a set that a Recorder saved. It serves recorded
// documents; a ref recorded as absent is manifests.ErrNotFound; any other is
// manifests.ErrOffline. A ref recorded only as existing can be opened, and fails with
// ErrOffline when read. The set is as untrusted as the network: readers prove its
// content again.
type Replay struct {
	Root *os.Root
	Dir  string // below Root
}

// Open implements manifests.Transport.
func (r Replay) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	name := path.Join(r.Dir, recordName(ref))
	f, err := r.Root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := r.Root.Lstat(name + absent); err == nil {
			return nil, 0, fmt.Errorf("%s: %w (when it was last asked)", manifests.Redact(ref), manifests.ErrNotFound)
		}
		if _, err := r.Root.Lstat(name + present); err == nil && offset == 0 {
			return io.NopCloser(unread(ref)), -1, nil
		}
		return nil, 0, fmt.Errorf("%s: %w", manifests.Redact(ref), manifests.ErrOffline)
	} else if err != nil {
		return nil, 0, unreachable(ctx, ref, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = unreachable(ctx, ref, err)
	case !info.Mode().IsRegular():
		err = unreachable(ctx, ref, errors.New("its cached copy is not a regular file"))
	case info.Size() > manifests.MaxManifest:
		err = &manifests.TooLargeError{Name: manifests.Redact(ref), Limit: manifests.MaxManifest}
	case offset > info.Size():
		err = fmt.Errorf("%s: %w", manifests.Redact(ref), manifests.ErrNoRange)
	default:
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return &body{ctx, ref, f, info.Size() - offset, nil}, info.Size(), nil
}

// unread is the body of a document that existed but was not recorded.
type unread string

func (ref unread) Read([]byte) (int, error) {
	return 0, fmt.Errorf("%s: %w", manifests.Redact(string(ref)), manifests.ErrOffline)
}

// A storedSet is what a recorded set states about its documents.
type storedSet struct {
	files      index
	validators map[string]manifests.Validators // by file name
}

// snapshot returns the validators of all documents of the set together, if the server
// publishes them so.
func (s storedSet) snapshot() manifests.Validators {
	for _, v := range s.validators {
		if v.Snapshot {
			return v
		}
	}
	return manifests.Validators{}
}

// readSet reads what the set states. Whatever is missing or damaged is left out.
func (r Replay) readSet() (s storedSet) {
	s.files, _ = readIndex(r.Root, r.Dir)
	if s.files == nil {
		return s
	}
	data, err := r.readFile(setValidators, maxSetIndex, s)
	if err != nil || json.Unmarshal(data, &s.validators) != nil {
		s.validators = nil
	}
	maps.DeleteFunc(s.validators, func(_ string, v manifests.Validators) bool { return !isUsable(v) })
	return s
}

// read returns the recorded document of ref, or nil if it does not have the digest that
// the set states.
func (r Replay) read(ref string, s storedSet) []byte {
	data, err := r.readFile(recordName(ref), manifests.MaxManifest, s)
	if err != nil {
		return nil
	}
	return data
}

// readFile reads a file of the set, which must have the digest that the set states.
func (r Replay) readFile(name string, limit int64, s storedSet) ([]byte, error) {
	want, err := verify.ParseDigest("sha256:" + s.files[name])
	if err != nil {
		return nil, err
	}
	data, err := rootfs.ReadFile(r.Root, path.Join(r.Dir, name), limit)
	if got := verify.DigestOf(data); err == nil && got != want {
		err = &verify.DigestError{Name: name, Want: want, Got: got}
	}
	return data, err
}

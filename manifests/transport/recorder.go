package transport

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

const (
	maxDocuments = 1024       // in one recorded set
	maxRecorded  = 64 << 20   // bytes of one recorded set
	absent       = ".absent"  // file suffix for a ref that did not exist
	present      = ".present" // file suffix for a ref that existed, without its content
	maxReplaced  = 1000       // retries of Save when other processes save at the same time
)

// A Recorder wraps From and records every document that is read from the start to its
// end, every ref that is not found, and, for every other ref, that it exists. [Replay]
// can then answer the same requests without the network. For a document larger than
// manifests.MaxManifest only its existence is recorded. The validators of an answer are
// recorded with its document, for a [Revalidating].
type Recorder struct {
	From manifests.Transport
	// Skip reports whether a ref is not recorded. May be nil: all are recorded.
	Skip func(ref string) bool

	mu         sync.Mutex
	set        map[string][]byte               // by file name
	validators map[string]manifests.Validators // by file name
	bytes      int64
	over       bool
}

// Open implements manifests.Transport.
func (r *Recorder) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	body, size, err := r.From.Open(ctx, ref, offset)
	a := manifests.Answer{Body: body, Size: size}
	r.record(ref, offset, &a, err)
	return a.Body, size, err
}

// OpenAnswer implements manifests.Answerer.
func (r *Recorder) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	a, err := manifests.OpenAnswer(ctx, r.From, ref, offset)
	r.record(ref, offset, &a, err)
	return a, err
}

// record records an answer, now and while it is read. A web page in place of a document
// is recorded as absent, since no caller could use it.
func (r *Recorder) record(ref string, offset int64, a *manifests.Answer, err error) {
	switch {
	case r.Skip != nil && r.Skip(ref):
		return
	case errors.Is(err, manifests.ErrNotFound), err == nil && a.IsPage():
		r.store(ref, absent, nil, manifests.Validators{})
		return
	case err != nil:
		return
	}
	r.store(ref, present, nil, manifests.Validators{})
	if offset == 0 && a.Size <= manifests.MaxManifest {
		a.Body = &recording{ReadCloser: a.Body, r: r, ref: ref, validators: a.Validators, data: make([]byte, 0, max(a.Size, 0))}
	}
}

// store records data as the content of ref or, with a suffix, that ref exists or not.
// Existence adds nothing to known content.
func (r *Recorder) store(ref, suffix string, data []byte, v manifests.Validators) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set == nil {
		r.set, r.validators = map[string][]byte{}, map[string]manifests.Validators{}
	}
	name := recordName(ref)
	if _, known := r.set[name]; known && suffix == present {
		return
	}
	for _, old := range []string{"", absent, present} {
		r.bytes -= int64(len(r.set[name+old]))
		delete(r.set, name+old)
	}
	delete(r.validators, name)
	if !v.IsZero() {
		r.validators[name] = v
	}
	r.bytes += int64(len(data))
	r.set[name+suffix] = data
	r.over = r.over || len(r.set) > maxDocuments || r.bytes > maxRecorded
	if r.over {
		clear(r.set)
	}
}

// recordName returns the file name for a ref, which ignores its user name and password.
func recordName(ref string) string {
	sum := sha256.Sum256([]byte(manifests.Redact(ref)))
	return hex.EncodeToString(sum[:])
}

type recording struct {
	io.ReadCloser
	r          *Recorder
	ref        string
	validators manifests.Validators
	data       []byte // nil once too large to record
}

func (b *recording) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.data == nil {
		return n, err
	}
	if b.data = append(b.data, p[:n]...); len(b.data) > manifests.MaxManifest {
		b.data = nil
	} else if err == io.EOF {
		b.r.store(b.ref, "", b.data, b.validators)
		b.data = nil
	}
	return n, err
}

// Save writes the recorded set to the directory dir below root and replaces the
// previous set there, as a whole; a crash between the two renames leaves no set.
// Parents of dir must exist. A set over the ceilings (1024 documents, 64 MiB) is a
// *manifests.TooLargeError. If the same set is there already, Save changes nothing.
func (r *Recorder) Save(root *os.Root, dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return &manifests.TooLargeError{Name: "recorded documents", Limit: maxRecorded}
	}
	files, listed, err := r.files()
	if err != nil {
		return fmt.Errorf("save documents: %w", err)
	}
	if isSaved(root, dir, files, listed) {
		return nil
	}
	fresh := dir + ".new-" + rand.Text()
	if err := writeSet(root, dir, fresh, files, listed); err != nil {
		return errors.Join(fmt.Errorf("save documents: %w", err), removeSet(root, fresh))
	}
	// Each concurrent Save replaces it once, and there may be many.
	for try := 0; ; try++ {
		old := dir + ".old-" + rand.Text()
		err := root.Rename(dir, old)
		if err == nil {
			defer func() {
				if removeSet(root, old) != nil {
					moveRest(root, old, dir)
				}
			}()
		} else if !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("save documents: %w", err), removeSet(root, fresh))
		}
		// Another kist may have saved its set in between.
		if err = root.Rename(fresh, dir); err == nil {
			return rootfs.SyncDir(root, path.Dir(dir))
		} else if try == maxReplaced {
			return errors.Join(fmt.Errorf("save documents: %w", err), removeSet(root, fresh))
		}
	}
}

// files returns the files of the set, and the index that lists them.
func (r *Recorder) files() (files map[string][]byte, listed []byte, err error) {
	files = maps.Clone(r.set)
	if len(r.validators) > 0 {
		data, err := json.MarshalIndent(r.validators, "", "\t")
		if err != nil {
			return nil, nil, err
		}
		files[setValidators] = data
	}
	listed, err = newIndex(files)
	return files, listed, err
}

// isSaved reports whether the set in dir has exactly these files and this index.
func isSaved(root *os.Root, dir string, files map[string][]byte, listed []byte) bool {
	have, err := rootfs.ReadFile(root, path.Join(dir, setIndex), maxSetIndex)
	if err != nil || !bytes.Equal(have, listed) {
		return false
	}
	for name, data := range files {
		if !hasContent(root, path.Join(dir, name), data) {
			return false
		}
	}
	return true
}

// hasContent reports whether name is a regular file with this content.
func hasContent(root *os.Root, name string, data []byte) bool {
	if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(data)) {
		return false
	}
	have, err := rootfs.ReadFile(root, name, int64(len(data)))
	return err == nil && bytes.Equal(have, data)
}

// writeSet writes a set to the new directory dir. Files that have not changed since the
// set in old are links to those, so that other links to them stay the same files.
func writeSet(root *os.Root, old, dir string, files map[string][]byte, listed []byte) error {
	if err := root.Mkdir(dir, 0o700); err != nil {
		return err
	}
	// The index gets its name first, so an interrupted Save leaves no unlisted file.
	batch := rootfs.NewBatch(root, 0o600)
	_, err := batch.Copy(path.Join(dir, setIndex), bytes.NewReader(listed))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err == nil && (!hasContent(root, path.Join(old, name), files[name]) ||
			batch.Link(path.Join(old, name), path.Join(dir, name)) != nil) {
			_, err = batch.Copy(path.Join(dir, name), bytes.NewReader(files[name]))
		}
	}
	if err == nil {
		err = batch.Commit()
	}
	return errors.Join(err, batch.Discard())
}

// removeSet removes a set: the files that its index lists and that are unchanged, then
// the index, then the directory if nothing else is in it.
func removeSet(root *os.Root, dir string) error {
	files, err := readIndex(root, dir)
	if err != nil {
		return err
	}
	entries, err := rootfs.ReadDir(root, dir)
	if err != nil {
		return rootfs.IgnoreMissing(err)
	}
	for _, e := range entries {
		if rootfs.IsNamedTemp(e.Name()) && e.Type().IsRegular() {
			if err := rootfs.IgnoreMissing(root.Remove(path.Join(dir, e.Name()))); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !filepath.IsLocal(name) || path.Base(name) != name {
			continue
		}
		own, err := hasDigest(root, path.Join(dir, name), files[name])
		if own {
			err = root.Remove(path.Join(dir, name))
		}
		if err := rootfs.IgnoreMissing(err); err != nil {
			return err
		}
	}
	if files != nil {
		if err := rootfs.IgnoreMissing(root.Remove(path.Join(dir, setIndex))); err != nil {
			return err
		}
	}
	return rootfs.IgnoreMissing(root.Remove(dir))
}

// moveRest moves the files of the old set that were not recorded into the set that
// replaced it, so that their owner finds them. A file whose name the new set uses stays
// in the old one.
func moveRest(root *os.Root, old, dir string) error {
	entries, err := rootfs.ReadDir(root, old)
	for _, e := range entries {
		to := path.Join(dir, e.Name())
		if _, taken := root.Lstat(to); errors.Is(taken, fs.ErrNotExist) {
			err = errors.Join(err, root.Rename(path.Join(old, e.Name()), to))
		}
	}
	if err == nil {
		err = root.Remove(old)
	}
	return rootfs.IgnoreMissing(err)
}

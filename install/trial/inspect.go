package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
)

// A newFile is a file that a publisher adds, and its contents.
type newFile struct {
	path    string
	art     native.Artifact // size, digest, format and strip; Unpacked is set by the inspection
	entries []record.Entry  // what it unpacks to
	top     string          // directory that a guessed strip drops
}

func (f *newFile) name() string { return filepath.Base(f.path) }

// An inspection reads and unpacks the files that a publisher adds.
type inspection struct {
	Unpacker
	Files
}

// read hashes the file at path, and detects its format if none is given.
func (in inspection) read(ctx context.Context, path string) (*newFile, error) {
	f, err := in.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	one, format := &newFile{path: path}, in.Format
	if format == "" {
		if format = publish.GuessFormat(one.name(), head[:n]); format == "" {
			return nil, publish.NotGuessed(path, "format")
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if one.art, err = publish.Measure(manifests.ContextReader{ReadSeeker: f, Ctx: ctx}); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	one.art.Format = format
	return one, nil
}

// Archives are inspected together, in one process, up to these limits.
const (
	batchFiles = 64
	batchBytes = 8 << 20
)

// inspectAll unpacks files as an install would, each on its own, and records their
// contents.
func (in inspection) inspectAll(ctx context.Context, files []*newFile) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(2) // unpacking processes, each of which may use as much memory as an install
	for len(files) > 0 {
		n, size := 0, int64(0)
		for n < len(files) && n < batchFiles && (n == 0 || size+files[n].art.Size <= batchBytes) {
			size += files[n].art.Size
			n++
		}
		batch := files[:n]
		work.Go(func() error { return in.inspectBatch(ctx, batch) })
		files = files[n:]
	}
	return work.Wait()
}

// inspectBatch inspects files together, or if that fails one by one, for exact errors.
func (in inspection) inspectBatch(ctx context.Context, files []*newFile) error {
	if err := ctx.Err(); err != nil { // another batch failed
		return err
	}
	if len(files) > 1 && in.inspectTogether(ctx, files) == nil {
		return nil
	}
	for _, f := range files {
		if err := in.inspectOne(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// inspectTogether inspects several archives in one process, each in a directory of
// its own. After any error, also for a link that leaves its directory, inspectOne
// decides.
func (in inspection) inspectTogether(ctx context.Context, files []*newFile) error {
	var archives []install.Packed
	parts := map[string]*newFile{} // by directory
	for i, f := range files {
		switch f.art.Format {
		case "file":
			in.recordProgram(f)
			continue
		case "deb": // its absolute links start at the prefix
			return errors.ErrUnsupported
		}
		a := in.archive(f, max(in.Strip, 0))
		a.Layout.Into = fmt.Sprintf("%04d", i)
		parts[a.Layout.Into] = f
		archives = append(archives, a)
	}
	if len(archives) == 0 {
		return nil
	}
	return in.unpack(ctx, nil, archives, func(prefix *os.Root, entries []record.Entry) error {
		for dir, f := range parts {
			if err := in.recordEntries(f, entriesBelow(entries, dir)); err != nil {
				return err
			}
			if err := in.checkWitness(prefix, path.Join(dir, f.top), f); err != nil {
				return err
			}
		}
		return nil
	})
}

// inspectOne inspects one file.
func (in inspection) inspectOne(ctx context.Context, f *newFile) error {
	if f.art.Format == "file" {
		in.recordProgram(f)
		return nil
	}
	err := in.unpack(ctx, nil, []install.Packed{in.archive(f, max(in.Strip, 0))}, func(prefix *os.Root, entries []record.Entry) error {
		if err := in.recordEntries(f, entries); err != nil {
			return err
		}
		return in.checkWitness(prefix, path.Join(".", f.top), f)
	})
	if !errors.Is(err, errLeaves) {
		return err
	}
	// Unpack as an install would, for its exact error.
	return in.unpack(ctx, nil, []install.Packed{in.archive(f, f.art.Strip)}, func(prefix *os.Root, entries []record.Entry) error {
		f.entries, f.top, f.art.Unpacked = entries, "", unpackedSize(entries)
		return in.checkWitness(prefix, ".", f)
	})
}

func (in inspection) archive(f *newFile, strip int) install.Packed {
	return install.Packed{
		Name:   f.name(),
		Layout: manifests.Layout{Format: f.art.Format, Strip: strip},
		Digest: f.art.SHA256,
		Open:   func() (*os.File, error) { return in.Open(f.path) },
	}
}

// errLeaves is returned for a link that points outside the directory that a guessed
// strip leaves.
var errLeaves = errors.New("a link leaves the directory")

// recordEntries records the unpacked entries of f, and guesses how many leading
// directories to strip: none that the publisher's patterns of commands begin with.
func (in inspection) recordEntries(f *newFile, entries []record.Entry) error {
	f.entries, f.art.Strip, f.top = entries, max(in.Strip, 0), ""
	if in.Strip < 0 && f.art.Format != "deb" {
		var paths []string
		for _, e := range entries {
			paths = append(paths, e.Path)
		}
		strip, top := publish.GuessStrip(paths)
		if stripped := entriesBelow(entries, top); strip > 0 && (!matches(in.Commands, entries) || matches(in.Commands, stripped)) {
			f.entries, f.art.Strip, f.top = stripped, strip, top
		}
	}
	f.art.Unpacked = unpackedSize(f.entries)
	for _, e := range f.entries {
		if target := path.Join(path.Dir(e.Path), e.Target); e.Type == record.Link && (target == ".." || strings.HasPrefix(target, "../")) {
			return errLeaves
		}
	}
	return nil
}

// entriesBelow returns the entries below the directory top, with paths relative to it.
func entriesBelow(entries []record.Entry, top string) (list []record.Entry) {
	for _, e := range entries {
		if p, ok := strings.CutPrefix(e.Path, top+"/"); ok {
			e.Path = p
			list = append(list, e)
		}
	}
	return list
}

// recordProgram records a file that is installed as it is.
func (in inspection) recordProgram(f *newFile) {
	f.art.Unpacked, f.art.Strip = f.art.Size, max(in.Strip, 0)
}

func unpackedSize(entries []record.Entry) (size int64) {
	for _, e := range entries {
		size += e.Size
	}
	return size
}

// checkWitness checks that the witness, if there is one, confirms the version of the
// release in the directory dir of prefix, as an install does.
func (in inspection) checkWitness(prefix *os.Root, dir string, f *newFile) error {
	w := in.Witness
	if w == nil {
		return nil
	}
	root, err := prefix.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	err = install.Confirm(root, manifests.Artifact{Witness: &manifests.Witness{Path: w.Path, Contains: w.Contains}})
	if _, silent := errors.AsType[*install.WitnessError](err); silent {
		_, missing := root.Stat(w.Path)
		err = &WitnessError{*w, missing != nil}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.name(), err)
	}
	return nil
}

// A WitnessError reports that the witness that a publisher names does not confirm the
// release.
type WitnessError struct {
	Witness native.Witness
	Missing bool // there is no such file
}

func (e *WitnessError) Error() string {
	does := "does not contain"
	if e.Missing {
		does = "does not exist, so it cannot contain"
	}
	return fmt.Sprintf("the witness %s %s %q", e.Witness.Path, does, e.Witness.Contains)
}

// Kind returns the class of e, for the exit code.
func (*WitnessError) Kind() string { return "usage" }

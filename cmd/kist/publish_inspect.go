package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
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

// readNewFile hashes the file at path, and detects its format if none is given.
func readNewFile(ctx context.Context, path, format string) (*newFile, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	one := &newFile{path: path}
	if format == "" {
		if format = publish.GuessFormat(one.name(), head[:n]); format == "" {
			return nil, publish.NotGuessed(path, "format", "format")
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if one.art, err = publish.Measure(untilDone{f, ctx}); err != nil {
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

// An inspection unpacks files that a publisher adds.
type inspection struct {
	*app
	strip    int      // leading directories to drop; -1: guess
	commands []string // patterns that the publisher gave
	witness  *native.Witness
}

// inspectAll unpacks files as an install would, each on its own, and records their
// contents. Of several errors it returns that of the first file.
func (in inspection) inspectAll(ctx context.Context, files []*newFile) error {
	var batches [][]*newFile
	for len(files) > 0 {
		n, size := 0, int64(0)
		for n < len(files) && n < batchFiles && (n == 0 || size+files[n].art.Size <= batchBytes) {
			size += files[n].art.Size
			n++
		}
		batches, files = append(batches, files[:n]), files[n:]
	}
	const workers = 2 // unpacking processes, each of which may use as much memory as an install
	errs := make([]error, len(batches))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next atomic.Int64
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(batches) || ctx.Err() != nil {
					return
				}
				if errs[i] = in.batch(ctx, batches[i]); errs[i] != nil {
					cancel()
				}
			}
		})
	}
	work.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}

// batch inspects files together, or if that fails one by one, for exact errors.
func (in inspection) batch(ctx context.Context, files []*newFile) error {
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
func (in inspection) inspectTogether(ctx context.Context, files []*newFile) (err error) {
	scratch, remove, err := in.scratchDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	var archives []install.Packed
	for i, f := range files {
		if f.art.Format == "file" {
			in.recordProgram(f)
			continue
		}
		if f.art.Format == "deb" { // its absolute links start at the prefix
			return errors.ErrUnsupported
		}
		a := in.archive(f, max(in.strip, 0))
		a.Archive.Layout.Into = partName(i)
		archives = append(archives, a)
	}
	if len(archives) == 0 {
		return nil
	}
	entries, err := install.Inspect(ctx, in.Child, scratch, nil, archives...)
	if err != nil {
		return err
	}
	parts := map[string][]record.Entry{}
	for _, e := range entries {
		part, below, _ := strings.Cut(e.Path, "/")
		if e.Path = below; below != "" {
			parts[part] = append(parts[part], e)
		}
	}
	for i, f := range files {
		if f.art.Format == "file" {
			continue
		}
		if err := in.recordEntries(f, parts[partName(i)]); err != nil {
			return err
		}
		if err := in.confirm(scratch, path.Join(partName(i), f.top), f); err != nil {
			return err
		}
	}
	return nil
}

func partName(i int) string { return fmt.Sprintf("%04d", i) }

// inspectOne inspects one file.
func (in inspection) inspectOne(ctx context.Context, f *newFile) error {
	if f.art.Format == "file" {
		in.recordProgram(f)
		return nil
	}
	strip := max(in.strip, 0)
	err := in.unpackOne(ctx, f, strip)
	if errors.Is(err, errLeaves) { // unpack as an install would, for its exact error
		err = in.unpackOne(ctx, f, f.art.Strip)
	}
	return err
}

func (in inspection) unpackOne(ctx context.Context, f *newFile, strip int) (err error) {
	scratch, remove, err := in.scratchDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	entries, err := install.Inspect(ctx, in.Child, scratch, nil, in.archive(f, strip))
	if err != nil {
		return err
	}
	if f.art.Strip != 0 && strip == f.art.Strip && in.strip < 0 { // unpacked with the guessed strip
		f.entries, f.top = entries, ""
	} else if err := in.recordEntries(f, entries); err != nil {
		return err
	}
	f.art.Unpacked = unpackedSize(f.entries)
	return in.confirm(scratch, path.Join(".", f.top), f)
}

func (in inspection) archive(f *newFile, strip int) install.Packed {
	return install.Packed{
		Archive: unpack.Archive{Name: f.name(), Layout: manifests.Layout{Format: f.art.Format, Strip: strip}},
		Digest:  f.art.SHA256,
		Open:    func() (*os.File, error) { return openFile(f.path) },
	}
}

// errLeaves is returned for a link that points outside the directory that a guessed
// strip leaves.
var errLeaves = errors.New("a link leaves the directory")

// recordEntries records the unpacked entries of f, and guesses how many leading
// directories to strip: none that the publisher's patterns of commands begin with.
func (in inspection) recordEntries(f *newFile, entries []record.Entry) error {
	f.entries, f.art.Strip, f.top = entries, max(in.strip, 0), ""
	if in.strip < 0 && f.art.Format != "deb" {
		var paths []string
		for _, e := range entries {
			paths = append(paths, e.Path)
		}
		strip, top := publish.GuessStrip(paths)
		if stripped := entriesBelow(entries, top); strip > 0 && (!matches(in.commands, entries) || matches(in.commands, stripped)) {
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

// matches reports whether patterns make commands of some of entries. As in an install,
// a file that a pattern names becomes executable.
func matches(patterns []string, entries []record.Entry) bool {
	if len(patterns) == 0 {
		return false
	}
	_, _, err := plan.Commands(patterns, plan.MakeExecutable(patterns, entries))
	return err == nil
}

// recordProgram records a file that is installed as it is.
func (in inspection) recordProgram(f *newFile) {
	f.art.Unpacked, f.art.Strip = f.art.Size, max(in.strip, 0)
}

func unpackedSize(entries []record.Entry) (size int64) {
	for _, e := range entries {
		size += e.Size
	}
	return size
}

// confirm checks that the witness, if there is one, confirms the version of the
// release, as an install does.
func (in inspection) confirm(scratch *os.Root, prefix string, f *newFile) error {
	if in.witness == nil {
		return nil
	}
	root, err := scratch.OpenRoot(prefix)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := checkWitness(root, in.witness); err != nil {
		return fmt.Errorf("%s: %w", f.name(), err)
	}
	return nil
}

// A silentWitnessError reports that a witness does not confirm its release.
type silentWitnessError struct {
	Witness native.Witness
	Why     string
}

func (e *silentWitnessError) Error() string {
	return fmt.Sprintf("the witness %s %s %q", e.Witness.Path, e.Why, e.Witness.Contains)
}
func (*silentWitnessError) Kind() string { return "usage" }

// checkWitness checks that w confirms the release unpacked below prefix.
func checkWitness(prefix *os.Root, w *native.Witness) error {
	err := install.Confirm(prefix, manifests.Artifact{Witness: &manifests.Witness{Path: w.Path, Contains: w.Contains}})
	if _, silent := errors.AsType[*install.WitnessError](err); !silent {
		return err
	}
	if _, absent := prefix.Stat(w.Path); absent != nil {
		return &silentWitnessError{*w, "does not exist, so it cannot contain"}
	}
	return &silentWitnessError{*w, "does not contain"}
}

// programs returns the paths of the entries that could become commands.
func programs(entries []record.Entry) (paths []string) {
	for _, e := range entries {
		if e.Type == record.File && e.Mode&0o111 != 0 && manifests.ValidCommand(path.Base(e.Path)) == nil {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

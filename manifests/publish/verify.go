package publish

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/durable"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// A NoKeysError says that there is no certificate to prove a channel with.
type NoKeysError struct{}

func (e *NoKeysError) Error() string {
	return fmt.Sprintf("no certificate of the publisher was given, and there is no %s", KeysFile)
}

// A Report is what Verify found good.
type Report struct {
	Manifest *native.Manifest
	Evidence verify.Evidence // how the manifest was proved
	Files    int             // artifacts that are here, each proved
	Bytes    int64           // in them
	Notes    []string        // what the publisher may want to know
}

// Verify judges the directory as a user would who trusts keys (none given: those
// of keys.toml, else of publisher.asc) and wants threshold of them: the keys
// documents, the signatures, the format, the freshness, and the size, digest and
// chunks of every artifact that is here. Errors match verify.ErrUntrusted or
// verify.ErrStale.
func (d Dir) Verify(now time.Time, threshold int, keys ...[]byte) (Report, error) {
	rotates, err := d.keysInForce()
	if err != nil {
		return Report{}, err
	}
	var ring *verify.Keyring
	if len(keys) > 0 {
		ring, err = verify.OpenKeyring(keys...)
	} else if rotates == nil {
		ring, err = d.keyring(nil)
		if err == nil && ring == nil {
			err = &NoKeysError{}
		}
	}
	if err != nil {
		return Report{}, err
	}
	data, err := d.read(ManifestFile, manifests.MaxManifest)
	if err != nil {
		return Report{}, err
	}
	if data == nil {
		return Report{}, &NoChannelError{}
	}
	block, err := d.read(SignatureFile, manifests.MaxSignature)
	if err != nil {
		return Report{}, err
	}
	named, err := native.ParseDraft(data)
	if err != nil {
		return Report{}, err
	}
	source, err := d.trusted(named.Channel, now, threshold, ring)
	if err != nil {
		return Report{}, err
	}
	policy := source.Judge(now)
	document, err := policy.Detached(ManifestFile, data, block)
	if err != nil {
		return Report{}, err
	}
	m, err := native.Parse(document, named.Channel)
	if err != nil {
		return Report{}, err
	}
	mark := m.Mark(verify.DigestOf(data))
	mark.Keys = source.Edition.Mark()
	if err := mark.Fresh(now); err != nil {
		return Report{}, err
	}
	report := Report{Manifest: m, Evidence: document.Evidence()}
	report.Evidence.Mark = &mark
	if err := d.verifyFiles(&report); err != nil {
		return Report{}, err
	}
	if e := source.Edition; e.Version > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("version %d of the keys, %d of %d, valid until %s",
			e.Version, policy.Threshold, len(policy.Keys.Certificates()), e.Expires.UTC().Format(time.DateOnly)))
	}
	for _, f := range verify.Lint(policy.Keys, now) {
		report.Notes = append(report.Notes, fmt.Sprintf("key %s: %s", f.Primary, f.Problem))
	}
	for file, note := range map[string]string{DraftFile: "changes that are not signed", UnsignedFile: "an edition that waits for its signature",
		NextRotationFile: "a keys document that gathers its signatures"} {
		if _, err := d.Root.Lstat(file); err == nil {
			report.Notes = append(report.Notes, fmt.Sprintf("%s holds %s", file, note))
		}
	}
	slices.Sort(report.Notes)
	return report, nil
}

// verifyFiles proves every artifact that is here, each file once, and looks for
// files that nothing names.
func (d Dir) verifyFiles(report *Report) error {
	elsewhere := 0
	proved := map[string]native.Artifact{}
	for _, r := range report.Manifest.Releases {
		for _, a := range r.Artifacts {
			if a.Path == "" {
				elsewhere++
				continue
			}
			if was, done := proved[a.Path]; done && was.SHA256 == a.SHA256 && was.Chunks == a.Chunks {
				continue
			}
			if err := d.verifyFile(a); err != nil {
				return fmt.Errorf("%s %s: %w", r.Tool, r.Version, err)
			}
			proved[a.Path] = a
			report.Files++
			report.Bytes += a.Size
		}
	}
	if elsewhere > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("%d artifacts are at other places and were not looked at", elsewhere))
	}
	err := fs.WalkDir(d.Root.FS(), blobsDir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if _, named := proved[name]; !named {
			note := "the manifest names no such file"
			if durable.IsTemporary(path.Base(name)) {
				note = "left by an addition that was interrupted"
			}
			report.Notes = append(report.Notes, fmt.Sprintf("%s: %s", name, note))
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d Dir) verifyFile(a native.Artifact) error {
	info, err := d.Root.Stat(a.Path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w: the file is missing", a.Path, verify.ErrUntrusted)
	case err != nil || !info.Mode().IsRegular():
		return fmt.Errorf("%s: %w: it is not a file of this directory", a.Path, verify.ErrUntrusted)
	}
	f, err := durable.Open(d.Root, a.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	chunker := verify.NewChunker()
	err = verify.Check(a.Path, io.TeeReader(f, chunker), a.Size, a.SHA256)
	if err != nil || a.Chunks.Len() == 0 {
		return err
	}
	return a.Chunks.Check(a.Path, chunker.Chunks())
}

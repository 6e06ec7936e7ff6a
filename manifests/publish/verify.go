package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A Verification has the parameters of Verify.
type Verification struct {
	Now       time.Time
	Keys      [][]byte // the certificates that users have; none: those of keys.toml, else of publisher.asc
	Threshold int      // how many of Keys must have signed
	Partial   bool     // the directory is a partial mirror: missing files are not an error
}

// A Report is the result of a successful Verify.
type Report struct {
	Files     int              `json:"files"`               // artifacts in the directory, all verified
	Missing   int              `json:"missing,omitempty"`   // artifacts that are missing, if Verification.Partial
	Elsewhere int              `json:"elsewhere,omitempty"` // artifacts at URLs, which were not checked
	Bytes     int64            `json:"bytes"`               // size of Files
	Evidence  verify.Evidence  `json:"evidence"`            // how the manifest was verified
	Notes     []string         `json:"notes,omitempty"`     // remarks for the publisher
	Manifest  *native.Manifest `json:"-"`
	// Catalog is what users see, with locations below Here.
	Catalog  manifests.Catalog `json:"-"`
	Findings []verify.Finding  `json:"-"` // problems that the keys will have soon
	// Policy has the keys that prove the manifest, and how many of them must have signed.
	Policy verify.Policy `json:"-"`
	// Edition is the keys document that Policy comes from. It is zero in a channel without one.
	Edition native.Edition `json:"-"`
}

// Verify checks the directory as a user does who trusts v.Keys: the keys documents, the
// signatures and their copies in signatures/, the format, the freshness, the rules of
// Add and PutSet, and the size, digest and chunks of every artifact in the directory. Errors match
// verify.ErrUntrusted or verify.ErrStale. Verify does not check the content of the
// artifacts; callers do.
func (d Dir) Verify(v Verification) (Report, error) {
	report, err := d.Prove(v)
	if err != nil {
		return Report{}, err
	}
	if err := d.verifyFiles(&report, v.Partial); err != nil {
		return Report{}, err
	}
	if e := report.Edition; e.Version > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("version %d of the keys, %d of %d, valid until %s",
			e.Version, report.Policy.Threshold, len(report.Policy.Keys.Certificates()), e.Expires.UTC().Format(time.DateOnly)))
	}
	for file, note := range map[string]string{DraftFile: "changes that are not signed", UnsignedFile: "an edition that waits for its signature",
		NextFile: "an edition that waits for more signatures", nextRotationFile: "a keys document that waits for signatures"} {
		if _, err := d.Root.Lstat(file); err == nil {
			report.Notes = append(report.Notes, fmt.Sprintf("%s holds %s", file, note))
		}
	}
	if stale, err := d.HasStalePage(); err != nil {
		return Report{}, err
	} else if stale {
		report.Notes = append(report.Notes, PageFile+" shows another edition; kist publish page writes it again")
	}
	slices.Sort(report.Notes)
	return report, nil
}

// Prove checks the documents of the directory as Verify does, and no artifact.
func (d Dir) Prove(v Verification) (Report, error) {
	now := v.Now
	rotates, err := d.keysInForce()
	if err != nil {
		return Report{}, err
	}
	var ring *verify.Keyring
	if len(v.Keys) > 0 {
		ring, err = verify.OpenKeyring(v.Keys...)
	} else if rotates == nil {
		ring, err = d.keyring(nil)
		if err == nil && ring == nil {
			err = ErrNoKeys
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
		return Report{}, ErrNoChannel
	}
	block, err := d.read(SignatureFile, manifests.MaxSignature)
	if err != nil {
		return Report{}, err
	}
	named, err := native.ParseDraft(data)
	if err != nil {
		return Report{}, err
	}
	source, err := d.trusted(named.Channel, now, v.Threshold, ring)
	if err != nil {
		return Report{}, err
	}
	policy := source.CheckKeys(now)
	document, err := policy.Detached(ManifestFile, data, block)
	if err != nil {
		return Report{}, err
	}
	if err := d.verifyCopies(policy, data); err != nil {
		return Report{}, err
	}
	m, err := native.Parse(document, named.Channel)
	if err != nil {
		return Report{}, err
	}
	mark := m.Mark(verify.DigestOf(data))
	mark.Keys = source.Edition.KeysMark
	if err := mark.Fresh(now); err != nil {
		return Report{}, err
	}
	report := Report{Manifest: m, Evidence: document.Evidence(), Policy: policy, Edition: source.Edition, Findings: verify.Lint(policy.Keys, now)}
	report.Evidence.Mark = &mark
	if err := checkReleases(m, func(native.Release) bool { return true }); err != nil {
		return Report{}, err
	}
	if err := m.CheckSets(); err != nil {
		return Report{}, err
	}
	source.Granted = func(string) bool { return true }
	if report.Catalog, err = source.Fetch(context.Background(), served{d}, manifests.Query{Now: now}); err != nil {
		return Report{}, err
	}
	return report, nil
}

// verifyCopies checks the copies in signatures/ of the signatures of the manifest and of
// the keys documents in the directory, where they exist: users behind a cache may get these
// instead. By policy they must prove the manifest and keys.toml. Of an earlier keys
// document, whose keys may have expired, they must be signatures of its bytes.
func (d Dir) verifyCopies(policy verify.Policy, manifest []byte) error {
	keys, err := d.read(RotationFile, native.MaxKeysFile)
	if err != nil {
		return err
	}
	documents := [][]byte{manifest}
	if keys != nil {
		documents = append(documents, keys)
	}
	for _, data := range documents {
		name, block, err := d.copyOfSignatures(data)
		if err == nil && block != nil {
			_, err = policy.Detached(name, data, block)
		}
		if err != nil {
			return err
		}
	}
	for version := uint64(1); ; version++ {
		keys, err := d.read(native.KeysFileOf(version), native.MaxKeysFile)
		if err != nil || keys == nil {
			return err
		}
		name, block, err := d.copyOfSignatures(keys)
		if err != nil {
			return err
		}
		if block != nil && !matches(block, keys) {
			return verify.Untrusted("%s: it has no signature of %s", name, native.KeysFileOf(version))
		}
	}
}

// copyOfSignatures returns the file in signatures/ for the document data, and its content,
// nil if it does not exist.
func (d Dir) copyOfSignatures(data []byte) (name string, block []byte, err error) {
	name = native.SignaturesOf(verify.DigestOf(data))
	block, err = d.read(name, manifests.MaxSignature)
	return name, block, err
}

// verifyFiles checks every artifact in the directory, each file once, and adds a note for
// each file that the manifest does not name.
func (d Dir) verifyFiles(report *Report, partial bool) error {
	proved, missing := map[string]native.Artifact{}, map[string]bool{}
	for _, r := range report.Manifest.Releases {
		for _, a := range r.Artifacts {
			if a.Path == "" {
				report.Elsewhere++
				continue
			}
			if was, done := proved[a.Path]; done && was.SHA256 == a.SHA256 && was.Chunks == a.Chunks || missing[a.Path] {
				continue
			}
			if partial && !d.Has(a.Path) {
				missing[a.Path] = true
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
	report.Missing = len(missing)
	named, err := d.namedFiles()
	if err != nil {
		return err
	}
	err = fs.WalkDir(d.Root.FS(), blobsDir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if !named[name] {
			note := "the manifest names no such file"
			if rootfs.IsNamedTemp(path.Base(name)) {
				note = "left by an interrupted addition"
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

// Open opens a file of the directory for reading.
func (d Dir) Open(path string) (*os.File, error) { return rootfs.OpenRegular(d.Root, path) }

// Has reports whether path exists, as a file or anything else.
func (d Dir) Has(path string) bool {
	_, err := d.Root.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func (d Dir) verifyFile(a native.Artifact) error {
	info, err := d.Root.Stat(a.Path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return verify.Untrusted("%s: the file is missing", a.Path)
	case err != nil || !info.Mode().IsRegular():
		return verify.Untrusted("%s: it is not a regular file in this directory", a.Path)
	}
	f, err := rootfs.OpenRegular(d.Root, a.Path)
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

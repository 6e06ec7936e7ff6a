// Package publish implements the publisher's side of kist's own channel format. It
// maintains a directory that any static web server can serve.
//
// # The directory
//
//	channel.toml          the manifest that users get
//	channel.toml.asc      its signatures
//	signatures/           the same signatures, and those of keys documents, each in
//	                      <sha256 of the document>.asc: for users whose caches keep a
//	                      document longer than the signatures beside it
//	blobs/<sha256>/<name> the artifacts, by content
//	publisher.asc         the certificates of the signers, to be given to users out of
//	                      band; kist never fetches it
//	channel.draft.toml    changes that are not signed yet
//	channel.next.toml     the next manifest, while it gathers its signatures in
//	                      channel.next.toml.asc
//	channel.unsigned.toml a stamped manifest that is being signed elsewhere
//	keys.toml             the keys that sign, if the publisher rotates keys; its
//	                      signatures are in keys.toml.asc, earlier versions in
//	                      keys/<n>.toml
//	keys.next.toml        the next keys document, while it gathers its signatures
//	index.html            a page about the channel for people; kist never fetches it
//
// # The steps
//
// [Dir.Init] creates a draft. [Dir.Begin], [Dir.Edit] and [Dir.Remove] change it.
// [Dir.SignBy] stamps the draft (serial one higher, issued now, expires later) and signs
// it. When enough signers have signed it, it is published; until then it waits in
// channel.next.toml, and the published manifest stays in place. Without a draft, it
// adds a signature to the waiting manifest, or else to the published one. If the signer
// has already signed that, it issues the same content again with a new stamp. To sign
// elsewhere, SignBy writes the stamped bytes for a zero [Signature], and then takes the
// signature that was made. [Dir.ChangeKeys] changes the keys. [Dir.Verify] checks
// the directory as a user's kist does, and [Dir.Prune] removes blobs that no manifest
// names. [Dir.PutPage] writes a page about the channel.
//
// A text editor and gpg can do all of this too: a channel.toml that does not match its
// signatures counts as the draft.
//
// # Guarantees
//
// The published files are valid for users at every moment, also after a crash. A
// manifest is published when as many signers have signed it as keys.toml requires
// (without keys.toml: all signers of the previous manifest). A keys document comes into
// force when enough of its keys have also signed the published manifest. While a file is
// replaced, its signature file has the signatures of both the old and the new content,
// and signatures/ has those of each by its digest.
// Nothing is written that the parser of package native would refuse, and nothing is
// published with a signature over other bytes. Only one publisher at a time may work on
// a directory.
package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// The files of a channel's directory.
const (
	ManifestFile  = "channel.toml"
	SignatureFile = "channel.toml.asc"
	KeysFile      = "publisher.asc"
	DraftFile     = "channel.draft.toml"
	NextFile      = "channel.next.toml" // the next manifest, while it gathers signatures
	UnsignedFile  = "channel.unsigned.toml"
	blobsDir      = "blobs"
)

// stateFiles returns all files of a directory except blobs and earlier keys documents.
func stateFiles() []string {
	return []string{ManifestFile, SignatureFile, KeysFile, DraftFile, NextFile, NextFile + ".asc", UnsignedFile,
		RotationFile, rotationSignatureFile, nextRotationFile, nextSignatureFile}
}

const perm = 0o644 // the web server must be able to read the files

// A Dir is a channel's directory.
type Dir struct {
	Root *os.Root
	// Wrote is called after each file that was written or removed, in tests that
	// interrupt the process there. It is nil otherwise.
	Wrote func(file string)
}

// CopyState copies all files of d except blobs and earlier keys documents to the directory
// to, so that what an operation would do can be tried there.
func (d Dir) CopyState(to *os.Root) error {
	for _, file := range stateFiles() {
		data, err := d.read(file, manifests.MaxManifest)
		if err == nil && data != nil {
			err = to.WriteFile(file, data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// put writes data to file, durably.
func (d Dir) put(file string, data []byte) error {
	err := rootfs.ReplaceFile(d.Root, file, data, perm)
	if err == nil && d.Wrote != nil {
		d.Wrote(file)
	}
	return err
}

// drop removes file, durably. A missing file is not an error.
func (d Dir) drop(file string) error {
	err := rootfs.Remove(d.Root, file)
	if err == nil && d.Wrote != nil {
		d.Wrote(file)
	}
	return err
}

var (
	// ErrExists is returned for a directory that already has a channel.
	ErrExists = verify.NewClass("there is a channel here", "usage", nil)
	// ErrNoChannel is returned for a directory that has no channel.
	ErrNoChannel = verify.NewClass("there is no channel here: neither "+ManifestFile+" nor "+DraftFile, "unknown", nil)
	// ErrNoKeys is returned if there is no certificate to verify a channel with.
	ErrNoKeys = verify.NewClass("no certificate of the publisher was given, and there is no "+KeysFile, "usage", nil)
)

// Init creates a channel with an empty draft. The error matches ErrExists if the
// directory already has a channel.
func (d Dir) Init(channel string) error {
	if err := manifests.ValidName(channel); err != nil {
		return manifests.Invalid("channel: %v", err)
	}
	for _, file := range []string{ManifestFile, NextFile, DraftFile} {
		if _, err := d.Root.Lstat(file); err == nil {
			return fmt.Errorf("%w: %s", ErrExists, file)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.write(DraftFile, &native.Manifest{Channel: channel})
}

// write writes the manifest m to file.
func (d Dir) write(file string, m *native.Manifest) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	return d.put(file, data)
}

// read returns the content of file, or nil if it does not exist.
func (d Dir) read(file string, limit int64) ([]byte, error) {
	data, err := rootfs.ReadFile(d.Root, file, limit)
	if errors.Is(err, rootfs.ErrTooLarge) {
		err = &manifests.TooLargeError{Name: file, Limit: limit}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// parse parses a manifest of the directory. Its errors name the file.
func parse(file string, data []byte) (*native.Manifest, error) {
	m, err := native.ParseDraft(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

// A state is the content of a directory at the start of an operation.
type state struct {
	draft     *native.Manifest // what is to be signed next; nil: no changes
	twoDrafts bool             // channel.toml was edited by hand although there is a draft
	published []byte           // channel.toml, if it matches its signatures; nil: none
	block     []byte           // channel.toml.asc, if it matches published
	next      []byte           // channel.next.toml, the manifest that gathers signatures; nil: none
	nextBlock []byte           // its signatures so far; nil: none
	serial    uint64           // the highest serial in the files of the directory
	channel   string           // the name of the channel, the same in all files
}

func (d Dir) load() (state, error) {
	var s state
	files := []file{{ManifestFile, nil}, {NextFile, nil}, {UnsignedFile, nil}, {DraftFile, nil}}
	for i := range files {
		var err error
		if files[i].data, err = d.read(files[i].name, manifests.MaxManifest); err != nil {
			return s, err
		}
	}
	if files[0].data == nil && files[1].data == nil && files[3].data == nil {
		return s, ErrNoChannel
	}
	block, err := d.read(SignatureFile, manifests.MaxSignature)
	if err != nil {
		return s, err
	}
	var published, next uint64 // serials
	var draft []byte           // the text of s.draft
	for _, f := range files {
		if f.data == nil {
			continue
		}
		m, err := parse(f.name, f.data)
		if err != nil {
			return s, err
		}
		if s.channel != "" && s.channel != m.Channel {
			return s, verify.Untrusted("%s: channel %s: the manifest is for channel %q", f.name, s.channel, m.Channel)
		}
		s.channel, s.serial = m.Channel, max(s.serial, m.Serial)
		switch {
		case f.name == UnsignedFile:
		case f.name == NextFile:
			s.next, next = f.data, m.Serial
		case f.name == ManifestFile && matches(block, f.data):
			s.published, s.block, published = f.data, block, m.Serial
		default:
			s.twoDrafts = s.draft != nil
			s.draft, draft = m, f.data
		}
	}
	if s.next != nil && s.published != nil && next <= published {
		s.next = nil // it was published or superseded, and a crash prevented its removal
	}
	if s.next == nil {
		return s, nil
	}
	if s.nextBlock, err = d.read(NextFile+".asc", manifests.MaxSignature); err != nil {
		return s, err
	}
	if s.draft != nil && !s.twoDrafts {
		if same, err := sameContent(draft, s.next); err != nil || same {
			s.draft = nil // it was stamped and waits for signatures
			return s, err
		}
	}
	return s, nil
}

// work returns the manifest to change or to stamp: the draft, else the one that waits for
// signatures, else the published one.
func (s state) work() (*native.Manifest, error) {
	if s.twoDrafts {
		return nil, manifests.Invalid("%s was changed after it was signed, and there is a %s too: remove one of them", ManifestFile, DraftFile)
	}
	if s.draft != nil {
		return s.draft, nil
	}
	name, data, _ := s.newest()
	return parse(name, data)
}

// loadWork returns the state of the directory, and the manifest to change or to stamp.
func (d Dir) loadWork() (state, *native.Manifest, error) {
	s, err := d.load()
	if err != nil {
		return s, nil, err
	}
	m, err := s.work()
	return s, m, err
}

// newest returns the newest stamped manifest and its signatures: the one that waits for
// more signatures, else the published one.
func (s state) newest() (name string, data, block []byte) {
	if s.next != nil {
		return NextFile, s.next, s.nextBlock
	}
	return ManifestFile, s.published, s.block
}

// rememberKeys adds certificates to publisher.asc, and merges copies of the same
// certificate.
func (d Dir) rememberKeys(certificates ...[]byte) error {
	known, err := d.read(KeysFile, manifests.MaxManifest)
	if err != nil {
		return err
	}
	if known != nil {
		certificates = append([][]byte{known}, certificates...)
	}
	ring, err := verify.OpenKeyring(certificates...)
	if err != nil {
		return fmt.Errorf("%s: %w", KeysFile, err)
	}
	all := bytes.Join(ring.Export(), nil)
	if bytes.Equal(all, known) {
		return nil
	}
	if len(all) > manifests.MaxManifest {
		return &manifests.TooLargeError{Name: KeysFile, Limit: manifests.MaxManifest}
	}
	return d.put(KeysFile, all)
}

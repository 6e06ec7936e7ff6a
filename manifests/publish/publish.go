// Package publish is the publisher's side of kist's own channel format: it
// makes a directory that any static web server can serve.
//
// # The directory
//
//	channel.toml          the manifest that users get
//	channel.toml.asc      its signatures
//	blobs/<sha256>/<name> the artifacts, by content
//	publisher.asc         the certificates of those who signed here, to be handed
//	                      to users out of band and never fetched by them
//	channel.draft.toml    changes that are not signed yet
//	channel.unsigned.toml a stamped manifest whose signature is being made elsewhere
//	keys.toml             who signs, where the publisher rotates keys; keys.toml.asc
//	                      its signatures, and keys/<n>.toml the ones before it
//	keys.next.toml        the next keys document, which gathers its signatures
//
// # The steps
//
// [Dir.Init] begins a draft and [Dir.Add] puts releases into it. [Dir.Sign]
// stamps the draft (serial one higher, issued now, expires later), signs it and
// installs the pair; without a draft it adds a second signer's signature to the
// pair, or issues the same content anew for the one who signed it. To sign
// elsewhere, [Dir.Unsigned] writes the stamped bytes and [Dir.Attach] takes the
// signature back. [Dir.PrepareKeys] and [Dir.SignKeys] change who signs.
// [Dir.Verify] judges the directory as a user would.
//
// All of it may be done with a text editor and gpg instead: a channel.toml that
// its signatures do not fit counts as the draft.
//
// # Guarantees
//
// A directory that is being served stays valid at every moment, also across a
// crash: before the manifest is replaced, the signatures of the new one are put
// beside those of the old. Nothing is written that the parser of package native
// would refuse, and nothing installed whose signature is not over those bytes.
// One publisher at a time may work on a directory.
package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/durable"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// The files of a channel's directory.
const (
	ManifestFile  = "channel.toml"
	SignatureFile = "channel.toml.asc"
	KeysFile      = "publisher.asc"
	DraftFile     = "channel.draft.toml"
	UnsignedFile  = "channel.unsigned.toml"
	blobsDir      = "blobs"
)

// StateFiles are all files that say what a directory is, besides blobs and
// former keys documents.
func StateFiles() []string {
	return []string{ManifestFile, SignatureFile, KeysFile, DraftFile, UnsignedFile,
		RotationFile, RotationSignatureFile, NextRotationFile, NextSignatureFile}
}

const perm = 0o644 // the web server reads them

// A Dir is a channel's directory.
type Dir struct{ Root *os.Root }

// An ExistsError says that there is a channel in the directory already.
type ExistsError struct{ File string }

func (e *ExistsError) Error() string { return fmt.Sprintf("there is a channel here: %s", e.File) }

// A NoChannelError says that the directory holds no channel.
type NoChannelError struct{}

func (e *NoChannelError) Error() string {
	return fmt.Sprintf("there is no channel here: neither %s nor %s", ManifestFile, DraftFile)
}

// An InputError says that a publisher asked for what no manifest can hold.
type InputError struct{ Rule string }

func (e *InputError) Error() string { return e.Rule }

// Init begins a channel. It creates the draft, and refuses with an *ExistsError
// where there is a channel already.
func (d Dir) Init(channel string) error {
	if err := manifests.ValidName(channel); err != nil {
		return &InputError{fmt.Sprintf("channel: %v", err)}
	}
	for _, file := range []string{ManifestFile, DraftFile} {
		if _, err := d.Root.Lstat(file); err == nil {
			return &ExistsError{file}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.write(DraftFile, &native.Manifest{Channel: channel})
}

func (d Dir) write(file string, m *native.Manifest) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	return durable.Write(d.Root, file, data, perm)
}

// read returns the content of file, and nil where there is none.
func (d Dir) read(file string, limit int64) ([]byte, error) {
	data, err := durable.ReadFile(d.Root, file, limit, &manifests.TooLargeError{Name: file, Limit: limit})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// parse reads a manifest of the directory and names its file in errors.
func parse(file string, data []byte) (*native.Manifest, error) {
	m, err := native.ParseDraft(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

// A state is what a directory holds at the start of an operation.
type state struct {
	draft     *native.Manifest // what is to be signed next; nil: nothing new
	two       bool             // channel.toml was edited by hand though there is a draft beside it
	published []byte           // channel.toml as its signatures prove it, nil: none
	block     []byte           // channel.toml.asc, where it fits published
	serial    uint64           // the highest that was ever stamped here, as far as the directory tells
	channel   string           // its name, which no file may contradict
}

func (d Dir) load() (state, error) {
	var s state
	data, err := d.read(ManifestFile, manifests.MaxManifest)
	if err != nil {
		return s, err
	}
	block, err := d.read(SignatureFile, manifests.MaxSignature)
	if err != nil {
		return s, err
	}
	draft, err := d.read(DraftFile, manifests.MaxManifest)
	if err != nil {
		return s, err
	}
	unsigned, err := d.read(UnsignedFile, manifests.MaxManifest)
	if err != nil {
		return s, err
	}
	if data == nil && draft == nil {
		return s, &NoChannelError{}
	}
	for _, file := range []file{{ManifestFile, data}, {UnsignedFile, unsigned}, {DraftFile, draft}} {
		if file.data == nil {
			continue
		}
		m, err := parse(file.name, file.data)
		if err != nil {
			return s, err
		}
		if s.channel != "" && s.channel != m.Channel {
			return s, fmt.Errorf("%s: %w", file.name, &native.ChannelError{Want: s.channel, Got: m.Channel})
		}
		s.channel, s.serial = m.Channel, max(s.serial, m.Serial)
		switch {
		case file.name == ManifestFile && fits(block, data):
			s.published, s.block = data, block
		case file.name != UnsignedFile:
			s.two = s.draft != nil
			s.draft = m
		}
	}
	return s, nil
}

// work is what a new edition is made from: the draft, else what is published.
func (s state) work() (*native.Manifest, error) {
	if s.two {
		return nil, &InputError{fmt.Sprintf("%s is not what was signed, and there is a %s too: remove one of them", ManifestFile, DraftFile)}
	}
	if s.draft != nil {
		return s.draft, nil
	}
	return parse(ManifestFile, s.published)
}

// rememberKeys adds certificates to publisher.asc; copies of one certificate
// are merged.
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
	return durable.Write(d.Root, KeysFile, all, perm)
}

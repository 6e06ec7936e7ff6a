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
//	channel.next.toml     the next manifest, while it gathers its signatures in
//	                      channel.next.toml.asc
//	channel.unsigned.toml a stamped manifest whose signature is being made elsewhere
//	keys.toml             who signs, where the publisher rotates keys; keys.toml.asc
//	                      its signatures, and keys/<n>.toml the ones before it
//	keys.next.toml        the next keys document, while it gathers its signatures
//
// # The steps
//
// [Dir.Init] begins a draft, and [Dir.Add], [Dir.Edit] and [Dir.Remove] change it.
// [Dir.Sign] stamps the draft (serial one higher, issued now, expires later) and
// signs it. As soon as enough have signed, the pair is published; until then it
// waits in channel.next.toml, and what is published stays served. Without a draft,
// Sign adds a signature to the manifest that waits, else to the published pair, or
// issues the same content anew for the one who signed it. To sign elsewhere,
// [Dir.Unsigned] writes the stamped bytes and [Dir.Attach] takes the signature
// back. [Dir.PrepareKeys] and [Dir.SignKeys] change who signs. [Dir.Verify] judges
// the directory as a user would, and [Dir.Prune] removes blobs that nothing names.
//
// All of it may be done with a text editor and gpg instead: a channel.toml that
// its signatures do not fit counts as the draft.
//
// # Guarantees
//
// What is published stays valid for its users at every moment, also across a
// crash. A manifest is published once as many have signed it as keys.toml
// demands (without keys.toml: all those who signed the pair before it); a keys
// document, once the published manifest is signed by enough of its keys too. While
// a file is replaced, the signatures of the new one are put beside those of the
// old. Nothing is written that the parser of package native would refuse, and
// nothing published whose signature is not over those bytes. One publisher at a
// time may work on a directory.
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
	NextFile      = "channel.next.toml" // the manifest that gathers its signatures
	UnsignedFile  = "channel.unsigned.toml"
	blobsDir      = "blobs"
)

// StateFiles are all files that say what a directory is, besides blobs and
// former keys documents.
func StateFiles() []string {
	return []string{ManifestFile, SignatureFile, KeysFile, DraftFile, NextFile, NextFile + ".asc", UnsignedFile,
		RotationFile, RotationSignatureFile, NextRotationFile, NextSignatureFile}
}

const perm = 0o644 // the web server reads them

// A Dir is a channel's directory.
type Dir struct {
	Root *os.Root
	// Wrote, nil but in tests, is told each file that was written or removed: a
	// process may be killed there, and the next one goes on.
	Wrote func(file string)
}

// put makes file hold data, durably.
func (d Dir) put(file string, data []byte) error {
	err := durable.Write(d.Root, file, data, perm)
	if err == nil && d.Wrote != nil {
		d.Wrote(file)
	}
	return err
}

// drop removes file, durably. That there is none is no error.
func (d Dir) drop(file string) error {
	err := durable.Remove(d.Root, file)
	if err == nil && d.Wrote != nil {
		d.Wrote(file)
	}
	return err
}

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
	for _, file := range []string{ManifestFile, NextFile, DraftFile} {
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
	return d.put(file, data)
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
	next      []byte           // channel.next.toml: the manifest that gathers its signatures, nil: none
	nextBlock []byte           // those so far, nil: none
	serial    uint64           // the highest that was ever stamped here, as far as the directory tells
	channel   string           // its name, which no file may contradict
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
		return s, &NoChannelError{}
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
			return s, fmt.Errorf("%s: %w", f.name, &native.ChannelError{Want: s.channel, Got: m.Channel})
		}
		s.channel, s.serial = m.Channel, max(s.serial, m.Serial)
		switch {
		case f.name == UnsignedFile:
		case f.name == NextFile:
			s.next, next = f.data, m.Serial
		case f.name == ManifestFile && fits(block, f.data):
			s.published, s.block, published = f.data, block, m.Serial
		default:
			s.two = s.draft != nil
			s.draft, draft = m, f.data
		}
	}
	if s.next != nil && s.published != nil && next <= published {
		s.next = nil // it was published, or overtaken, and something prevented its removal
	}
	if s.next == nil {
		return s, nil
	}
	if s.nextBlock, err = d.read(NextFile+".asc", manifests.MaxSignature); err != nil {
		return s, err
	}
	if s.draft != nil && !s.two {
		if became, err := sameContent(draft, s.next); err != nil || became {
			s.draft = nil // it is what waits
			return s, err
		}
	}
	return s, nil
}

// work is what a new edition is made from: the draft, else what waits for its
// signatures, else what is published.
func (s state) work() (*native.Manifest, error) {
	if s.two {
		return nil, &InputError{fmt.Sprintf("%s is not what was signed, and there is a %s too: remove one of them", ManifestFile, DraftFile)}
	}
	if s.draft != nil {
		return s.draft, nil
	}
	name, data, _ := s.newest()
	return parse(name, data)
}

// newest is the newest stamped manifest, with its signatures: the one that
// waits for more of them, else the published one.
func (s state) newest() (name string, data, block []byte) {
	if s.next != nil {
		return NextFile, s.next, s.nextBlock
	}
	return ManifestFile, s.published, s.block
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
	return d.put(KeysFile, all)
}

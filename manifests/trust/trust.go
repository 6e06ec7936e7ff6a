// Package trust decides which channel may answer for a tool, and which keys prove its
// answer.
//
// A [Desk] knows the built-in channels and those that the user added, the keys pinned
// for each, and the policy files of this machine. It binds a channel to the keys that
// all of these leave, follows the channel's own key rotations, and fetches the documents
// that answer a request. New keys are stored before anything that they signed is
// verified.
//
// Nothing but rules.go selects the keys of an added channel, and nothing weakens what
// the settings or a policy file demand. What a document proves, and whether it is fresh,
// is for packages verify and install to decide: see [State]. This package unpacks and
// prints nothing.
package trust

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/verify"
)

// A Desk binds channels to keys, for one command. Its rules and its catalogs are those of
// the moment when it first needs them. A Desk must not be copied.
type Desk struct {
	State     State
	Transport manifests.Transport // with Offline, manifests.ErrOffline for what needs the network
	Config    config.Config       // the mirrors that Transport asks, to describe them
	Now       time.Time

	Platform manifests.Platform
	Distro   func() string // the distribution of a Linux host, such as "debian12"
	Glibc    func() string // the version of its GNU C library, such as "2.36"
	// GoProxy returns the module proxies that this machine uses, in the syntax of GOPROXY.
	GoProxy    func(context.Context) string
	AptSources func() []debian.AptSource
	// OwnKeys returns the built-in keys of kist's own channel.
	OwnKeys func() (*verify.Keyring, error)
	// MachineRules reads the machine's policy file, if there is one. Its errors match
	// verify.ErrUntrusted.
	MachineRules func() ([]channels.Rules, error)

	Offline   bool // documents come from the cache and from local files only
	CacheOnly bool // Pick compares cached catalogs only
	DryRun    bool // nothing is stored
	// MinimumAge is how long ago a release must have been published to be chosen. A longer
	// one in a policy file counts.
	MinimumAge time.Duration
	// Uncached reads every document through Transport and stores none, so that
	// Transport sees all that clients need. Indices then keeps package indices, and may
	// be nil.
	Uncached bool
	// Frozen says, with Uncached, that what Transport answers never changes, so that the
	// manifest of a native channel is read and proved once for all requests.
	Frozen  bool
	Indices debian.Cache

	Notify     func(line, cause string) // cause is a detail of line, and may be empty
	Warn       func(text string)
	KeysStored func() // called after new keys of a channel were stored

	catalogs  catalogs
	frozen    catalogs // with Frozen
	rulesOnce sync.Once
	rules     []channels.Rules
	rulesErr  error
}

// State is what a Desk needs of *install.Installer, which package manifests may not
// import: the settings, the cached documents, and the marks that documents are verified
// against.
type State interface {
	Config(create bool) (*os.Root, error) // nil if it does not exist
	Cache(create bool) (*os.Root, error)  // nil if it does not exist
	CacheForDocuments() (*os.Root, error)
	Writable(below ...string) error // whether these directories below Config could be written
	Lock(ctx context.Context) (unlock func() error, err error)

	Catalog(context.Context, manifests.Transport, manifests.Channel, manifests.Request) (manifests.Catalog, error)
	Release(manifests.Catalog, manifests.Channel, manifests.Request) (manifests.Release, error)
	Renew(context.Context, manifests.Transport, manifests.Channel, manifests.Request) (cat manifests.Catalog, was verify.Mark, err error)
	Mark(manifests.Channel) (verify.Mark, error)
	// Withdrawn returns what a channel withdrew when its manifest was last proved.
	Withdrawn(channel string) ([]verify.Withdrawal, error)
	// FirstSeen returns when this machine first met a release, and stores it.
	FirstSeen(context.Context, manifests.Channel, manifests.Release) (time.Time, error)
	UndoMark(ctx context.Context, ch manifests.Channel, before verify.Mark) error
	Rekey(context.Context, manifests.Channel, verify.KeysMark) error
}

// store returns the store of the user's channels, for reading.
func (d *Desk) store() (channels.Store, error) {
	root, err := d.State.Config(false)
	return channels.Store{Root: root}, err
}

// change runs f on the store of the user's channels, under kist's lock.
func (d *Desk) change(ctx context.Context, f func(channels.Store) error) error {
	root, err := d.State.Config(true)
	if err != nil {
		return err
	}
	unlock, err := d.State.Lock(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(channels.Store{Root: root}), unlock())
}

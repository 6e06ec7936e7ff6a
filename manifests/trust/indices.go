package trust

import (
	"fmt"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// indices caches the package indices of one distribution's channel, and the excerpt of
// them. They are large, and only fetched again when they change. It implements
// debian.Cache.
type indices struct {
	desk *Desk
	pool transport.Pool
}

func (d *Desk) cachedIndices(channel string) *indices {
	return &indices{desk: d, pool: transport.Pool{Dir: manifests.DocumentsDir + "/" + channel + "~indices"}}
}

// open opens the pool. It returns false if there is none yet and create is false.
func (x *indices) open(create bool) (bool, error) {
	if x.pool.Root != nil {
		return true, nil
	}
	cache, err := x.desk.State.Cache(false)
	if create {
		cache, err = x.desk.State.CacheForDocuments()
	}
	if cache == nil || err != nil {
		return false, err
	}
	x.pool.Root = cache
	return true, nil
}

// Load returns the index d, or nil if it is not cached.
func (x *indices) Load(d verify.Digest, limit int64) []byte {
	if ok, err := x.open(false); !ok || err != nil {
		return nil
	}
	return x.pool.Load(d.Hex(), limit)
}

// Has reports whether Load would return the index d.
func (x *indices) Has(d verify.Digest, size int64) bool {
	ok, err := x.open(false)
	return ok && err == nil && x.pool.Has(d.Hex(), size)
}

// Store caches the index d.
func (x *indices) Store(d verify.Digest, data []byte) {
	if x.desk.DryRun {
		return
	}
	ok, err := x.open(true)
	if ok {
		err = x.pool.Store(d.Hex(), data)
	}
	if err != nil {
		x.desk.Warn(fmt.Sprintf("could not cache a package index, so it will be fetched again: %v", err))
	}
}

// sweep removes the indices that have been superseded.
func (x *indices) sweep() error {
	if ok, err := x.open(false); !ok || err != nil {
		return err
	}
	return x.pool.Sweep()
}

package rootfs

// Unexported names that the tests use.
const (
	MaxHolder   = maxHolder
	MaxOpenDirs = maxOpenDirs
	Pause       = pause
	TempSuffix  = tempSuffix
)

var (
	CheckThenRename = checkThenRename
	IsNameOf        = isNameOf
	OpenRegularAt   = openRegular
	SyncWalk        = syncWalk
	TempBeside      = tempBeside
	TempCheck       = tempCheck
)

// Open returns how many directories d holds open.
func (d *Dirs) Open() int { return len(d.open) }

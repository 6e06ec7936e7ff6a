package manifests

// Unexported names that the tests use.
const (
	HeadSize      = headSize
	MaxHintValues = maxHintValues
)

var (
	CountHint   = countHint
	IsText      = isText
	ProgramStem = programStem
)

func (a *Answer) CheckPlain(ref string) error { return a.checkPlain(ref) }

func (v IndexEntry) Fits(host Platform) bool { return v.fits(host) }

package channels

func (c Channel) Encode() ([]byte, error) { return c.encode() }

func (c Channel) Sorted() Channel { return c.sorted() }

func (s Store) PutSettings(c Channel, data []byte) error { return s.putSettings(c, data) }

// Unexported names that the tests use.
const (
	MaxAge        = maxAge
	MaxCredential = maxCredential
	MaxPins       = maxPins
	MaxRetired    = maxRetired
	MaxSettings   = maxSettings
	MaxTools      = maxTools
)

var (
	KeyFile     = keyFile
	Parse       = parse
	RenewedFile = renewedFile
	SplitURL    = splitURL
)

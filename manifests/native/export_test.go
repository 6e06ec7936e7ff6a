package native

func (m *Manifest) CheckSchemes(own string) error { return m.checkSchemes(own) }

// Unexported names that the tests use.
const MaxList = maxList

var (
	CheckChannel = checkChannel
	NewCatalog   = newCatalog
	ParseBytes   = parse
)

type Catalog = catalog

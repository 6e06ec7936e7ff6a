package debian

// Unexported names that the tests use.
var (
	MatchesRequest = matchesRequest
	ValidVersion   = validVersion[string]
	VersionLabels  = versionLabels
)

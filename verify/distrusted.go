package verify

import "fmt"

// distrustedKeys lists keys that are refused even if they are pinned, each with
// the reason to show. It is for keys whose owners published no revocation.
var distrustedKeys = map[Fingerprint]string{
	"3673DF529D9049477F76B37566E3C7DC03D6E495": "Julia's release key until 2026-08-13, compromised",
}

// distrustReason returns why s never counts, or "" if its key is not on the list.
func (s *signature) distrustReason() string {
	for fpr, reason := range distrustedKeys {
		if s.issuerIs(fpr) {
			return fmt.Sprintf("that is %s (%s), and nothing that it signed counts", reason, fpr)
		}
	}
	return ""
}

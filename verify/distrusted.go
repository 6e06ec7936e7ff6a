package verify

// distrustedKeys lists keys that no pin and no keyring can make good, each with the
// reason to show. It is for keys whose owners published no revocation.
var distrustedKeys = map[Fingerprint]string{
	"3673DF529D9049477F76B37566E3C7DC03D6E495": "Julia's release key until 2026-08-13, compromised",
}

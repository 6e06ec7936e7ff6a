package pagetext

import (
	"fmt"
	"slices"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func (c Channel) shownKeys() shownKeys {
	ring := c.Policy.Keys.Certificates()
	k := shownKeys{Expires: timeOf(c.Edition.Expires)}
	if c.Edition.Version > 0 {
		k.Rule = fmt.Sprintf("%d of %s must sign each edition", c.Policy.Threshold, term.Count(len(ring), "key"))
	} else {
		k.Rule = fmt.Sprintf("This edition was signed by %s; users decide how many they require", term.Count(c.signed(), "key"))
	}
	for _, holder := range ring {
		one := keyOf(holder)
		one.Signed = slices.ContainsFunc(c.Evidence.Signers, func(s verify.Signer) bool { return s.Primary == holder.Fingerprint })
		k.Holders = append(k.Holders, one)
	}
	for i, v := range c.History {
		var before *publish.KeysVersion
		if i+1 < len(c.History) {
			before = &c.History[i+1]
		}
		k.History = append(k.History, versionOf(v, before))
	}
	return k
}

// signed returns how many keys signed the manifest.
func (c Channel) signed() int {
	var primaries []verify.Fingerprint
	for _, s := range c.Evidence.Signers {
		primaries = append(primaries, s.Primary)
	}
	slices.Sort(primaries)
	return len(slices.Compact(primaries))
}

// threshold returns how many signatures a user should require.
func (c Channel) threshold() int {
	if c.Edition.Version > 0 {
		return c.Policy.Threshold
	}
	return c.signed()
}

func keyOf(c verify.Certificate) shownKey {
	one := shownKey{UserID: c.UserID, Fingerprint: c.Fingerprint.Spaced(), Algorithm: c.Algorithm, Created: timeOf(c.Created), Expires: timeOf(c.Expires)}
	switch {
	case c.Revoked != "":
		one.Problem = "revoked: " + c.Revoked
	case c.Distrusted != "":
		one.Problem = "not trusted: " + c.Distrusted
	}
	return one
}

// versionOf returns what changed from the version before to v. before is nil for the first
// version that the directory has.
func versionOf(v publish.KeysVersion, before *publish.KeysVersion) shownVersion {
	one := shownVersion{Version: v.Version, Issued: timeOf(v.Issued), Expires: timeOf(v.Expires), Restart: v.Serial,
		Rule: fmt.Sprintf("%d of %s must sign", v.Threshold, term.Count(len(v.Holders), "key"))}
	if before == nil {
		before = &publish.KeysVersion{Keys: &native.Keys{}}
	}
	one.Joined = without(v.Holders, before.Holders)
	one.Left = without(before.Holders, v.Holders)
	named := slices.Concat(v.Holders, before.Holders)
	for _, f := range v.Revoked {
		if !slices.Contains(before.Revoked, f) {
			one.Revoked = append(one.Revoked, keyNamed(named, f))
		}
	}
	for _, s := range v.Signers {
		if by := keyNamed(named, s.Primary); !slices.Contains(one.By, by) {
			one.By = append(one.By, by)
		}
	}
	return one
}

// without returns the certificates of list that are not in other.
func without(list, other []verify.Certificate) (keys []shownKey) {
	for _, c := range list {
		if !slices.ContainsFunc(other, func(o verify.Certificate) bool { return o.Fingerprint == c.Fingerprint }) {
			keys = append(keys, keyOf(c))
		}
	}
	return keys
}

// keyNamed returns the key with a fingerprint, with the user ID of its certificate in list.
func keyNamed(list []verify.Certificate, f verify.Fingerprint) shownKey {
	for _, c := range list {
		if c.Fingerprint == f {
			return shownKey{UserID: c.UserID, Fingerprint: f.Spaced()}
		}
	}
	return shownKey{Fingerprint: f.Spaced()}
}

// Package verify decides what is trusted: digests, OpenPGP signatures, the
// signed tree of a checksum database, and the marks that stop downgrade.
//
// There are three parties. An upstream signs with keys that are pinned by their
// full fingerprint (a [Keyring]). Any server, trusted or not, delivers the bytes.
// The caller states what a signature is for, how many keys must have signed, and
// what time it is (a [Policy]). Proved bytes become a [Document], which carries
// the [Evidence] of the proof and which only this package can make. A failed
// proof is a [*SignatureError], which lists the rule that each signature broke.
//
//	ring, err := verify.OpenKeyring(keys)
//	policy := verify.Policy{Keys: ring, Threshold: 1, Now: now}
//	doc, err := policy.Detached("channel.toml", data, signature)
//
// # Signatures
//
// The rules are those of RFC 9580, narrowed so that every implementation reads
// the same bytes in the same way. The cryptography is go-crypto's; this package
// splits the packets itself and makes every decision.
//
//   - A block of signatures is at most 64 KiB and 16 packets, all of them
//     signatures with definite lengths, binary or in one armor block with its
//     END line and nothing but white space around it. The armor checksum is
//     optional, but must be right if present.
//   - A clear-signed file is one message of at most 16 MiB. It starts at the
//     first octet, and only empty lines may follow it. The message has no headers
//     but Hash headers with names of digests, and its signatures have only the
//     headers that OpenPGP programs write by themselves, so that no free text
//     stands outside the signed text. The line before the text is empty or holds
//     only spaces and tabs, and no line of the text contains a lone carriage
//     return or looks like armor. The Document is the signed text alone.
//   - Detached signatures have type 0x00, clear-signed ones type 0x01. Their
//     version, 4 or 6, is that of the key. The digest is SHA-256, SHA-384,
//     SHA-512, SHA3-256 or SHA3-512. A critical notation or unknown critical
//     subpacket is refused. Numbers must have their canonical encoding, and the
//     two octets of the digest that the packet carries must be right.
//   - A hashed issuer must be the key that made the signature. Without one, the
//     unhashed key ID selects candidate keys and the arithmetic decides. The rest
//     of the unhashed area is ignored.
//   - A signature must not be from the future (5 minutes are allowed), older than
//     its key, or past its own expiry.
//   - Every signature is checked independently. One by an unknown key, an
//     unreadable one or a bad one is skipped. Threshold counts distinct keys, and
//     keys with the same secret count once.
//
// # Keys
//
//   - Ed25519, Ed448, ECDSA on P-256, P-384 and P-521, RSA of 3072 bits or more;
//     RSA of 2048 until the end of 2029. See algorithms.go.
//   - A primary key needs a self-signature; a subkey needs a binding and its own
//     back-signature. Each must be genuine and, unless the key is pinned, must not
//     use SHA-1; SHA-224 is accepted here. The signing key must have the signing
//     flag. The newest self-signature made by the time in question applies; if a
//     copy has lost the older ones, the oldest that remains applies.
//   - Copies of one certificate are merged. A revocation in any copy, at any
//     position, counts if the primary key made it: a hard one for all times, a
//     soft one (superseded, retired) from its own time on. No later
//     self-signature cancels it. It may use any digest in algorithms.go that can
//     be computed, and version 3; an ambiguous one is treated as hard.
//     Revocations by other keys, designated revokers included, are ignored.
//   - For a [Manifest] the key must be valid both when it signed and now. For a
//     [Release] it must have been valid when it signed, and the signature must
//     not be much older than the release.
//   - Some keys are refused even if they are pinned. See distrusted.go.
//
// # Limits
//
// A stolen key can sign anything, with any date in the key's life. The defenses
// are hard revocations, thresholds, marks and release dates. This package never
// uses the network, so it knows only the revocations in the files it is given.
package verify

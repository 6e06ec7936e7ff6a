// Package verify decides what is trusted: digests, OpenPGP signatures, the
// signed tree of a checksum database, and the marks that stop downgrade.
//
// The parties are an upstream, who signs with keys that are known here by their
// full fingerprint (a [Keyring]); anyone at all, who brings the bytes; and the
// caller, who says what a signature is for, how many keys must have signed, and
// what time it is (a [Policy]). What is proved becomes a [Document] with the
// [Evidence] of how; nothing else can make one. What is not is a
// [*SignatureError], which says of each signature which rule it broke.
//
//	ring, err := verify.OpenKeyring(keys)
//	policy := verify.Policy{Keys: ring, Threshold: 1, Now: now}
//	doc, err := policy.Detached("channel.toml", data, signature)
//
// # Signatures
//
// The rules are those of RFC 9580, narrowed until every reader must understand
// the same bytes in the same way. The cryptography is go-crypto's; every
// decision is made in this package, on packets that it framed itself.
//
//   - A block of signatures is at most 64 KiB and 16 packets, all of them
//     signatures with definite lengths, binary or in one armor block with its
//     END line and nothing but white space around it. A checksum that is there
//     must be right.
//   - A clear-signed file is one message of at most 16 MiB from its first octet,
//     with empty lines at most after it. Its headers are Hash headers with
//     names of digests, those of its signatures what programs write about
//     themselves, so that no words stand outside the signed text. The line
//     before the text is empty or of spaces and tabs, and no line of the text
//     holds a lone carriage return or looks like armor. The Document is what was
//     signed, and nothing else of the file.
//   - Detached signatures are of type 0x00, clear-signed ones of type 0x01; of
//     version 4 or 6, as the key is; with SHA-256, SHA-384, SHA-512, SHA3-256
//     or SHA3-512. A critical notation or unknown critical subpacket is refused.
//     Numbers have one spelling and the two octets of the digest that the packet
//     carries must be right.
//   - A hashed issuer must be the key that made the signature. Without one, the
//     unhashed key ID finds candidates and the signature decides. What else is
//     in the unhashed area means nothing.
//   - A signature is not from the future (5 minutes are allowed), not older than
//     its key, and not past its own expiry.
//   - Every signature is judged by itself. One by a stranger, an unreadable or a
//     bad one is passed over; Threshold counts distinct keys, and a secret once.
//
// # Keys
//
//   - Ed25519, Ed448, ECDSA on P-256, P-384 and P-521, RSA of 3072 bits or more;
//     RSA of 2048 until the end of 2029. See algorithms.go.
//   - A primary key needs a self-signature, a subkey a binding and its own
//     back-signature, each genuine and, unless the key is pinned, not SHA-1; here
//     SHA-224 will do. The key that signs has the flag for it. In force is the newest of them at the
//     time in question; in a copy that lost the older ones, the oldest left.
//   - Copies of one certificate count as one. A revocation in any copy, wherever
//     it stands, counts if the primary key made it: a hard one for all times, a
//     soft one (superseded, retired) from its own time on. No later
//     self-signature undoes it. It counts by any digest that is known here, of
//     version 3 too, and as a hard one where its wording leaves a doubt.
//     Revocations by others, designated revokers included, mean nothing.
//   - For a [Manifest] the key must be valid when it signed and now; for a
//     [Release], when it signed, and the signature must not be made long before
//     the release.
//   - Some keys are distrusted whoever pins them. See distrusted.go.
//
// # Limits
//
// A stolen key signs anything, dated at any time of its life: a hard revocation,
// a threshold, marks and release dates are what helps. Nothing here asks a
// network: a revocation that is in no file is unknown.
package verify

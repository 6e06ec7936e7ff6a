package verify

import (
	"bytes"
	"crypto/elliptic"
	"fmt"
	"time"
)

func selfSignatureVectors(now time.Time) []vector {
	made := now.Add(-100 * day)
	k, other := newEd25519Key(made), newEd25519Key(made)
	v := func(name, rule string, packets ...rawPacket) vector {
		return vector{name: "self-signature/" + name, ring: k.cert(packets...), data: corpusData, sig: k.detached(corpusData), rule: rule}
	}
	id, b := userIDPacket("a"), userIDPacket("b")
	later := made.Add(time.Hour)
	withdrawn := k.revokeUserID("b", made.Add(2*time.Hour), k)
	pinned := v("SHA-1, pinned", "", id, k.certify("a", withHash(2)))
	pinned.policy = func(p *Policy) { p.Keys.certs[0].pinned[k.fpr] = true }
	forged := k.certify("b")
	wrong := k.certify("a")
	wrong.body = bytes.Clone(wrong.body)
	wrong.body[len(wrong.body)-1] ^= 1
	six := newForger(6, 27, edSecret(), made)
	sixth := func(name, rule string, packets ...rawPacket) vector {
		return vector{name: "self-signature/" + name, ring: six.cert(packets...), data: corpusData, sig: six.detached(corpusData), rule: rule}
	}
	return []vector{
		v("good", "", id, k.certify("a")),
		v("none", "no valid self-signature"),
		v("user ID without one", "no valid self-signature", id),
		v("direct key only", "", k.certifyDirectly(withFlags(3))),
		v("direct key with a critical notation", "no valid self-signature", k.certifyDirectly(withFlags(3), withHashed(criticalNotation))),
		v("direct key, then user ID", "", k.certifyDirectly(), id, k.certify("a")),
		v("direct key says certify only", "is not a signing key", k.certifyDirectly(withFlags(1)), id, k.certify("a", madeAt(later))),
		v("user ID says certify only", "is not a signing key", k.certifyDirectly(withFlags(3)), id, k.certify("a", withFlags(1), madeAt(later))),
		v("direct key says no flags", "", k.certifyDirectly(), id, k.certify("a", madeAt(later))),
		v("direct key expired", "expired on", k.certifyDirectly(keyExpires(50*day)), id, k.certify("a", keyExpires(500*day), madeAt(later))),
		v("user ID expired", "expired on", k.certifyDirectly(keyExpires(500*day)), id, k.certify("a", keyExpires(50*day), madeAt(later))),
		v("direct key expired, user ID silent", "expired on", k.certifyDirectly(keyExpires(50*day)), id, k.certify("a", madeAt(later))),
		v("two user IDs, the newer signs", "", id, k.certify("a", withFlags(1)), b, k.certify("b", madeAt(later))),
		v("two user IDs, the older signs", "is not a signing key", id, k.certify("a"), b, k.certify("b", withFlags(1), madeAt(later))),
		v("two user IDs, the newer one withdrawn, the older signs", "", id, k.certify("a"), b, k.certify("b", withFlags(1), madeAt(later)), withdrawn),
		v("two user IDs, the newer one withdrawn, the older doesn't sign", "is not a signing key", id, k.certify("a", withFlags(1)), b, k.certify("b", madeAt(later)), withdrawn),
		v("a later withdrawal does not apply to earlier times", "is not a signing key", id, k.certify("a"), b, k.certify("b", withFlags(1), madeAt(later)), k.revokeUserID("b", now.Add(-50*day), k)),
		v("a later direct key does not apply to earlier times", "is not a signing key", id, k.certify("a", withFlags(1)), k.certifyDirectly(withFlags(3), madeAt(now.Add(-50*day)))),
		v("SHA-1", "SHA-1 signatures only", id, k.certify("a", withHash(2))),
		pinned,
		v("SHA-224", "", id, k.certify("a", withHash(11))),
		v("SHA-512, newer SHA-224 for certifying only", "is not a signing key", id, k.certify("a"), k.certify("a", withHash(11), withFlags(1), madeAt(later))),
		v("MD5", "no valid self-signature", id, k.certify("a", withHash(1))),
		v("not exportable", "", id, k.certify("a", withHashed(subpacket(4, true, 0)))),
		v("critical revoker", "", id, k.certify("a", withHashed(subpacket(12, true, append([]byte{0x80, other.algo}, other.fprOctets()...)...)))),
		v("wrong digest octets", "", id, k.certify("a", withWrongTag)),
		v("two user IDs of one second, the first signs", "", id, k.certify("a"), b, k.certify("b", withFlags(1))),
		v("two user IDs of one second, the second signs", "is not a signing key", id, k.certify("a", withFlags(1)), b, k.certify("b")),
		v("SHA-1, newer SHA-512", "", id, k.certify("a", withHash(2)), k.certify("a", madeAt(made.Add(time.Hour)))),
		v("SHA-512, newer SHA-1", "", id, k.certify("a"), k.certify("a", withHash(2), madeAt(made.Add(time.Hour)))),
		v("of another user ID", "no valid self-signature", id, forged),
		v("forged", "no valid self-signature", id, wrong),
		v("by another key", "no valid self-signature", id, signaturePacket(other.sign(0x13, made, append(k.hashedKey(), append([]byte{0xb4, 0, 0, 0, 1}, 'a')...), withFlags(3)))),
		v("critical notation", "no valid self-signature", id, k.certify("a", withHashed(criticalNotation))),
		v("unknown critical subpacket", "no valid self-signature", id, k.certify("a", withHashed(subpacket(101, true, 1)))),
		v("made before the key", "no valid self-signature", id, k.certify("a", madeAt(made.Add(-time.Hour)))),
		v("certify only", "is not a signing key", id, k.certify("a", withFlags(1))),
		v("flags newly without signing", "is not a signing key", id, k.certify("a"), k.certify("a", withFlags(1), madeAt(made.Add(time.Hour)))),
		v("two sets of flags", "no valid self-signature", id, k.certify("a", withHashed(subpacket(subFlags, true, 3), subpacket(subFlags, true, 1)))),
		v("version 3", "no valid self-signature", id, signaturePacket(k.signVersion3(0x13, made, append(k.hashedKey(), append([]byte{0xb4, 0, 0, 0, 1}, 'a')...)))),
		v("version 6 by a version 4 key", "no valid self-signature", id, k.certify("a", withVersion(6))),
		v("no flags", "is not a signing key", id, signaturePacket(k.sign(0x13, made, append(k.hashedKey(), append([]byte{0xb4, 0, 0, 0, 1}, 'a')...)))),
		v("user ID withdrawn", "", id, k.certify("a"), k.revokeUserID("a", later, k)),
		v("newer user ID withdrawn by a stranger", "is not a signing key", id, k.certify("a"), b, k.certify("b", withFlags(1), madeAt(later)), k.revokeUserID("b", made.Add(2*time.Hour), other)),
		v("unknown packet type within", "", rawPacket{60, []byte("x")}, id, k.certify("a")),
		sixth("version 6 direct key", "", six.certifyDirectly(withFlags(3))),
		sixth("version 6 user ID only", "no valid self-signature", userIDPacket("plain"), six.certify("plain")),
	}
}

func subkeyVectors(now time.Time) []vector {
	made := now.Add(-100 * day)
	p, sub, other := newEd25519Key(made), newEd25519Key(made.Add(time.Hour)), newEd25519Key(made)
	id := userIDPacket("a")
	v := func(name, rule string, ring []byte) vector {
		return vector{name: "subkey/" + name, ring: ring, data: corpusData, sig: sub.detached(corpusData), rule: rule}
	}
	with := func(packets ...rawPacket) []byte {
		return p.cert(append([]rawPacket{id, p.certify("a"), sub.subkeyPacket()}, packets...)...)
	}
	pin := func(v vector, keys ...*forger) vector {
		v.policy = func(policy *Policy) {
			for _, k := range keys {
				policy.Keys.certs[0].pinned[k.fpr] = true
			}
		}
		return v
	}
	weakBack := sub.backSignature(p, withHash(2))
	six := newForger(6, 27, edSecret(), made)
	return []vector{
		v("good", "", with(p.bind(sub))),
		v("unbound", "no valid self-signature", with()),
		v("bound by a stranger", "no valid self-signature", with(signaturePacket(other.sign(0x18, sub.made, append(p.hashedKey(), sub.hashedKey()...), withFlags(2))))),
		v("binding of another subkey", "no valid self-signature", with(p.bind(other))),
		v("binding with a critical notation", "no valid self-signature", with(p.bind(sub, withHashed(criticalNotation)))),
		{name: "subkey/of another version", ring: p.cert(id, p.certify("a"), six.subkeyPacket(), p.bind(six)), data: corpusData, sig: six.detached(corpusData), rule: "not among those that may sign"},
		v("no back-signature", "has not signed that it belongs", with(p.bindWith(sub, nil))),
		v("back-signature by another", "has not signed that it belongs", with(p.bindWith(sub, other.sign(0x19, sub.made, append(p.hashedKey(), sub.hashedKey()...))))),
		v("back-signature for another primary", "has not signed that it belongs", with(p.bindWith(sub, sub.backSignature(other)))),
		v("back-signature of the wrong type", "has not signed that it belongs", with(p.bindWith(sub, sub.sign(0x18, sub.made, append(p.hashedKey(), sub.hashedKey()...))))),
		v("back-signature with a critical notation", "has not signed that it belongs", with(p.bindWith(sub, sub.backSignature(p, withHashed(criticalNotation))))),
		v("back-signature with SHA-224", "", with(p.bindWith(sub, sub.backSignature(p, withHash(11))))),
		v("back-signature with MD5", "has not signed that it belongs", with(p.bindWith(sub, sub.backSignature(p, withHash(1))))),
		v("back-signature with wrong digest octets", "", with(p.bindWith(sub, sub.backSignature(p, withWrongTag)))),
		v("back-signature older than its subkey", "has not signed that it belongs", with(p.bindWith(sub, sub.backSignature(p, madeAt(sub.made.Add(-time.Hour)))))),
		v("back-signature from the future", "has not signed that it belongs", with(p.bindWith(sub, sub.backSignature(p, madeAt(now.Add(day)))))),
		v("back-signature, and another's after it", "", with(p.bindWith(sub, other.backSignature(p), withUnhashed(subpacket(subEmbedded, false, sub.backSignature(p)...))))),
		v("back-signature expired", "", with(p.bindWith(sub, sub.backSignature(p, sigExpires(50*day))))),
		v("back-signature hashed", "", with(p.bindWith(sub, nil, withHashed(subpacket(subEmbedded, true, sub.backSignature(p)...))))),
		v("for encryption", "is not a signing key", with(p.bind(sub, withFlags(12)))),
		v("without flags", "is not a signing key", with(signaturePacket(p.sign(0x18, sub.made, append(p.hashedKey(), sub.hashedKey()...), withUnhashed(subpacket(subEmbedded, false, sub.backSignature(p)...)))))),
		v("expired", "expired on", with(p.bind(sub, keyExpires(50*day)))),
		v("not yet expired", "", with(p.bind(sub, keyExpires(500*day)))),
		v("primary expired", "expired on", p.cert(id, p.certify("a", keyExpires(50*day)), sub.subkeyPacket(), p.bind(sub))),
		v("primary without self-signature", "no valid self-signature", p.cert(id, sub.subkeyPacket(), p.bind(sub))),
		v("primary certifies only", "", p.cert(id, p.certify("a", withFlags(1)), sub.subkeyPacket(), p.bind(sub))),
		v("SHA-1 binding", "SHA-1 signatures only", with(p.bind(sub, withHash(2)))),
		v("SHA-1 back-signature", "only a SHA-1 back-signature", with(p.bindWith(sub, weakBack))),
		v("SHA-1 primary", "SHA-1 signatures only", p.cert(id, p.certify("a", withHash(2)), sub.subkeyPacket(), p.bind(sub))),
		pin(v("SHA-1 binding, subkey pinned", "", with(p.bind(sub, withHash(2)))), p, sub),
		pin(v("SHA-1 back-signature, subkey pinned", "", with(p.bindWith(sub, weakBack))), p, sub),
		pin(v("SHA-1 binding, only the primary pinned", "SHA-1 signatures only", with(p.bind(sub, withHash(2)))), p),
		pin(v("SHA-1 primary, only the subkey pinned", "SHA-1 signatures only", p.cert(id, p.certify("a", withHash(2)), sub.subkeyPacket(), p.bind(sub))), sub),
		pin(v("SHA-1 everywhere, both pinned", "", p.cert(id, p.certify("a", withHash(2)), sub.subkeyPacket(), p.bindWith(sub, weakBack, withHash(2)))), p, sub),
		v("only a newer binding left", "", with(p.bind(sub, madeAt(now.Add(-50*day))))),
		v("adopted without consent by a certificate before", "", append(
			other.cert(id, other.certify("a"), sub.subkeyPacket(), other.bindWith(sub, nil)), with(p.bind(sub))...)),
		v("adopted without consent", "has not signed that it belongs", other.cert(id, other.certify("a"), sub.subkeyPacket(), other.bindWith(sub, nil))),
	}
}

func revocationVectors(now time.Time) []vector {
	made := now.Add(-100 * day)
	k, other, sub := newEd25519Key(made), newEd25519Key(made), newEd25519Key(made)
	id := userIDPacket("a")
	var all []vector
	add := func(name, rule string, use Use, ring []byte, signer *forger) {
		all = append(all, vector{name: "revocation/" + name, ring: ring, data: corpusData, sig: signer.detached(corpusData), rule: rule,
			policy: func(p *Policy) { p.Use = use }})
	}
	primary := func(revocations ...rawPacket) []byte { return k.cert(append(revocations, id, k.certify("a"))...) }
	early, late := made.Add(time.Hour), now.Add(-10*day)
	for _, reason := range []struct {
		name string
		code int
		hard bool
	}{{"no reason subpacket", -1, true}, {"no reason", 0, true}, {"superseded", 1, false}, {"compromised", 2, true}, {"retired", 3, false}, {"unknown reason", 77, true}} {
		rule := "was revoked"
		add(reason.name+", before", rule, Release, primary(k.revoke(early, reason.code)), k)
		add(reason.name+", after, manifest", rule, Manifest, primary(k.revoke(late, reason.code)), k)
		if !reason.hard {
			rule = ""
		}
		add(reason.name+", after, release", rule, Release, primary(k.revoke(late, reason.code)), k)
	}
	add("forged", "", Manifest, primary(func() rawPacket { r := k.revoke(early, 2); r.body[len(r.body)-1] ^= 1; return r }()), k)
	add("by a stranger", "", Manifest, primary(signaturePacket(other.sign(0x20, early, k.hashedKey()))), k)
	add("of another key", "", Manifest, primary(other.revoke(early, 2)), k)
	// A revocation that the key made counts in spite of any flaw, as a hard one if it
	// is ambiguous.
	for name, change := range map[string]change{
		"by SHA-1": withHash(2), "by SHA-224": withHash(11), "wrong digest octets": withWrongTag, "no issuer": withoutIssuer,
		"hashed issuer is another key": withHashed(other.issuerSubpacket()),
		"not exportable":               withHashed(subpacket(4, true, 0)),
		"critical revoker":             withHashed(subpacket(12, true, append([]byte{0x80, other.algo}, other.fprOctets()...)...)),
		"critical notation":            withHashed(criticalNotation),
		"unknown critical subpacket":   withHashed(subpacket(101, true, 1)),
		"malformed notation":           withHashed(subpacket(subNotation, false, 1)),
		"empty reason":                 withHashed(subpacket(subReason, false)),
		"two reasons":                  withHashed(subpacket(subReason, false, 2)),
		"two sets of flags":            withHashed(subpacket(subFlags, true, 1), subpacket(subFlags, true, 2)),
		"two creation times":           withHashed(subpacket(subCreated, true, 0x60, 0, 0, 0)),
		"malformed signature within":   withUnhashed(subpacket(subEmbedded, false, 1, 2)),
		"made before the key":          madeAt(made.Add(-time.Hour)),
		"expired":                      sigExpires(time.Hour),
	} {
		add(name, "was revoked", Manifest, primary(k.revoke(early, 2, change)), k)
	}
	add("superseded, by a critical notation, after, release", "was revoked", Release, primary(k.revoke(late, 1, withHashed(criticalNotation))), k)
	add("octet after", "was revoked", Manifest, primary(func() rawPacket { r := k.revoke(early, 2); return signaturePacket(append(r.body, 0)) }()), k)
	add("version 3", "was revoked", Release, primary(signaturePacket(k.signVersion3(0x20, late, k.hashedKey()))), k)
	add("version 3, by a stranger", "", Release, primary(signaturePacket(other.signVersion3(0x20, late, k.hashedKey()))), k)
	appoints := k.certifyDirectly(withHashed(subpacket(12, false, append([]byte{0x80, other.algo}, other.fprOctets()...)...)))
	add("by an appointed revoker", "", Manifest, append(k.cert(signaturePacket(other.sign(0x20, early, k.hashedKey())), appoints, id, k.certify("a")), other.certificate()...), k)
	add("after the user ID", "was revoked", Manifest, k.cert(id, k.certify("a"), k.revoke(early, 2)), k)
	add("in the second copy", "was revoked", Manifest, append(k.certificate(), primary(k.revoke(early, 2))...), k)
	add("in the first copy", "was revoked", Manifest, append(primary(k.revoke(early, 2)), k.certificate()...), k)
	add("key unrevoked by a newer self-signature", "was revoked", Manifest, k.cert(k.revoke(early, 1), id, k.certify("a"), k.certify("a", madeAt(late))), k)

	subkey := func(revocations ...rawPacket) []byte {
		return k.cert(append([]rawPacket{id, k.certify("a"), sub.subkeyPacket(), k.bind(sub)}, revocations...)...)
	}
	add("subkey not revoked", "", Manifest, subkey(), sub)
	add("subkey compromised", "was revoked", Release, subkey(k.revokeSubkey(sub, late, 2)), sub)
	add("subkey compromised, by SHA-224", "was revoked", Release, subkey(signaturePacket(k.sign(0x28, late, append(k.hashedKey(), sub.hashedKey()...), withHash(11)))), sub)
	add("subkey compromised, wrong digest octets", "was revoked", Release, subkey(signaturePacket(k.sign(0x28, late, append(k.hashedKey(), sub.hashedKey()...), withWrongTag))), sub)
	add("subkey compromised, version 3", "was revoked", Release, subkey(signaturePacket(k.signVersion3(0x28, late, append(k.hashedKey(), sub.hashedKey()...)))), sub)
	add("subkey retired after, release", "", Release, subkey(k.revokeSubkey(sub, late, 3)), sub)
	add("subkey retired after, manifest", "was revoked", Manifest, subkey(k.revokeSubkey(sub, late, 3)), sub)
	add("subkey retired before", "was revoked", Release, subkey(k.revokeSubkey(sub, early, 3)), sub)
	add("another subkey revoked", "", Manifest, subkey(k.revokeSubkey(other, early, 2)), sub)
	add("subkey revoked by a stranger", "", Manifest, subkey(signaturePacket(other.sign(0x28, early, append(k.hashedKey(), sub.hashedKey()...)))), sub)
	add("subkey revoked out of place", "was revoked", Manifest, k.cert(id, k.certify("a"), k.revokeSubkey(sub, early, 2), sub.subkeyPacket(), k.bind(sub)), sub)
	add("primary compromised, subkey signs", "was revoked", Manifest, k.cert(k.revoke(late, 2), id, k.certify("a"), sub.subkeyPacket(), k.bind(sub)), sub)
	add("subkey revoked, primary signs", "", Manifest, subkey(k.revokeSubkey(sub, early, 2)), k)
	return all
}

func ringVectors(now time.Time) []vector {
	made := now.Add(-100 * day)
	a, b := newEd25519Key(made), newEd25519Key(made)
	sub := newEd25519Key(made)
	id := userIDPacket("a")
	withSub := a.cert(id, a.certify("a"), sub.subkeyPacket(), a.bind(sub))
	both := append(bytes.Clone(withSub), b.certificate()...)
	var all []vector
	add := func(name, rule string, threshold int, ring []byte, sigs ...[]byte) {
		all = append(all, vector{name: "ring/" + name, ring: ring, data: corpusData, sig: bytes.Join(sigs, nil), rule: rule,
			policy: func(p *Policy) { p.Threshold = threshold }})
	}
	byA, bySub, byB := a.detached(corpusData), sub.detached(corpusData), b.detached(corpusData)
	forged := b.detached([]byte("other"))
	add("two of two", "", 2, both, byA, byB)
	add("one of two", "signature", 2, both, byA, forged)
	add("the same key twice", "1 of 2", 2, both, byA, a.detached(corpusData, madeAt(made.Add(2*day))))
	add("a key and its subkey", "1 of 2", 2, both, byA, bySub)
	add("a subkey and another key", "", 2, both, bySub, byB)
	// One secret under several fingerprints is one signer, in any form of the key.
	ec, e448 := ecSecret(elliptic.P256()), ed448Secret()
	for name, pair := range map[string][2]*forger{
		"Ed25519 at two times":        {newForger(4, 22, a.secret, made.Add(-day)), a},
		"Ed25519 in two forms":        {newForger(4, 27, a.secret, made), a},
		"Ed25519 in versions 4 and 6": {newForger(6, 27, a.secret, made), a},
		"RSA at two times":            {newForger(4, 1, rsaKey(3072), made), newForger(4, 1, rsaKey(3072), made.Add(-day))},
		"RSA and RSA for signing":     {newForger(4, 1, rsaKey(3072), made), newForger(4, 3, rsaKey(3072), made)},
		"ECDSA at two times":          {newForger(4, 19, ec, made), newForger(4, 19, ec, made.Add(-day))},
		"Ed448 in versions 4 and 6":   {newForger(4, 28, e448, made), newForger(6, 28, e448, made)},
	} {
		x, y := pair[0], pair[1]
		twins := append(bytes.Clone(x.certificate()), y.certificate()...)
		byX, byY := x.detached(corpusData), y.detached(corpusData)
		add("twins: "+name, "both count once", 2, twins, byX, byY)
		add("twins: "+name+", once", "", 1, twins, byX, byY)
		add("twins: "+name+", and another key", "", 2, append(bytes.Clone(twins), b.certificate()...), byX, byY, byB)
	}
	adopts := b.cert(id, b.certify("a"), sub.subkeyPacket(), b.bind(sub))
	add("one subkey of two keys", "1 of 2", 2, append(bytes.Clone(withSub), adopts...), bySub, sub.detached(corpusData, madeAt(made.Add(2*day))))
	asSub := newForger(4, 22, a.secret, made.Add(day))
	adoptsPrimary := b.cert(id, b.certify("a"), asSub.subkeyPacket(), b.bind(asSub))
	add("a primary key as the subkey of another", "both count once", 2, append(a.certificate(), adoptsPrimary...), byA, asSub.detached(corpusData))
	add("a primary key and the primary key that has it as a subkey", "", 2, append(a.certificate(), adoptsPrimary...), byA, byB)
	add("stale copy first", "", 1, append(a.cert(id, a.certify("a", keyExpires(50*day))), a.cert(id, a.certify("a", madeAt(now.Add(-60*day))))...), byA)
	add("stale copy last", "", 1, append(a.cert(id, a.certify("a", madeAt(now.Add(-60*day)))), a.cert(id, a.certify("a", keyExpires(50*day)))...), byA)
	add("armored", "", 1, enarmor(armorPublicKey, a.certificate()), byA)
	add("two armored blocks with text between", "", 2, []byte(fmt.Sprintf("keys of acme\n%s\nand\n\n%s", enarmor(armorPublicKey, a.certificate()), enarmor(armorPublicKey, b.certificate()))), byA, byB)
	add("with a certificate of an unknown version", "", 1, append(rawPacket{tagPublicKey, []byte{3, 0, 0, 0, 0, 0, 0, 1}}.appendTo(nil), a.certificate()...), byA)
	return all
}

package verify

import (
	"bytes"
	"crypto/elliptic"
	"encoding/base64"
	"strings"
	"time"
)

// vector is one input of the policy with the expected result. interop_test.go also
// gives the vectors to gpgv and sqv.
type vector struct {
	name      string
	ring      []byte
	data, sig []byte // sig is nil if data is clear-signed
	rule      string // why it is refused, or "" if it is accepted
	policy    func(*Policy)
}

const day = 24 * time.Hour

// Notations with the name "n@x.y" and the value "v".
var (
	notation         = subpacket(subNotation, false, []byte("\x80\x00\x00\x00\x00\x05\x00\x01n@x.yv")...)
	criticalNotation = subpacket(subNotation, true, notation[2:]...)
)

// corpus returns a refused vector and its honest twin for every rule. All times are
// relative to now.
func corpus(now time.Time) []vector {
	now = now.UTC().Truncate(time.Second)
	var all []vector
	for _, group := range []func(time.Time) []vector{
		framingVectors, signatureVectors, algorithmVectors, timeVectors,
		selfSignatureVectors, subkeyVectors, revocationVectors, ringVectors, cleartextVectors,
	} {
		all = append(all, group(now)...)
	}
	return all
}

var corpusData = []byte("format = 1\nchannel = \"acme\"\nserial = 42\n")

func framingVectors(now time.Time) []vector {
	k := newEd25519Key(now.Add(-100 * day))
	good := k.detached(corpusData)
	body := good[2:]
	if len(body) >= 192 {
		body = good[3:]
	}
	armored := string(enarmor(armorSignature, good))
	text64 := base64.StdEncoding.EncodeToString(good)
	sum := "=" + base64.StdEncoding.EncodeToString(crc24(good)) + "\n"
	longLine := "-----BEGIN PGP SIGNATURE-----\n\n" + text64 + "\n" + sum + "-----END PGP SIGNATURE-----\n"
	v := func(name string, sig []byte, rule string) vector {
		return vector{name: "framing/" + name, ring: k.certificate(), data: corpusData, sig: sig, rule: rule}
	}
	text := func(name, sig, rule string) vector { return v(name, []byte(sig), rule) }
	return []vector{
		v("binary", good, ""),
		v("old header", append([]byte{0x88, byte(len(body))}, body...), ""),
		v("old header, two octets of length", append([]byte{0x89, 0, byte(len(body))}, body...), ""),
		v("five octets of length", append([]byte{0xc2, 255, 0, 0, 0, byte(len(body))}, body...), ""),
		v("indeterminate length", append([]byte{0x8b}, body...), "indeterminate length"),
		v("partial length", append(append([]byte{0xc2, 224 + 6}, body[:64]...), append([]byte{byte(len(body) - 64)}, body[64:]...)...), "partial length"),
		v("length of 4 GiB", append([]byte{0xc2, 255, 255, 255, 255, 255}, body...), "longer than the data that holds it"),
		v("cut short", good[:len(good)-1], "longer than the data that holds it"),
		v("header only", good[:1], "cut short"),
		v("empty", nil, "empty"),
		v("white space", []byte(" \n\t\r\n"), "empty"),
		v("octet after", append(bytes.Clone(good), 0), "not an OpenPGP packet"),
		v("newline after", append(bytes.Clone(good), '\n'), "not an OpenPGP packet"),
		v("long body", rawPacket{tagSignature, append(bytes.Clone(body), 0)}.appendTo(nil), "longer or shorter"),
		v("key before", append(k.keyPacket().appendTo(nil), good...), "type 6"),
		v("key after", append(bytes.Clone(good), k.keyPacket().appendTo(nil)...), "type 6"),
		v("literal after", append(bytes.Clone(good), rawPacket{11, []byte("b\x00\x00\x00\x00\x00x")}.appendTo(nil)...), "type 11"),
		v("marker before", append(rawPacket{tagMarker, []byte("PGP")}.appendTo(nil), good...), "type 10"),
		v("unknown packet after", append(bytes.Clone(good), rawPacket{60, []byte("x")}.appendTo(nil)...), "type 60"),
		v("16 signatures", bytes.Repeat(good, 16), ""),
		v("17 signatures", bytes.Repeat(good, 17), "more than 16"),
		v("64 KiB and one octet", append(bytes.Clone(good), make([]byte, maxSignatureBlock+1-len(good))...), "over the limit"),

		text("armor", armored, ""),
		text("armor, CRLF", strings.ReplaceAll(armored, "\n", "\r\n"), ""),
		text("armor, white space around", "\n \t\r\n"+armored+"\n\n  \n", ""),
		text("armor, no last line end", strings.TrimSuffix(armored, "\n"), ""),
		text("armor, headers", strings.Replace(armored, "-----\n\n", "-----\nVersion: GnuPG v2\nComment: höflich\n\n", 1), ""),
		text("armor, header in another encoding", strings.Replace(armored, "-----\n\n", "-----\nComment: h\xf6flich\n\n", 1), ""),
		text("armor, header of two words", strings.Replace(armored, "-----\n\n", "-----\nMy comment: x\n\n", 1), ""),
		text("armor, spaces for the empty line", strings.Replace(armored, "-----\n\n", "-----\n \t\n", 1), ""),
		text("armor, spaces at line ends", strings.ReplaceAll(armored, "\n", "  \n"), ""),
		text("armor, no checksum", strings.Replace(armored, sum, "", 1), ""),
		text("armor, wrong checksum", strings.Replace(armored, sum, "=AAAA\n", 1), "wrong checksum"),
		text("armor, data after checksum", strings.Replace(armored, sum, sum+"AAAA\n", 1), "after its checksum"),
		text("armor, checksum twice", strings.Replace(armored, sum, sum+sum, 1), "after its checksum"),
		text("armor, one long line", longLine, ""),
		text("armor, no empty line", strings.Replace(armored, "-----\n\n", "-----\n", 1), "neither a header nor an empty line"),
		text("armor, form feed for the empty line", strings.Replace(armored, "-----\n\n", "-----\n\f\n", 1), "neither a header nor an empty line"),
		text("armor, escape in a header", strings.Replace(armored, "-----\n\n", "-----\nComment: \x1b[2J\n\n", 1), "control characters"),
		text("armor, no END", armored[:strings.Index(armored, "-----END")], "no END line"),
		text("armor, other END", strings.Replace(armored, "END PGP SIGNATURE", "END PGP MESSAGE", 1), "wrong END"),
		text("armor, other kind", strings.ReplaceAll(armored, "SIGNATURE", "MESSAGE"), "no \"PGP SIGNATURE\" armor"),
		text("armor, text before", "hello\n"+armored, "no \"PGP SIGNATURE\" armor"),
		text("armor, text after", armored+"hello\n", "something follows"),
		text("armor, two blocks", armored+armored, "something follows"),
		text("armor, stray bits", strings.Replace(armored, text64[:20], text64[:10]+"*"+text64[11:20], 1), "not base64"),
		text("armor, empty", "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", "empty"),
		text("not a signature", "<html>404</html>\n", "no \"PGP SIGNATURE\" armor"),
	}
}

func signatureVectors(now time.Time) []vector {
	k, other := newEd25519Key(now.Add(-100*day)), newEd25519Key(now.Add(-100*day))
	six := newForger(6, 27, edSecret(), now.Add(-100*day))
	ring := k.certificate()
	v := func(name, rule string, sig []byte) vector {
		return vector{name: "signature/" + name, ring: ring, data: corpusData, sig: sig, rule: rule}
	}
	changed := func(name, rule string, changes ...change) vector {
		return v(name, rule, k.detached(corpusData, changes...))
	}
	lyingFpr := subpacket(subFingerprint, false, append([]byte{4}, other.fprOctets()...)...)
	badBody := k.sign(0, k.made.Add(day), corpusData)
	longNumber := func() []byte { // the same number with a zero octet before it
		body := k.sign(0, k.made.Add(day), corpusData)
		s, err := parseSignature(body)
		if err != nil {
			panic(err)
		}
		r, t := s.numbers.EdDSASigR.Bytes(), s.numbers.EdDSASigS.Bytes()
		head := body[:len(body)-4-len(r)-len(t)]
		bits := len(r)*8 + 8
		out := append(bytes.Clone(head), byte(bits>>8), byte(bits), 0)
		return append(append(out, r...), mpi(t)...)
	}
	sixRing := six.certificate()
	distrusted := subpacket(subFingerprint, false, append([]byte{4}, (&forger{version: 4, fpr: "3673DF529D9049477F76B37566E3C7DC03D6E495"}).fprOctets()...)...)
	revoker := subpacket(12, true, append([]byte{0x80, other.algo}, other.fprOctets()...)...)
	return []vector{
		changed("good", ""),
		v("of other data", "does not match the content", k.detached([]byte("other"))),
		v("by a stranger", "not among those that may sign", other.detached(corpusData)),
		v("by a stranger and by the key", "", append(other.detached(corpusData), k.detached(corpusData)...)),
		v("by the key and by a stranger", "", append(k.detached(corpusData), other.detached(corpusData)...)),
		v("forged, then good", "", append(k.detached([]byte("other")), k.detached(corpusData)...)),
		v("unreadable, then good", "", append(signaturePacket([]byte{9, 0, 0}).appendTo(nil), k.detached(corpusData)...)),
		changed("key ID only, unhashed", "", k.onlyKeyID),
		changed("no issuer at all", "does not name its key", withoutIssuer),
		changed("hashed issuer is another key", "not among those that may sign", withoutIssuer, withHashed(lyingFpr), withUnhashed(subpacket(subIssuer, false, k.keyID()...))),
		changed("hashed issuer is a distrusted key", "nothing that it signed counts", withoutIssuer, withHashed(distrusted), withUnhashed(subpacket(subIssuer, false, k.keyID()...))),
		changed("two hashed issuers", "not among those that may sign", withHashed(lyingFpr)),
		changed("hashed key ID is another key's", "not among those that may sign", withHashed(subpacket(subIssuer, false, other.keyID()...))),
		changed("unhashed key ID is another key's", "", withUnhashed(subpacket(subIssuer, false, other.keyID()...))),
		changed("text type", "type is 0x01", withKind(1)),
		changed("certification type", "type is 0x13", withKind(0x13)),
		changed("standalone type", "type is 0x02", withKind(2)),
		changed("no creation time", "no creation time", func(m *signatureDraft) { m.noTime = true }),
		changed("creation time unhashed only", "no creation time", func(m *signatureDraft) {
			m.noTime = true
			m.unhashed = append(m.unhashed, subpacket(subCreated, true, 0x60, 0, 0, 0))
		}),
		changed("two creation times", "a time twice", withHashed(subpacket(subCreated, true, 0x60, 0, 0, 0))),
		changed("notation", "", withHashed(notation)),
		changed("critical notation", "critical notation", withHashed(criticalNotation)),
		changed("critical notation, unhashed", "", withUnhashed(criticalNotation)),
		changed("unknown subpacket", "", withHashed(subpacket(101, false, 1, 2))),
		changed("unknown critical subpacket", "critical subpacket of unknown type 101", withHashed(subpacket(101, true, 1, 2))),
		changed("unknown critical subpacket, unhashed", "", withUnhashed(subpacket(101, true, 1, 2))),
		changed("critical revoker", "", withHashed(revoker)),
		changed("critical and not revocable", "", withHashed(subpacket(7, true, 0))),
		changed("not exportable", "", withHashed(subpacket(4, false, 0))),
		changed("signature within", "", withHashed(subpacket(subEmbedded, false, badBody...))),
		changed("signature within, unhashed", "", withUnhashed(subpacket(subEmbedded, false, badBody...))),
		changed("malformed signature within, unhashed", "", withUnhashed(subpacket(subEmbedded, false, 1, 2, 3))),
		changed("malformed issuer, unhashed", "", withUnhashed(subpacket(subIssuer, false, 1, 2, 3))),
		changed("hashed fingerprint of an unknown version", "issuer fingerprint is malformed", withHashed(subpacket(subFingerprint, false, append([]byte{5}, make([]byte, 32)...)...))),
		changed("hashed key ID of seven octets", "subpacket of type 16 in it is malformed", withHashed(subpacket(subIssuer, false, make([]byte, 7)...))),
		changed("notation of another length", "notation in it is malformed", withHashed(subpacket(subNotation, false, notation[2:len(notation)-1]...))),
		changed("lifetime of three octets", "subpacket of type 3 in it is malformed", withHashed(subpacket(subExpires, false, 0, 0, 1))),
		changed("exportable without a value", "subpacket of type 4 in it is malformed", withHashed(subpacket(4, false))),
		changed("trust of one octet", "subpacket of type 5 in it is malformed", withHashed(subpacket(5, false, 1))),
		changed("subpacket cut short", "cut short", withHashed([]byte{9, 100})),
		changed("subpacket of no length", "cut short", withHashed([]byte{0})),
		changed("wrong digest octets", "does not match the content", withWrongTag),
		v("number with a leading zero", "a length other than stated", signaturePacket(longNumber()).appendTo(nil)),
		v("version 3", "version 3 are not accepted", signaturePacket(k.signVersion3(0, k.made.Add(day), corpusData)).appendTo(nil)),
		v("version 3, then good", "", append(signaturePacket(k.signVersion3(0, k.made.Add(day), corpusData)).appendTo(nil), k.detached(corpusData)...)),
		v("version 5", "version 5", signaturePacket(append([]byte{5}, badBody[1:]...)).appendTo(nil)),
		{name: "signature/version 6, salt of another length", ring: sixRing, data: corpusData, sig: six.detached(corpusData, withSalt(16)), rule: "length that its digest requires"},
		{name: "signature/version 6, hashed key ID", ring: sixRing, data: corpusData, sig: six.detached(corpusData, withHashed(subpacket(subIssuer, false, six.keyID()...))), rule: "names its key by a key ID"},
		{name: "signature/version 6", ring: sixRing, data: corpusData, sig: six.detached(corpusData)},
		changed("version 6 by a version 4 key", "a version 4 key can't make a version 6 signature", withVersion(6), withHash(10)),
		{name: "signature/version 4 by a version 6 key", ring: sixRing, data: corpusData, sig: six.detached(corpusData, withVersion(4)),
			rule: "a version 6 key can't make a version 4 signature"},
	}
}

func algorithmVectors(now time.Time) []vector {
	made := now.Add(-100 * day)
	var all []vector
	add := func(name string, k *forger, rule string, changes ...change) {
		all = append(all, vector{name: "algorithm/" + name, ring: k.certificate(), data: corpusData, sig: k.detached(corpusData, changes...), rule: rule})
	}
	k := newEd25519Key(made)
	add("SHA-256", k, "", withHash(8))
	add("SHA-384", k, "", withHash(9))
	add("SHA-512", k, "", withHash(10))
	add("SHA3-256", k, "", withHash(12))
	add("SHA3-512", k, "", withHash(14))
	add("MD5", k, "MD5", withHash(1))
	add("SHA-1", k, "SHA-1", withHash(2))
	add("SHA-224", k, "SHA-224", withHash(11))
	padded := newForger(4, 1, rsaKey(2048), made)
	padded.editPublicKey(func(public []byte) { public[len(public)-4] = 24 }) // bits of an exponent of 17
	add("RSA-2048, exponent of a length other than stated", padded, "keyring")
	add("Ed25519", newForger(4, 27, edSecret(), made), "")
	add("Ed25519, version 6", newForger(6, 27, edSecret(), made), "")
	add("older Ed25519, version 6", newForger(6, 22, edSecret(), made), "keyring")
	add("Ed448", newForger(4, 28, ed448Secret(), made), "")
	add("Ed448, version 6", newForger(6, 28, ed448Secret(), made), "")
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		add("ECDSA "+name, newForger(4, 19, ecSecret(curve), made), "")
	}
	add("RSA-1024", newForger(4, 1, rsaKey(1024), made), "RSA-1024 is not an accepted")
	add("RSA-2047", newForger(4, 1, rsaKey(2047), made), "RSA-2047 is not an accepted")
	add("RSA-2048", newForger(4, 1, rsaKey(2048), made), "")
	add("RSA-3072", newForger(4, 1, rsaKey(3072), made), "")
	add("RSA-2048, sign only", newForger(4, 3, rsaKey(2048), made), "")
	add("RSA-2048, SHA-1", newForger(4, 1, rsaKey(2048), made), "SHA-1", withHash(2))
	return all
}

func timeVectors(now time.Time) []vector {
	made := now.Add(-100 * day)
	k := newEd25519Key(made)
	var all []vector
	add := func(name, rule string, use Use, released time.Time, ring []byte, changes ...change) {
		all = append(all, vector{name: "time/" + name, ring: ring, data: corpusData, sig: k.detached(corpusData, changes...), rule: rule,
			policy: func(p *Policy) { p.Use, p.Released = use, released }})
	}
	ring := k.certificate()
	add("made now", "", Manifest, time.Time{}, ring, madeAt(now))
	add("five minutes ahead", "", Manifest, time.Time{}, ring, madeAt(now.Add(5*time.Minute)))
	add("an hour ahead", "in the future", Manifest, time.Time{}, ring, madeAt(now.Add(time.Hour)))
	add("before its key", "was made only on", Manifest, time.Time{}, ring, madeAt(made.Add(-time.Hour)))
	add("when its key was made", "", Manifest, time.Time{}, ring, madeAt(made))
	add("signature not yet expired", "", Manifest, time.Time{}, ring, sigExpires(100*day))
	add("signature expired", "it expired at", Manifest, time.Time{}, ring, sigExpires(day))
	add("signature expired, release", "it expired at", Release, time.Time{}, ring, sigExpires(day))
	add("signature expires never", "", Manifest, time.Time{}, ring, sigExpires(0))

	expired := k.cert(userIDPacket("a"), k.certify("a", keyExpires(50*day)))
	lasting := k.cert(userIDPacket("a"), k.certify("a", keyExpires(500*day)))
	add("key lasts", "", Manifest, time.Time{}, lasting)
	add("key expired since, manifest", "expired on", Manifest, time.Time{}, expired)
	add("key expired since, release", "", Release, time.Time{}, expired)
	add("key expired before, release", "expired on", Release, time.Time{}, expired, madeAt(made.Add(60*day)))
	add("release signed in time", "", Release, made.Add(2*day), ring)
	add("release signed a day before", "", Release, made.Add(2*day), ring)
	add("release signed long before", "before the release", Release, made.Add(2*day+time.Second), ring)

	renewed := k.cert(userIDPacket("a"), k.certify("a", keyExpires(50*day)), k.certify("a", keyExpires(500*day), madeAt(now.Add(-60*day))))
	onlyRenewed := k.cert(userIDPacket("a"), k.certify("a", keyExpires(500*day), madeAt(now.Add(-60*day))))
	add("key renewed", "", Manifest, time.Time{}, renewed)
	add("only the newer self-signature left", "", Manifest, time.Time{}, onlyRenewed)
	shortened := k.cert(userIDPacket("a"), k.certify("a"), k.certify("a", keyExpires(50*day), madeAt(now.Add(-60*day))))
	add("expiry brought forward", "expired on", Manifest, time.Time{}, shortened)
	future := k.cert(userIDPacket("a"), k.certify("a", madeAt(now.Add(day))))
	add("self-signature from the future", "no valid self-signature", Manifest, time.Time{}, future)
	withFuture := k.cert(userIDPacket("a"), k.certify("a", keyExpires(50*day)), k.certify("a", madeAt(now.Add(day))))
	add("renewal from the future", "expired on", Manifest, time.Time{}, withFuture)
	selfExpired := k.cert(userIDPacket("a"), k.certify("a", sigExpires(50*day)))
	add("self-signature expired", "no valid self-signature", Manifest, time.Time{}, selfExpired)

	ahead := newEd25519Key(now.Add(3 * time.Minute))
	all = append(all, vector{name: "time/key and signature a little ahead", ring: ahead.certificate(), data: corpusData, sig: ahead.detached(corpusData, madeAt(now.Add(4*time.Minute)))})

	old := newForger(4, 1, rsaKey(2048), made)
	young := newForger(4, 1, rsaKey(3072), made)
	y2030 := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, rule string
		key        *forger
		at, now    time.Time
		use        Use
	}{
		{"RSA-2048 at the end of 2029", "", old, y2030.Add(-day), y2030.Add(-time.Hour), Manifest},
		{"RSA-2048 in 2030", "refused from 2030-01-01", old, y2030, y2030.Add(day), Manifest},
		{"RSA-2048 of 2029, manifest in 2030", "refused from 2030-01-01", old, y2030.Add(-day), y2030.Add(day), Manifest},
		{"RSA-2048 of 2029, release in 2030", "", old, y2030.Add(-day), y2030.Add(day), Release},
		{"RSA-3072 in 2030", "", young, y2030, y2030.Add(day), Manifest},
	} {
		all = append(all, vector{name: "time/" + c.name, ring: c.key.certificate(), data: corpusData,
			sig: c.key.detached(corpusData, madeAt(c.at)), rule: c.rule, policy: func(p *Policy) { p.Now, p.Use = c.now, c.use }})
	}
	return all
}

func cleartextVectors(now time.Time) []vector {
	k, other := newEd25519Key(now.Add(-100*day)), newEd25519Key(now.Add(-100*day))
	const text = "Origin: acme\n\n- item \t\nFrom here\nlast"
	msg := string(k.clearsigned(text))
	v := func(name, rule, msg string) vector {
		return vector{name: "cleartext/" + name, ring: k.certificate(), data: []byte(msg), rule: rule}
	}
	swap := func(old, new string) string { return strings.Replace(msg, old, new, 1) }
	sigAt := strings.Index(msg, beginSignature)
	inner := func(headers string) string { return swap(beginSignature+"\n", beginSignature+"\n"+headers+"\n") }
	return []vector{
		v("good", "", msg),
		v("empty text", "", string(k.clearsigned(""))),
		v("text of empty lines", "", string(k.clearsigned("\n\n"))),
		v("dashes", "", string(k.clearsigned("-----BEGIN PGP SIGNATURE-----\n- x\n-"))),
		v("CRLF", "", strings.ReplaceAll(msg, "\n", "\r\n")),
		v("CRLF in the text only", "", msg[:strings.Index(msg, "Origin")]+strings.ReplaceAll(msg[strings.Index(msg, "Origin"):sigAt], "\n", "\r\n")+msg[sigAt:]),
		v("more white space at a line's end", "", swap("Origin: acme\n", "Origin: acme \t \n")),
		v("empty lines after", "", msg+"\n\r\n\n"),
		v("no line end after", "", strings.TrimSuffix(msg, "\n")),
		v("no Hash header", "", swap("Hash: SHA512\n", "")),
		v("several digests", "", swap("Hash: SHA512\n", "Hash: SHA512, SHA256\nHash: SHA3-256\n")),
		v("Hash header says another digest", "", swap("SHA512", "SHA256")),
		v("spaces for the empty line", "", swap("SHA512\n\n", "SHA512\n \t\n")),
		v("changed text", "does not match the content", swap("acme", "evil")),
		v("added empty line", "does not match the content", swap("\nlast", "\n\nlast")),
		v("added line end", "does not match the content", swap("last\n", "last\n\n")),
		v("white space within a line", "does not match the content", swap("Origin: acme", "Origin:  acme")),
		v("form feed at a line's end", "does not match the content", swap("acme\n", "acme\f\n")),
		v("no-break space at a line's end", "does not match the content", swap("acme\n", "acme\u00a0\n")),
		v("lone CR in the text", "carriage return", swap("acme", "ac\rme")),
		v("CR CR LF", "carriage return", swap("acme\n", "acme\r\r\n")),
		v("form feed for the empty line", "other than Hash", swap("SHA512\n\n", "SHA512\n\f\n")),
		v("vertical tab for the empty line", "other than Hash", swap("SHA512\n\n", "SHA512\n\v\n")),
		v("no-break space for the empty line", "other than Hash", swap("SHA512\n\n", "SHA512\n\u00a0\n")),
		v("em space for the empty line", "other than Hash", swap("SHA512\n\n", "SHA512\n\u2003\n")),
		v("no empty line", "other than Hash", swap("SHA512\n\n", "SHA512\n")),
		v("other header", "other than Hash", swap("SHA512\n", "SHA512\nComment: x\n")),
		v("every digest there is", "", swap("SHA512\n", "MD5,SHA1, RIPEMD160,SHA224,SHA256\nHash: SHA384,SHA512,SHA3-256, SHA3-512\n")),
		v("text in the Hash header", "malformed Hash", swap("SHA512\n", "SHA512 \x1b[2J\n")),
		v("words in the Hash header", "malformed Hash", swap("SHA512\n", "SHA512, this release is withdrawn\n")),
		v("one word for the Hash header", "malformed Hash", swap("SHA512\n", "withdrawn\n")),
		v("a digest in small letters", "malformed Hash", swap("SHA512\n", "sha512\n")),
		v("no digest in the Hash header", "other than Hash", swap("SHA512\n", " \n")),
		v("a comma and no digest", "malformed Hash", swap("SHA512\n", "SHA512,\n")),
		v("too many digests", "more than 16 names", swap("SHA512\n", strings.Repeat("SHA512,", 16)+"SHA512\n")),
		v("too many Hash headers", "more than 16 names", swap("Hash: SHA512\n", strings.Repeat("Hash: SHA512\n", 17))),
		v("a program in the signature's headers", "", inner("Version: GnuPG v1.4.11 (Darwin)")),
		v("a program and its comment", "", inner("Version: GnuPG/MacGPG2 v2.0.17 (Darwin)\nComment: GPGTools - http://gpgtools.org/")),
		v("a program of two words", "", inner("Version: Keybase OpenPGP v2.0.8\nComment: https://keybase.io/crypto")),
		v("words for a program", "outside its signed text", inner("Version: this release is withdrawn")),
		v("words after a program", "outside its signed text", inner("Version: GnuPG v1 is broken")),
		v("words in a comment", "outside its signed text", inner("Comment: this release is withdrawn, use http://evil.example")),
		v("words in another header", "outside its signed text", inner("Note: x")),
		v("words in a second header", "outside its signed text", inner("Version: GnuPG v1\nVersion: evil example, version one")),
		v("many headers", "more than 8 armor headers", inner(strings.Repeat("Version: GnuPG v1\n", 8)+"Version: GnuPG v2")),
		v("text before", "does not begin with", "hello\n"+msg),
		v("empty line before", "does not begin with", "\n"+msg),
		v("byte order mark", "does not begin with", "\ufeff"+msg),
		v("text after BEGIN", "does not begin with", swap("MESSAGE-----\n", "MESSAGE----- x\n")),
		v("text after", "something follows", msg+"hello\n"),
		v("two messages", "something follows", msg+msg),
		v("dash not escaped", "", strings.Replace(string(k.clearsigned("a\n-item\n-")), "\n- ", "\n", -1)),
		v("five dashes not escaped", "looks like armor", strings.Replace(string(k.clearsigned("a\n-----x")), "\n- ", "\n", -1)),
		v("message within the text, not escaped", "looks like armor", strings.Replace(string(k.clearsigned("a\n"+beginSigned+"\n\nb")), "\n- ", "\n", -1)),
		v("no signature", "has no signature", msg[:sigAt]),
		v("nothing but the first line", "has no text", beginSigned+"\n"),
		v("empty file", "does not begin with", ""),
		v("signature without END", "no END line", msg[:strings.Index(msg, "-----END")]),
		v("binary type", "type is 0x00", string(k.clearsigned(text, withKind(0)))),
		v("SHA-1", "SHA-1", string(k.clearsigned(text, withHash(2)))),
		v("by a stranger", "not among those that may sign", string(other.clearsigned(text))),
		v("detached signature alone", "does not begin with", string(enarmor(armorSignature, k.detached([]byte("x"))))),
	}
}

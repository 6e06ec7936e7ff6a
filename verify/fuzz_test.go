package verify

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"pgregory.net/rapid"
)

func FuzzArmor(f *testing.F) {
	for _, v := range framingVectors(testNow) {
		f.Add(v.sig)
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		decoded, rest, err := dearmor(armorSignature, block)
		if err != nil {
			return
		}
		if len(decoded) > len(block) || len(rest) > len(block) {
			t.Fatalf("the output is longer than the input")
		}
		again, rest, err := dearmor(armorSignature, enarmor(armorSignature, decoded))
		if err != nil || len(rest) != 0 || !bytes.Equal(again, decoded) {
			t.Fatalf("written again: %v", err)
		}
	})
}

func FuzzPackets(f *testing.F) {
	for _, v := range framingVectors(testNow) {
		f.Add(v.sig)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		packets, err := splitPackets(data, 1000)
		if err != nil {
			return
		}
		size := 0
		for _, p := range packets {
			size += len(p.body)
		}
		if size+2*len(packets) > len(data) {
			t.Fatalf("%d octets in packets of %d", size, len(data))
		}
		again, err := splitPackets(joinPackets(packets), 1000)
		if err != nil || !slices.EqualFunc(packets, again, func(a, b rawPacket) bool { return a.tag == b.tag && bytes.Equal(a.body, b.body) }) {
			t.Fatalf("written again: %v", err)
		}
	})
}

func FuzzSignature(f *testing.F) {
	for _, v := range slices.Concat(signatureVectors(testNow), timeVectors(testNow)) {
		if packets, err := signatureBlock(v.sig); err == nil {
			f.Add(packets[0].body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parseSignature(body)
		if err != nil {
			return
		}
		if s.version == 3 || s.flaw != "" {
			return
		}
		parsed, err := packet.Read(bytes.NewReader(rawPacket{tagSignature, body}.appendTo(nil)))
		if err != nil {
			return // the library is stricter with what means nothing here
		}
		theirs := parsed.(*packet.Signature)
		if theirs.Version != s.version || theirs.SigType != s.kind || theirs.PubKeyAlgo != s.algorithm || theirs.Hash != digests[s.hash].hash ||
			!theirs.CreationTime.Equal(s.created) || !bytes.Equal(theirs.HashTag[:], s.digestPrefix) || !bytes.Equal(theirs.HashSuffix, s.trailer) {
			t.Fatalf("the library reads something else: %+v", theirs)
		}
		if (s.lifetime == nil) != (theirs.SigLifetimeSecs == nil) || (s.keyLifetime == nil) != (theirs.KeyLifetimeSecs == nil) {
			t.Fatalf("the library reads other times: %+v", theirs)
		}
		if s.flags != nil && (*s.flags&flagSign != 0) != theirs.FlagSign {
			t.Fatalf("the library reads other flags: %+v", theirs)
		}
		for _, pair := range [][2]encoding{{theirs.RSASignature, s.numbers.RSASignature}, {theirs.EdDSASigR, s.numbers.EdDSASigR},
			{theirs.EdDSASigS, s.numbers.EdDSASigS}, {theirs.ECDSASigR, s.numbers.ECDSASigR}, {theirs.ECDSASigS, s.numbers.ECDSASigS}} {
			if (pair[0] == nil) != (pair[1] == nil) || pair[0] != nil && !bytes.Equal(pair[0].Bytes(), pair[1].Bytes()) {
				t.Fatalf("the library reads other numbers: %+v", theirs)
			}
		}
		if !bytes.Equal(theirs.EdSig, s.numbers.EdSig) {
			t.Fatalf("the library reads another signature: %+v", theirs)
		}
	})
}

// encoding is implemented by the numbers of the library.
type encoding interface{ Bytes() []byte }

func FuzzCleartext(f *testing.F) {
	for _, v := range cleartextVectors(testNow) {
		f.Add(v.data)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		message, err := splitCleartext(msg)
		if err != nil {
			return
		}
		if !bytes.Equal(bytes.ReplaceAll(message.text, []byte("\n"), []byte("\r\n")), message.canonical) {
			t.Fatalf("the text %q is not what is signed, %q", message.text, message.canonical)
		}
		if bytes.ContainsRune(message.text, '\r') {
			t.Fatalf("a carriage return in %q", message.text)
		}
		// No free text stands outside the signed text.
		head, _, _ := strings.Cut(strings.ReplaceAll(string(msg), "\r\n", "\n"), "\n"+beginSignature)
		for _, line := range strings.Split(head, "\n")[1:] {
			if line = strings.TrimRight(line, " \t\r"); line == "" {
				break
			}
			for _, word := range strings.FieldsFunc(strings.TrimPrefix(line, "Hash: "), func(r rune) bool { return r == ',' || r == ' ' }) {
				if !slices.Contains(hashNames, word) {
					t.Fatalf("a header says %q", line)
				}
			}
		}
		if err := checkSignedHeaders(message.block); err != nil {
			t.Fatal(err)
		}
		// The text, encoded by the reference, reads back as itself.
		canonical, shown := canonicalText(string(message.text))
		again, err := splitCleartext([]byte(beginSigned + "\n\n" + shown + "\n" + string(message.block)))
		if err != nil || !bytes.Equal(again.text, message.text) || !bytes.Equal(again.canonical, canonical) {
			t.Fatalf("written again: %v, %q", err, again.text)
		}
	})
}

func FuzzKeyring(f *testing.F) {
	for _, v := range slices.Concat(selfSignatureVectors(testNow), subkeyVectors(testNow), revocationVectors(testNow)) {
		f.Add(v.ring)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		ring, err := OpenKeyring(file)
		if err != nil {
			if !errors.Is(err, ErrUntrusted) {
				t.Fatalf("the wrong kind of error: %v", err)
			}
			return
		}
		exported := ring.Export()
		again, err := OpenKeyring(exported...)
		if err != nil || !slices.EqualFunc(exported, again.Export(), bytes.Equal) {
			t.Fatalf("exported and read again: %v", err)
		}
		if len(ring.Certificates()) != len(exported) || len(ring.Pins()) != len(exported) {
			t.Fatal("certificates are missing from the description")
		}
		Lint(ring, testNow)
	})
}

// Any text is proved without the white space at the end of its lines.
func TestClearsignedReturnsTheSignedText(t *testing.T) {
	k := newEd25519Key(testNow.Add(-100 * day))
	p := Policy{Keys: mustOpen(t, k.certificate()), Threshold: 1, Now: testNow}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab-  \t\n\n\f\x00é-"))).Draw(t, "text")
		msg := string(k.clearsigned(text))
		if rapid.Bool().Draw(t, "crlf") {
			msg = strings.ReplaceAll(msg, "\n", "\r\n")
		}
		doc, err := p.Clearsigned("x", []byte(msg))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, line := range strings.Split(text, "\n") {
			want = append(want, strings.TrimRight(line, " \t"))
		}
		if got := string(doc.Bytes()); got != strings.Join(want, "\n") {
			t.Fatalf("got %q, want %q", got, strings.Join(want, "\n"))
		}
	})
}

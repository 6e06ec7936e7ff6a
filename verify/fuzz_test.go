package verify

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

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
			t.Fatalf("more comes out than went in")
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
		if s.lib.Version != s.version || s.lib.SigType != s.kind || s.lib.PubKeyAlgo != s.algorithm || !s.lib.CreationTime.Equal(s.created) {
			t.Fatalf("the library reads something else: %+v", s.lib)
		}
		if (s.lifetime == nil) != (s.lib.SigLifetimeSecs == nil) || (s.keyLifetime == nil) != (s.lib.KeyLifetimeSecs == nil) {
			t.Fatalf("the library reads other times: %+v", s.lib)
		}
		if s.flags != nil && (*s.flags&flagSign != 0) != s.lib.FlagSign {
			t.Fatalf("the library reads other flags: %+v", s.lib)
		}
	})
}

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
		// The text written by the book reads back as itself.
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

// Whatever the text: what is proved is the text without white space at the end
// of its lines.
func TestClearsignedText(t *testing.T) {
	k := ed(testNow.Add(-100 * day))
	p := Policy{Keys: mustOpen(t, k.plain()), Threshold: 1, Now: testNow}
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

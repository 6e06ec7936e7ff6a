package verify

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestPolicyRefusesIncompleteSettings(t *testing.T) {
	k := newEd25519Key(testNow.Add(-100 * day))
	good := Policy{Keys: mustOpen(t, k.certificate()), Threshold: 1, Now: testNow}
	sig := k.detached(corpusData)
	if _, err := good.Detached("x", corpusData, sig); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, rule string
		change     func(*Policy)
	}{
		{"no keyring", "no keyring", func(p *Policy) { p.Keys = nil }},
		{"an empty keyring", "no keyring", func(p *Policy) { p.Keys = &Keyring{} }},
		{"threshold 0", "threshold below 1", func(p *Policy) { p.Threshold = 0 }},
		{"threshold -1", "threshold below 1", func(p *Policy) { p.Threshold = -1 }},
		{"threshold 2 of 1", "1 of 2 required", func(p *Policy) { p.Threshold = 2 }},
		{"no clock", "no current time", func(p *Policy) { p.Now = time.Time{} }},
		{"an unknown use", "use of the signature is not given", func(p *Policy) { p.Use = 7 }},
	} {
		p := good
		c.change(&p)
		doc, err := p.Detached("x", corpusData, sig)
		if !errors.Is(err, ErrUntrusted) || !doc.IsZero() || !strings.Contains(err.Error(), c.rule) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestClearsignedCeiling(t *testing.T) {
	k := newEd25519Key(testNow.Add(-100 * day))
	p := Policy{Keys: mustOpen(t, k.certificate()), Threshold: 1, Now: testNow}
	around := len(k.clearsigned(""))
	largest := k.clearsigned(strings.Repeat("a", maxClearsigned-around-8))
	for len(largest) < maxClearsigned { // signatures vary in length by an octet or two
		largest = append(largest, '\n')
	}
	if _, err := p.Clearsigned("x", largest); err != nil {
		t.Error(err)
	}
	if _, err := p.Clearsigned("x", append(largest, '\n')); err == nil || !strings.Contains(err.Error(), "over the limit") {
		t.Errorf("one octet more: %v", err)
	}
}

func TestSignatureErrorListsEveryRefusal(t *testing.T) {
	made := testNow.Add(-100 * day)
	a, b, stranger := newEd25519Key(made), newEd25519Key(made), newEd25519Key(made)
	p := Policy{Keys: mustOpen(t, a.certificate(), b.cert(userIDPacket("b"), b.certify("b", keyExpires(50*day)))), Threshold: 2, Now: testNow}
	block := bytes.Join([][]byte{a.detached(corpusData), b.detached(corpusData), stranger.detached(corpusData)}, nil)
	_, err := p.Detached("channel.toml", corpusData, block)
	var refused *SignatureError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	if refused.Name != "channel.toml" || refused.Need != 2 || len(refused.Wanted) != 2 || len(refused.Got) != 1 || refused.Got[0] != a.fpr {
		t.Errorf("got %+v", refused)
	}
	want := []string{"signature 2: by key " + string(b.fpr), "signature 3: by key " + string(stranger.fpr)}
	if len(refused.Rules) != 2 {
		t.Fatalf("got %q", refused.Rules)
	}
	for i := range want {
		if !strings.HasPrefix(refused.Rules[i], want[i]) {
			t.Errorf("got %q, want %q…", refused.Rules[i], want[i])
		}
	}
}

// unreliable is a file that fails after n octets.
type unreliable struct {
	io.ReadSeeker
	n int
}

var errDisk = errors.New("the disk failed")

func (u *unreliable) Read(p []byte) (int, error) {
	if u.n == 0 {
		return 0, errDisk
	}
	n, err := u.ReadSeeker.Read(p[:min(len(p), u.n)])
	u.n -= n
	return n, err
}

func TestFileProvesAStream(t *testing.T) {
	k, stranger := newEd25519Key(testNow.Add(-100*day)), newEd25519Key(testNow.Add(-100*day))
	p := Policy{Keys: mustOpen(t, k.certificate()), Threshold: 1, Now: testNow, Use: Release}
	content := bytes.Repeat([]byte("toolchain "), 100_000)
	sig := k.detached(content)
	file := bytes.NewReader(content)
	if _, err := file.Seek(10, io.SeekStart); err != nil { // File must start at the beginning
		t.Fatal(err)
	}
	evidence, err := p.File("go.tar.gz", file, sig)
	if err != nil {
		t.Fatal(err)
	}
	if evidence.Digest != DigestOf(content) || evidence.Kind != ByDetached || evidence.Signers[0].Primary != k.fpr {
		t.Errorf("got %+v", evidence)
	}
	content[len(content)-1]++
	if evidence, err = p.File("go.tar.gz", bytes.NewReader(content), sig); !errors.Is(err, ErrUntrusted) || evidence.Kind != "" {
		t.Errorf("changed: %+v, %v", evidence, err)
	}
	if _, err := p.File("go.tar.gz", &unreliable{file, 1000}, sig); !errors.Is(err, errDisk) || errors.Is(err, ErrUntrusted) {
		t.Errorf("a failing disk: %v", err)
	}
	if _, err := p.File("go.tar.gz", &unreliable{file, 0}, stranger.detached(content)); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a stranger's signature, which is refused before reading: %v", err)
	}
}

// Changing the input afterwards does not change the document.
func TestDocumentCopiesItsBytes(t *testing.T) {
	k := newEd25519Key(testNow.Add(-100 * day))
	p := Policy{Keys: mustOpen(t, k.certificate()), Threshold: 1, Now: testNow}
	data := bytes.Clone(corpusData)
	doc, err := p.Detached("x", data, k.detached(data))
	if err != nil {
		t.Fatal(err)
	}
	msg := k.clearsigned("text")
	text, err := p.Clearsigned("x", msg)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	clear(msg)
	doc.Bytes()[0] = 'x'
	text.Bytes()[0] = 'x'
	if !bytes.Equal(doc.Bytes(), corpusData) || string(text.Bytes()) != "text" {
		t.Errorf("got %q and %q", doc.Bytes(), text.Bytes())
	}
	child, err := doc.Child("y", []byte("child"), DigestOf([]byte("child")))
	if err != nil || child.Evidence().Root().Signers[0].Primary != k.fpr {
		t.Errorf("got %+v, %v", child.Evidence(), err)
	}
	if _, err := doc.Child("y", []byte("changed"), DigestOf([]byte("child"))); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a changed child: %v", err)
	}
	if _, err := (Document{}).Child("y", []byte("child"), DigestOf([]byte("child"))); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a child of the zero document: %v", err)
	}
}

// A subkey with a back-signature for each of two certificates counts once.
func TestSharedSubkeyCountsOnce(t *testing.T) {
	made := testNow.Add(-100 * day)
	a, b, sub := newEd25519Key(made), newEd25519Key(made), newEd25519Key(made)
	shared := func(p *forger) []byte {
		return p.cert(userIDPacket("p"), p.certify("p"), sub.subkeyPacket(), p.bind(sub))
	}
	ring := mustOpen(t, shared(a), shared(b))
	block := append(sub.detached(corpusData), sub.detached(corpusData, madeAt(made.Add(2*day)))...)
	for threshold, want := range map[int]bool{1: true, 2: false} {
		_, err := Policy{Keys: ring, Threshold: threshold, Now: testNow}.Detached("x", corpusData, block)
		if (err == nil) != want {
			t.Errorf("threshold %d: %v", threshold, err)
		}
	}
}

func TestPolicyCanRequireArmor(t *testing.T) {
	k := newEd25519Key(testNow.Add(-100 * day))
	p := Policy{Keys: mustOpen(t, k.certificate()), Threshold: 1, Now: testNow}
	binary := k.detached(corpusData)
	armored := enarmor(armorSignature, binary)
	for _, c := range []struct {
		demanded bool
		sig      []byte
		rule     string
	}{
		{false, binary, ""}, {false, armored, ""}, {true, armored, ""},
		{true, binary, "must be one armor block"}, {true, nil, "is empty"},
	} {
		p.Armored = c.demanded
		_, err := p.Detached("x", corpusData, c.sig)
		if c.rule == "" && err != nil || c.rule != "" && (!errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), c.rule)) {
			t.Errorf("armor demanded: %v, %.1q: %v", c.demanded, c.sig, err)
		}
	}
}

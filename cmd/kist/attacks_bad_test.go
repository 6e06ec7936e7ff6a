package main

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// badReleases are attacks with releases that are validly signed, and bad all the same.
func badReleases() []attack {
	const class = "bad release"
	return []attack{
		{class, "a new one, in the hours before anybody notices", 5, func(b *battle, honest bool) []string {
			b.policy(`minimum_age = "72h"`)
			b.serve(b.dated(either(honest, 96, 2), "1.1"), b.first)
			return installNew
		}},
		{class, "a new one, and a flag that asks for no age", 5, func(b *battle, honest bool) []string {
			b.policy(`minimum_age = "72h"`)
			b.serve(b.dated(either(honest, 96, 2), "1.1"), b.first)
			return append(slices.Clone(installNew), "--minimum-age", "0s")
		}},
		{class, "a new one without a date", 5, func(b *battle, honest bool) []string {
			b.policy(`minimum_age = "72h"`)
			b.publish("1.0", "1.1")
			if honest { // it was here for four days, whenever it is signed again
				if code, said := b.kist(installNew...); code != 5 {
					b.Fatalf("exit code %d: %s", code, said)
				}
			}
			b.now = b.now.AddDate(0, 0, 4)
			b.publish("1.0", "1.1")
			return installNew
		}},
		{class, "one that is dated after its manifest", 4, func(b *battle, honest bool) []string {
			m := b.next("1.1")
			m.Releases[0].Released = m.Issued.Add(either(honest, -time.Hour, time.Second))
			if honest {
				b.serve(m, b.first)
				return installNew
			}
			issued := m.Issued
			m.Issued = m.Issued.Add(time.Minute) // Encode would refuse it
			data, err := m.Encode()
			if err != nil {
				b.Fatal(err)
			}
			text := strings.Replace(string(data), m.Issued.Format(time.RFC3339), issued.Format(time.RFC3339), 1)
			b.serveText([]byte(text), b.first)
			return installNew
		}},
		{class, "one that its publisher withdrew", 4, func(b *battle, honest bool) []string {
			b.serve(b.withdrawing(b.next("1.0", "1.1"), either(honest, "=1.2", "<1.2 >1.0")), b.first)
			return installNew
		}},
		{class, "an older manifest, from before the withdrawal", 5, func(b *battle, honest bool) []string {
			b.publish("1.0", "1.1")
			old, oldSig := b.manifest, b.manSig
			b.serve(b.withdrawing(b.next("1.0", "1.1"), either(honest, "1.2", "1.1")), b.first)
			b.must("channel", "refresh", "acme")
			if !honest {
				b.Files[acmeURL+channelFile], b.Files[acmeURL+channelFile+".asc"] = old, oldSig
			}
			return installNew
		}},
		{class, "one that policy.toml denies", 4, func(b *battle, honest bool) []string {
			b.policy(either(honest, `deny = ["bolt/hello@1.1"]`, `deny = ["acme/hello@>1.0"]`))
			b.publish("1.0", "1.1")
			return installNew
		}},
		{class, "one that was withdrawn after it was installed", 1, func(b *battle, honest bool) []string {
			b.serve(b.withdrawing(b.next("1.0", "1.1"), either(honest, "1.1", "1.0")), b.first)
			b.must("channel", "refresh", "acme")
			b.Files = nil // no network from here on
			return []string{"audit"}
		}},
	}
}

// policy writes the user's policy file.
func (b *battle) policy(rules string) {
	b.Helper()
	if err := os.WriteFile(b.file(".config/kist/policy.toml"), []byte("format = 1\n"+rules+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
}

// dated returns the next manifest, whose releases were released hours ago.
func (b *battle) dated(hours int, versions ...string) *native.Manifest {
	m := b.next(versions...)
	for i := range m.Releases {
		m.Releases[i].Released = b.now.Add(-time.Duration(hours) * time.Hour)
	}
	return m
}

// withdrawing returns m, which also withdraws versions of hello.
func (b *battle) withdrawing(m *native.Manifest, versions string) *native.Manifest {
	m.Withdrawn = append(m.Withdrawn, verify.Withdrawal{Tool: "hello", Versions: versions, Reason: "the build server was taken over", Since: b.now.Add(-time.Hour)})
	return m
}

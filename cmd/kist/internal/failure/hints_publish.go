package failure

import (
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/publish/push"
	"github.com/kist-tools/kist/verify"
)

// publisherHints returns the rows for publish verbs: what to do about a channel of one's
// own that users would refuse.
func publisherHints() []hintRow {
	return []hintRow{
		hintFor("untrusted", func(e *publish.KeyError, _ Context) string { return e.Findings[0].Remedy }),
		hintFor("stale", func(e *verify.ExpiredError, _ Context) string {
			if e.Issued.After(e.Now) {
				return "check whether this machine's clock is right"
			}
			return "sign it again: kist publish sign DIR --secret-key FILE, or for the keys kist publish keys DIR --secret-key FILE"
		}),
		fixedHint[*verify.DowngradeError]("stale", "a newer one was published meanwhile: kist publish sign DIR --unsigned-out FILE writes what to sign now"),
		fixedHint[*publish.PageError]("refused", "move it away, then run the same command again"),
		hintIf(push.ErrTaken, "stale", "sign it again, which gives it a later serial: kist publish sign DIR --secret-key FILE"),
		hintIf(push.ErrNewer, "stale", "push from the directory that has the newest edition, or sign this one until its serial is later"),
		hintIf(push.ErrOther, "refused", "name a repository of the channel's own"),
		fixedHint[error]("stale", "put back keys.toml and what is in keys/ as kist publish keys wrote them"),
		hintFor("untrusted", func(_ *verify.SignatureError, c Context) string {
			if c.Verb == "publish verify" {
				return "have enough of those keys sign: kist publish sign DIR --secret-key FILE"
			}
			return "sign the very bytes that --unsigned-out FILE writes, with a key of the channel: gpg --armor --detach-sign FILE"
		}),
		fixedHint[*manifests.FormatError]("untrusted", "correct that in a text editor, then kist publish sign DIR --secret-key FILE"),
		fixedHint[*namedfiles.KeyError]("untrusted", "name a file of OpenPGP public keys, as gpg --armor --export writes it"),
		fixedHint[*install.EntryError]("untrusted", "users refuse such an archive: pack it again without that, and add it with kist publish add"),
		fixedHint[*verify.DigestError]("untrusted", "put the file back as it was signed, or add the new one with kist publish add, then kist publish sign"),
		hintFor("untrusted", func(_ error, c Context) string {
			if c.Verb == "publish verify" {
				return "change the release with kist publish add, edit or remove, then kist publish sign"
			}
			return "check that it is the right file"
		}),
	}
}

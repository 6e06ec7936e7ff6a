package pagetext

import (
	"bytes"
	"fmt"
	"html"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// markup is HTML that this package has as a constant. Nothing is ever converted to it, so
// that no text from elsewhere can be one: a constant needs no conversion.
type markup string

// A writer writes HTML. html/template would do the same in a binary that is larger by a
// sixth, because it calls methods by name.
type writer struct{ bytes.Buffer }

// put writes m with the texts in place of its "%", escaped for an element's content or for
// an attribute in double quotes; m has them nowhere else. What no page should show
// (verify.Printable) is replaced.
func (w *writer) put(m markup, texts ...string) {
	parts := strings.Split(string(m), "%")
	if len(parts) != len(texts)+1 {
		panic(fmt.Sprintf("%d texts for %q", len(texts), m))
	}
	w.WriteString(parts[0])
	for i, text := range texts {
		w.WriteString(html.EscapeString(verify.Printable(text)))
		w.WriteString(parts[i+1])
	}
}

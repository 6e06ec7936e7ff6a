package failure

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/transport"
)

// statusHint returns what to do if a server or a proxy asks for a login. For other answers
// it returns "".
func (c Context) statusHint(e *transport.StatusError) string {
	const unauthorized, forbidden, proxyAuthRequired = 401, 403, 407 // RFC 9110, section 15.5
	file := filepath.Join(c.Config, "kist", config.File)
	switch {
	case e.Code == proxyAuthRequired:
		return "give the proxy's user and password in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: http://USER:PASSWORD@HOST:PORT"
	case e.Code != unauthorized && e.Code != forbidden || e.Server == "":
		return ""
	case e.Shown == transport.FromURL:
		return "it was shown the user and password of its URL; those of a channel are in " + filepath.Join(c.Config, "kist", "channels", "NAME.credential")
	case filepath.Base(e.Shown) == config.File:
		return fmt.Sprintf("it was shown what a [[credential]] of %s names; correct it there", e.Shown)
	case e.Shown != "":
		return fmt.Sprintf("it was shown the user and password of %s; correct them there", e.Shown)
	case e.Registry:
		return fmt.Sprintf("if it wants a login, use docker login or podman login, or add a [[credential]] with url = %q to %s", e.Server+"/", file)
	case strings.HasPrefix(e.Server, "https:"):
		return fmt.Sprintf("if it wants a password or token, add a [[credential]] with url = %q to %s, or the host to a netrc file", e.Server+"/", file)
	}
	return fmt.Sprintf("if it wants a password or token, add a [[credential]] with url = %q to %s", e.Server+"/", file)
}

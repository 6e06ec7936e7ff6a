package config

import (
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// MaxNetrc is the ceiling on a netrc file, in bytes.
const MaxNetrc = 256 << 10

// A Machine is an entry of a netrc file: the user and password for one host.
type Machine struct{ Host, Login, Password string }

// A Netrc is the entries of a netrc file, in its order.
type Netrc []Machine

// For returns the first entry for a host that has a login or a password.
func (n Netrc) For(host string) (found Machine, ok bool) {
	for _, m := range n {
		if strings.EqualFold(m.Host, host) && (m.Login != "" || m.Password != "") {
			return m, true
		}
	}
	return Machine{}, false
}

// ParseNetrc parses a netrc file: machine, login, password, account, macdef, tokens in
// double quotes, and comments that begin with "#" where a keyword could be. Keywords that
// it does not know are skipped, as other programs skip them. Its errors never repeat
// what the file holds.
//
// An entry "default" ends the list and is not used, as in the go command: it would show
// a password to every server that kist asks.
//
// Sources: netrc(5), ftp(1), and the documentation of curl for quoted tokens.
func ParseNetrc(data []byte) (Netrc, error) {
	if len(data) > MaxNetrc {
		return nil, &manifests.TooLargeError{Name: "netrc", Limit: MaxNetrc}
	}
	var list Netrc
	in := netrcScanner{rest: string(data), line: 1}
	for {
		word, ok, err := in.next()
		if err != nil || !ok {
			return list, err
		}
		if word[0] == '#' {
			in.skipLine()
			continue
		}
		switch word {
		case "default":
			return list, nil
		case "macdef":
			in.skipMacro()
		case "machine", "login", "password", "account":
			value, _, err := in.next()
			if err != nil {
				return nil, err
			}
			if strings.ContainsFunc(value, isControl) {
				return nil, fmt.Errorf("line %d: a control character", in.line)
			}
			switch {
			case word == "machine":
				list = append(list, Machine{Host: value})
			case len(list) == 0:
				return nil, fmt.Errorf("line %d: %s comes before the first machine", in.line, word)
			case word == "login":
				list[len(list)-1].Login = value
			case word == "password":
				list[len(list)-1].Password = value
			}
		}
	}
}

// isControl reports whether r must not be part of a user, password or token: it would end
// a line of a request or of a helper's input.
func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// A netrcScanner splits the text of a netrc file into tokens.
type netrcScanner struct {
	rest string
	line int // of the beginning of rest
}

// next returns the next token, without quotes and escapes. ok is false at the end.
func (s *netrcScanner) next() (token string, ok bool, err error) {
	start := strings.TrimLeft(s.rest, " \t\r\n")
	s.advance(len(s.rest) - len(start))
	if start == "" {
		return "", false, nil
	}
	if start[0] == '"' {
		return s.quoted()
	}
	end := strings.IndexAny(start, " \t\r\n")
	if end < 0 {
		end = len(start)
	}
	s.advance(end)
	return start[:end], true, nil
}

// quoted returns the token in double quotes at the beginning of rest. A backslash escapes
// the next character; \n, \r and \t mean what they mean in C.
func (s *netrcScanner) quoted() (token string, ok bool, err error) {
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		c := s.rest[i]
		switch {
		case c == '"':
			s.advance(i + 1)
			if b.Len() == 0 {
				return "", false, fmt.Errorf("line %d: an empty token", s.line)
			}
			return b.String(), true, nil
		case c == '\n':
			return "", false, fmt.Errorf("line %d: a quotation mark is not closed", s.line)
		case c == '\\' && i+1 < len(s.rest):
			i++
			if c = s.rest[i]; strings.IndexByte("nrt", c) >= 0 {
				c = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t'}[c]
			}
		}
		b.WriteByte(c)
	}
	return "", false, fmt.Errorf("line %d: a quotation mark is not closed", s.line)
}

// skipLine skips the rest of the line.
func (s *netrcScanner) skipLine() {
	if end := strings.IndexByte(s.rest, '\n'); end >= 0 {
		s.advance(end)
		return
	}
	s.advance(len(s.rest))
}

// skipMacro skips a macro, which ends at an empty line.
func (s *netrcScanner) skipMacro() {
	s.skipLine()
	for s.rest != "" {
		s.advance(1) // the line break
		line, _, _ := strings.Cut(s.rest, "\n")
		s.skipLine()
		if strings.Trim(line, "\r") == "" {
			return
		}
	}
}

func (s *netrcScanner) advance(n int) {
	s.line += strings.Count(s.rest[:n], "\n")
	s.rest = s.rest[n:]
}

package oci

import (
	"strings"
)

// A Challenge is one way in which a server asks to be shown who asks. RFC 9110, section
// 11.3.
type Challenge struct {
	Scheme     string            // in lower case
	Parameters map[string]string // by name, in lower case
}

// Ceilings on challenges.
const (
	maxChallenges     = 16
	maxChallengeBytes = 16 << 10
)

// ParseChallenges parses the values of WWW-Authenticate. It leaves out what it cannot
// parse, and what is over its ceilings (16 challenges, 16 kB): an answer that asks for
// nothing known is an error anyway. RFC 9110, section 11.6.1.
func ParseChallenges(values []string) (list []Challenge) {
	for _, value := range values {
		if len(value) > maxChallengeBytes {
			continue
		}
		in := scanner(value)
		for len(list) < maxChallenges {
			in.skip(" \t,")
			scheme := in.token()
			if scheme == "" {
				break
			}
			c := Challenge{strings.ToLower(scheme), map[string]string{}}
			for in.parameter(c.Parameters) {
			}
			list = append(list, c)
		}
	}
	return list
}

// A scanner is the rest of a header.
type scanner string

func (s *scanner) skip(chars string) { *s = scanner(strings.TrimLeft(string(*s), chars)) }

// token reads a token of RFC 9110, section 5.6.2.
func (s *scanner) token() string {
	end := strings.IndexFunc(string(*s), func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
	if end < 0 {
		end = len(*s)
	}
	token := (*s)[:end]
	*s = (*s)[end:]
	return string(token)
}

// parameter reads name=value into all. It returns false, and reads nothing, if the next
// thing is not a parameter, but another challenge or the end.
func (s *scanner) parameter(all map[string]string) bool {
	rest := *s
	rest.skip(" \t,")
	name := rest.token()
	rest.skip(" \t")
	if name == "" || !strings.HasPrefix(string(rest), "=") {
		return false
	}
	rest = rest[1:]
	rest.skip(" \t")
	value, ok := rest.value()
	if ok {
		all[strings.ToLower(name)] = value
		*s = rest
	}
	return ok
}

// value reads a token or a quoted string. RFC 9110, section 5.6.4.
func (s *scanner) value() (string, bool) {
	if !strings.HasPrefix(string(*s), `"`) {
		token := s.token()
		return token, token != ""
	}
	var b strings.Builder
	for i := 1; i < len(*s); i++ {
		switch c := (*s)[i]; {
		case c == '"':
			*s = (*s)[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(*s):
			i++
			b.WriteByte((*s)[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

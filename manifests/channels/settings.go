package channels

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// settings is the text of channels/<name>.toml.
type settings struct {
	URL       string       `toml:"url"`
	Format    string       `toml:"format"`
	Threshold int          `toml:"threshold"`
	Tools     []string     `toml:"tools,omitempty"`
	Added     time.Time    `toml:"added"`
	Keys      []verify.Pin `toml:"key"`
	Rotation  *Rotation    `toml:"keys,omitempty"`
}

// limits is more than settings need with two times maxPins keys and every list at its
// ceiling.
var limits = tomldoc.Limits{Tables: 256, Keys: 512, Values: 64 << 10}

func parse(name string, data []byte) (Channel, error) {
	if err := limits.Check(data); err != nil {
		return Channel{}, fmt.Errorf("line %d: %w", tomldoc.LineOf(err), err)
	}
	var s settings
	d := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	err := d.Decode(&s)
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		return Channel{}, fmt.Errorf("key %q is not known to this kist", strings.Join(strict.Errors[0].Key(), "."))
	}
	if err != nil {
		return Channel{}, err
	}
	c := Channel{Name: name, URL: s.URL, Format: s.Format, Threshold: s.Threshold, Tools: s.Tools, Pins: s.Keys, Added: s.Added, Rotation: s.Rotation}
	if err := c.Validate(); err != nil {
		return Channel{}, err
	}
	if c.Added.IsZero() {
		return Channel{}, fmt.Errorf("added is missing")
	}
	return c.sorted(), nil
}

func (c Channel) encode() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.sorted()
	data, err := toml.Marshal(settings{c.URL, c.Format, c.Threshold, c.Tools, c.Added, c.Pins, c.Rotation})
	if err != nil {
		return nil, err
	}
	if _, err := parse(c.Name, data); err != nil {
		return nil, err
	}
	return data, nil
}

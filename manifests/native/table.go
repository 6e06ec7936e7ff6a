package native

import (
	"errors"
	"fmt"
	"math"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
)

// partLimits limits one call of the decoder, which decodes one release, or the keys
// before the first release. A release of maxList artifacts with maxList URLs each uses
// a fifth of it.
var partLimits = tomldoc.Limits{Tables: 4096, Keys: 16 << 10, Values: 512 << 10}

// readTables decodes a document that consists of some keys and a list of tables. It
// calls root with the keys, then each with every table in turn. It decodes one table
// at a time, so that a large document takes little time and memory. It returns the
// first error: a *manifests.FormatError, or one of root or each.
func readTables(data []byte, list string, root, each func(*tomldoc.Table) error) error {
	n, first, inline := 0, true, false
	for part := range tomldoc.Split(data) {
		keys, err := tomldoc.Decode(part.Text, partLimits)
		if err != nil {
			return &manifests.FormatError{Where: fmt.Sprintf("line %d", part.Line-1+tomldoc.LineOf(err)), Rule: err.Error()}
		}
		t := tomldoc.NewTable(keys)
		if !first && inline && t.Has(list) {
			t.Fail("%s is given twice", list)
		}
		tables := t.Tables(list, math.MaxInt)
		if first {
			first, inline = false, len(tables) > 0
			err = root(t)
		}
		if err == nil {
			err = t.End()
		}
		for _, one := range tables {
			if err != nil {
				break
			}
			n++
			one.Locate(fmt.Sprintf("%s %d", list, n))
			err = each(one)
		}
		if rule, ok := errors.AsType[*tomldoc.RuleError](err); ok {
			return &manifests.FormatError{Where: rule.Where, Rule: rule.Rule}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// readFormat reads the version of a document's format and the name of its channel.
func readFormat(t *tomldoc.Table) (channel string, err error) {
	if t.Format(formatNumber); t.Err() != nil {
		return "", t.Err()
	}
	channel = t.Text("channel")
	if err := manifests.ValidName(channel); err != nil {
		t.Fail("channel: %v", err)
	}
	return channel, nil
}

func readSerial(t *tomldoc.Table, key string) uint64 {
	return uint64(max(0, t.Number(key, 1, math.MaxInt64)))
}

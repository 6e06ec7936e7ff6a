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

// A tableList is a list of tables of a document. each is called with every table in turn.
type tableList struct {
	name string
	each func(*tomldoc.Table) error
}

// readTables decodes a document that consists of some keys and of lists of tables. It
// calls root with the keys, then the function of each list with its tables. It decodes one
// table at a time, so that a large document takes little time and memory. It returns the
// first error: a *manifests.FormatError, or one of root or a list.
func readTables(data []byte, root func(*tomldoc.Table) error, lists ...tableList) error {
	first, counts, inline := true, map[string]int{}, map[string]bool{}
	for part := range tomldoc.Split(data) {
		keys, err := tomldoc.Decode(part.Text, partLimits)
		if err != nil {
			return &manifests.FormatError{Where: fmt.Sprintf("line %d", part.Line-1+tomldoc.LineOf(err)), Rule: err.Error()}
		}
		t := tomldoc.NewTable(keys)
		tables := make([][]*tomldoc.Table, len(lists))
		for i, list := range lists {
			if !first && inline[list.name] && t.Has(list.name) {
				t.Fail("%s is given twice", list.name)
			}
			tables[i] = t.Tables(list.name, math.MaxInt)
			if first {
				inline[list.name] = len(tables[i]) > 0
			}
		}
		if first {
			first = false
			err = root(t)
		}
		if err == nil {
			err = t.End()
		}
		for i, list := range lists {
			for _, one := range tables[i] {
				if err != nil {
					break
				}
				counts[list.name]++
				one.Locate(fmt.Sprintf("%s %d", list.name, counts[list.name]))
				err = list.each(one)
			}
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

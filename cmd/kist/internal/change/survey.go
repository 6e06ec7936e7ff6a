package change

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/channels"
)

// survey returns a survey of the channels of installed releases.
func (m *Maker) survey() *toolset.Survey {
	return &toolset.Survey{Set: m.Set, OfChannel: isOfChannel}
}

// isOfChannel reports whether err is a failure of one channel, not of this machine
// or of the command line.
func isOfChannel(err error) bool {
	_, settings := errors.AsType[*channels.SettingsError](err)
	return settings || failure.KindOf(err).Verdict != failure.NoVerdict
}

// A FailedChannel is a channel that was left out, and the reason.
type FailedChannel struct {
	Channel string   `json:"channel"`
	Tools   []string `json:"tools"` // that it should have provided
	failure.Failure
}

// failed describes the channels that v left out.
func (m *Maker) failed(v *toolset.Survey) (list []FailedChannel) {
	for _, l := range v.LeftOut {
		list = append(list, FailedChannel{l.Channel, l.Tools, *failure.Explain(l.Err, m.Context)})
	}
	return list
}

// end returns a *ChannelsError if v left any channel out, and warns of all but the one
// with the gravest error.
func (m *Maker) end(v *toolset.Survey, failed []FailedChannel) error {
	if len(failed) == 0 {
		return nil
	}
	worst := 0
	for i, l := range v.LeftOut {
		if gravity(l.Err) > gravity(v.LeftOut[worst].Err) {
			worst = i
		}
	}
	for i, f := range failed {
		if i != worst {
			m.Printer.Warn("%s", leftOut(f.Channel, f.Message))
		}
	}
	e := &ChannelsError{Failed: failed, Gravest: v.LeftOut[worst].Err}
	if len(v.Asked) > 1 {
		e.Channel = failed[worst].Channel
	}
	return e
}

// gravity returns how serious err is: failed verification, expired metadata, no network,
// anything else.
func gravity(err error) failure.Verdict { return max(failure.KindOf(err).Verdict, failure.Lacking) }

// A ChannelsError reports that some channels were left out. It wraps the gravest of
// their errors.
type ChannelsError struct {
	Failed  []FailedChannel
	Channel string // of Gravest; empty: no other channel was asked
	Gravest error
}

func (e *ChannelsError) Error() string {
	if e.Channel == "" {
		return e.Gravest.Error()
	}
	text := leftOut(e.Channel, e.Gravest.Error())
	var others []string
	for _, f := range e.Failed {
		if f.Channel != e.Channel && !slices.Contains(others, f.Channel) {
			others = append(others, f.Channel)
		}
	}
	if len(others) > 0 {
		text += "; also left out: " + strings.Join(others, ", ")
	}
	return text
}

// leftOut says that a channel was left out, and names it once.
func leftOut(channel, why string) string {
	return fmt.Sprintf("channel %s was left out: %s", channel, strings.TrimPrefix(why, "channel "+channel+": "))
}

func (e *ChannelsError) Unwrap() error { return e.Gravest }

package main

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
func (a *app) survey(s *toolset.Set) *toolset.Survey {
	return &toolset.Survey{Set: s, OfChannel: isOfChannel}
}

// isOfChannel reports whether err is a failure of one channel, not of this machine
// or of the command line.
func isOfChannel(err error) bool {
	_, settings := errors.AsType[*channels.SettingsError](err)
	return settings || failure.KindOf(err).Verdict != failure.NoVerdict
}

// A failedChannel is a channel that was left out, and the reason.
type failedChannel struct {
	Channel string   `json:"channel"`
	Tools   []string `json:"tools"` // that it should have provided
	failure.Failure
}

// failed describes the channels that v left out.
func (a *app) failed(v *toolset.Survey) (list []failedChannel) {
	for _, l := range v.LeftOut {
		list = append(list, failedChannel{l.Channel, l.Tools, *failure.Explain(l.Err, a.failureContext())})
	}
	return list
}

// end returns a *channelsError if v left any channel out, and warns of all but the one
// with the gravest error.
func (a *app) end(v *toolset.Survey, failed []failedChannel) error {
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
			a.Warn("%s", leftOut(f.Channel, f.Message))
		}
	}
	e := &channelsError{Failed: failed, gravest: v.LeftOut[worst].Err}
	if len(v.Asked) > 1 {
		e.channel = failed[worst].Channel
	}
	return e
}

// gravity returns how serious err is: failed verification, expired metadata, no network,
// anything else.
func gravity(err error) failure.Verdict { return max(failure.KindOf(err).Verdict, failure.Lacking) }

// A channelsError reports that some channels were left out. It wraps the gravest of
// their errors.
type channelsError struct {
	Failed []failedChannel

	channel string // of gravest; empty: no other channel was asked
	gravest error
}

func (e *channelsError) Error() string {
	if e.channel == "" {
		return e.gravest.Error()
	}
	text := leftOut(e.channel, e.gravest.Error())
	var others []string
	for _, f := range e.Failed {
		if f.Channel != e.channel && !slices.Contains(others, f.Channel) {
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

func (e *channelsError) Unwrap() error { return e.gravest }

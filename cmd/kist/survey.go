package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/trust"
)

// A survey asks the channels of installed releases for newer ones. A channel that
// fails does not stop the others: it is left out, and reported at the end.
type survey struct {
	a      *app
	s      *session
	failed []failedChannel
	errs   []error          // of the channels in failed, in the same order
	dead   map[string]error // by channel: why none of its tools is available
	asked  map[string]bool  // by channel
}

// A failedChannel is a channel that was left out, and the reason.
type failedChannel struct {
	Channel string   `json:"channel"`
	Tools   []string `json:"tools"` // that it should have provided
	failure
}

func (a *app) survey(s *session) *survey {
	return &survey{a: a, s: s, dead: map[string]error{}, asked: map[string]bool{}}
}

// newest returns the release that have's label or version line means now. ok is false
// if its channel is left out. An error is one that would affect every channel.
func (v *survey) newest(ctx context.Context, have record.Head) (next manifests.Release, ok bool, err error) {
	v.asked[have.Channel] = true
	next, err = v.ask(ctx, have)
	if err == nil {
		return next, true, nil
	}
	if ctx.Err() != nil || !isOfChannel(err) {
		return next, false, err
	}
	v.leaveOut(have.Channel, have.Tool, err)
	return next, false, nil
}

func (v *survey) ask(ctx context.Context, have record.Head) (manifests.Release, error) {
	if plan.IsPinned(have) {
		return manifests.Release{Channel: have.Channel, Tool: have.Tool, Version: have.Version}, nil
	}
	if err := v.dead[have.Channel]; err != nil {
		return manifests.Release{}, err
	}
	o, err := v.s.desk.Named(ctx, have.Channel)
	if err != nil {
		return manifests.Release{}, err
	}
	q := v.a.requestNewest(have)
	v.a.Detail("asking channel %s for %s", o.Name, trust.Ref{Channel: have.Channel, Name: have.Tool, Version: have.Requested})
	cat, err := v.s.desk.Fetch(ctx, o, q)
	if err != nil {
		if o.Settings != nil && o.Settings.Format == "native" { // one manifest lists all of its tools
			v.dead[have.Channel] = err
		}
		return manifests.Release{}, err
	}
	return v.a.newestOf(v.s, o, cat, q, have)
}

// isOfChannel reports whether err is a failure of one channel, not of this machine
// or of the command line.
func isOfChannel(err error) bool {
	_, settings := errors.AsType[*channels.SettingsError](err)
	return settings || kindOf(err).verdict != noVerdict
}

// leaveOut records that channel, which should provide tool, is left out.
func (v *survey) leaveOut(channel, tool string, err error) {
	for i, f := range v.failed {
		if f.Channel == channel && v.errs[i].Error() == err.Error() {
			if !slices.Contains(f.Tools, tool) {
				v.failed[i].Tools = append(f.Tools, tool)
			}
			return
		}
	}
	v.failed = append(v.failed, failedChannel{channel, []string{tool}, *v.a.explain(err)})
	v.errs = append(v.errs, err)
}

// end returns a *channelsError if any channel was left out. changed reports that
// tools of other channels were updated.
func (v *survey) end(changed bool) error {
	if len(v.failed) == 0 {
		return nil
	}
	worst := 0
	for i, err := range v.errs {
		if gravity(err) > gravity(v.errs[worst]) {
			worst = i
		}
	}
	for i, f := range v.failed {
		if i != worst {
			v.a.Warn("%s", leftOut(f.Channel, f.Message))
		}
	}
	e := &channelsError{Failed: v.failed, Changed: changed, gravest: v.errs[worst]}
	if len(v.asked) > 1 {
		e.channel = v.failed[worst].Channel
	}
	return e
}

// gravity returns how serious err is: failed verification, expired metadata, no network,
// anything else.
func gravity(err error) channelVerdict { return max(kindOf(err).verdict, lacking) }

// A channelsError reports that some channels were left out. It wraps the gravest of
// their errors.
type channelsError struct {
	Failed  []failedChannel
	Changed bool // tools of other channels were updated

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

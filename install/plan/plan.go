// Package plan computes what a change means: State + Change -> Plan, and, once
// the new receipts are known, State + Plan -> the next Generation. Install,
// update, uninstall, set-default and rollback are all Changes through this one
// planner. Values in, values out; no effects.
package plan

import (
	"fmt"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// State is what is installed: all that a plan depends on.
type State struct {
	Current     record.Generation            // Number 0: nothing yet
	Generations map[uint64]record.Generation // every one that exists, Current among them
	Receipts    map[record.ID]record.Receipt // every one that exists, Removed ones too
	Foreign     map[string]string            // names in the bin directory that are not kist's links, and what each is
}

// Links says which commands an installed release gets.
type Links int

const (
	// FirstBecomesDefault links the first installed version of a tool.
	FirstBecomesDefault Links = iota
	// AlwaysDefault links it whatever was the default before (--default).
	AlwaysDefault
	// NoLinks leaves the links alone (--no-default).
	NoLinks
)

// A Change is a request to alter what is installed: any one of its parts.
type Change struct {
	Install  []manifests.Release
	Links    Links // of Install
	Remove   []record.ID
	Default  []record.ID // each becomes the default of its tool
	Rollback bool        // to the generation before the current one
}

// A Plan is the work a Change means. The zero Plan, and any for which Empty
// reports true, is nothing to do.
type Plan struct {
	Change  Change
	Base    uint64               // number of the generation it was computed from
	Install []manifests.Release  // to fetch, prove, unpack and publish
	Replace map[string]record.ID // channel/tool@version of Install that takes the place of an installed one (components added)
	Remove  []record.ID          // receipts whose files go
	Prune   []uint64             // generations that go because they name a removed receipt
	Default map[string]record.ID // defaults that change among installed receipts, "" removes
	Goto    uint64               // the generation to return to; zero: a new one
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool {
	return len(p.Install) == 0 && len(p.Remove) == 0 && len(p.Default) == 0 && p.Goto == 0
}

// A NotInstalledError says that something to act on is not installed.
type NotInstalledError struct{ Name string }

func (e *NotInstalledError) Error() string { return fmt.Sprintf("%s is not installed", e.Name) }

// A NoPreviousError says that there is no generation to roll back to.
type NoPreviousError struct{ Current uint64 }

func (e *NoPreviousError) Error() string {
	if e.Current == 0 {
		return "nothing is installed, so there is no generation to return to"
	}
	return fmt.Sprintf("generation %d is the first: there is none to return to", e.Current)
}

// A ConflictError says that two installed tools want the same command.
type ConflictError struct {
	Command string
	Owner   string // channel/tool@version that has it
	Wants   string // channel/tool@version that was to get it
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("command %s of %s belongs to %s", e.Command, e.Wants, e.Owner)
}

// A ForeignFileError says that something kist did not make stands where a
// command link should go.
type ForeignFileError struct {
	Path string // of the thing
	What string // such as "a file" or "a link to /opt/go/bin/go"
}

func (e *ForeignFileError) Error() string {
	return fmt.Sprintf("%s is %s that kist did not make", e.Path, e.What)
}

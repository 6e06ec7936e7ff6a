package inventory

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A List is the list of a machine, and the file that it was read from.
type List struct {
	File string
	Machine
}

// A Fleet is what several machines have installed.
type Fleet struct {
	Machines   []string         `json:"machines"` // their names or, without one, files; sorted. Both if two have one name
	Toolchains []FleetToolchain `json:"toolchains"`
	Left       []LeftOut        `json:"left_out,omitempty"`
}

// A FleetToolchain is a release, and the machines that have it.
type FleetToolchain struct {
	Channel  string               `json:"channel"`
	Tool     string               `json:"tool"`
	Version  string               `json:"version"`
	Platform manifests.Platform   `json:"platform"`
	Proof    verify.Kind          `json:"proof"`
	Signers  []verify.Fingerprint `json:"signers,omitempty"`
	Machines []string             `json:"machines"`
	// Trees are the digests of its files on these machines. More than one: the machines
	// chose different components, or do not have the same files.
	Trees []verify.Digest `json:"trees"`
	// Differ reports that machines with the same components have different files.
	Differ bool `json:"differ,omitempty"`
}

// A LeftOut is a list that was not counted, since another one is of the same machine.
type LeftOut struct {
	File  string `json:"file"`
	For   string `json:"for"`   // the file that was counted
	Equal bool   `json:"equal"` // both list the same toolchains
	// Copied reports that only the receipts show that it is the same machine: it could be
	// another one, made from the same image.
	Copied bool `json:"copied,omitempty"`
}

// Merge makes one table of the lists of many machines. Of several lists of one machine,
// the newest counts. Lists are of one machine if they have the same ID or, if one of them has
// none, the same name, or, lacking both, the same receipts.
func Merge(lists []List) Fleet {
	lists = slices.Clone(lists)
	slices.SortStableFunc(lists, func(a, b List) int { return cmp.Or(b.Made.Compare(a.Made), strings.Compare(a.File, b.File)) })
	f := Fleet{Machines: []string{}, Toolchains: []FleetToolchain{}}
	known := map[string]List{} // by each way to recognise a machine
	labels := map[string]bool{}
	rows := map[string]*FleetToolchain{}
	trees := map[string]verify.Digest{} // by row and components
	for _, l := range lists {
		own, search := l.marks()
		if i := slices.IndexFunc(search, func(m string) bool { _, ok := known[m]; return ok }); i >= 0 {
			first := known[search[i]]
			f.Left = append(f.Left, LeftOut{l.File, first.File, l.receipts() == first.receipts(), strings.HasPrefix(search[i], byReceipts)})
			continue
		}
		for _, m := range own {
			known[m] = l
		}
		label := cmp.Or(l.Name, l.File)
		if labels[label] {
			label = l.Name + " (" + l.File + ")"
		}
		labels[label] = true
		f.Machines = append(f.Machines, label)
		for _, t := range l.Toolchains {
			id := t.row()
			row := rows[id]
			if row == nil {
				row = &FleetToolchain{Channel: t.Channel, Tool: t.Tool, Version: t.Version, Platform: t.Platform, Proof: t.Proof, Signers: t.Signers}
				rows[id] = row
			}
			row.Machines, row.Trees = append(row.Machines, label), append(row.Trees, t.Tree)
			same := id + "\x00" + strings.Join(t.Components, " ")
			if tree, ok := trees[same]; ok && tree != t.Tree {
				row.Differ = true
			}
			trees[same] = t.Tree
		}
	}
	for _, row := range rows {
		slices.Sort(row.Machines)
		row.Machines = slices.Compact(row.Machines)
		slices.SortFunc(row.Trees, func(a, b verify.Digest) int { return strings.Compare(a.Hex(), b.Hex()) })
		row.Trees = slices.Compact(row.Trees)
		f.Toolchains = append(f.Toolchains, *row)
	}
	slices.Sort(f.Machines)
	slices.SortFunc(f.Toolchains, func(a, b FleetToolchain) int {
		return cmp.Or(strings.Compare(a.Tool, b.Tool), strings.Compare(a.Channel, b.Channel), manifests.CompareVersions(b.Version, a.Version),
			strings.Compare(a.Version, b.Version), strings.Compare(a.Platform.String(), b.Platform.String()), slices.Compare(a.Signers, b.Signers),
			strings.Compare(string(a.Proof), string(b.Proof)))
	})
	return f
}

// marks returns by what the machine of l is to be known, and by what to look whether it is.
// An ID decides, since two users of one machine may give it the same name. Receipts have
// random names, so that two machines share them only if one was copied from the other, or
// both from one image.
func (l List) marks() (own, search []string) {
	switch {
	case l.ID != "":
		own, search = []string{"id " + l.ID}, []string{"id " + l.ID}
		if l.Name != "" {
			own, search = append(own, "name "+l.Name), append(search, "only name "+l.Name)
		}
	case l.Name != "":
		own, search = []string{"name " + l.Name, "only name " + l.Name}, []string{"name " + l.Name}
	case len(l.Toolchains) > 0:
		own, search = []string{byReceipts + l.receipts()}, []string{byReceipts + l.receipts()}
	}
	file := "file " + l.File // named twice
	return append(slices.Clip(own), file), append([]string{file}, search...)
}

// byReceipts begins the mark of a list without ID and name.
const byReceipts = "receipts "

// receipts returns the names of all receipts of l.
func (l List) receipts() string {
	var ids []string
	for _, t := range l.Toolchains {
		ids = append(ids, string(t.Receipt))
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " ")
}

// row returns what the row of t in the table of a fleet is known by.
func (t Toolchain) row() string {
	signers := make([]string, len(t.Signers))
	for i, s := range t.Signers {
		signers[i] = string(s)
	}
	return strings.Join([]string{t.Channel, t.Tool, t.Version, t.Platform.String(), string(t.Proof), strings.Join(signers, " ")}, "\x00")
}

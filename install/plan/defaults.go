package plan

import (
	"maps"
	"slices"

	"github.com/kist-tools/kist/install/record"
)

// ChangedDefaults returns the defaults that differ between before and after: by
// channel/tool the new version, or "" for none. It leaves out a tool of which nothing is
// installed any more, and the first version of a tool. others holds releases of before
// and after whose receipts s lacks: they were removed, or are in another store.
func (s State) ChangedDefaults(before, after map[string]record.ID, others []record.Head) map[string]string {
	versions, count := map[record.ID]string{}, map[string]int{}
	for _, r := range others {
		versions[r.ID] = r.Version
	}
	for id, r := range s.Receipts {
		versions[id] = r.Version
	}
	for _, r := range s.Installed() {
		count[r.Key()]++
	}
	changed := map[string]string{}
	for key, id := range after {
		was, ok := before[key]
		if ok && was != id && versions[was] != versions[id] || !ok && count[key] > 1 {
			changed[key] = versions[id]
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok && count[key] > 0 {
			changed[key] = ""
		}
	}
	return changed
}

// PredictDefaults returns the defaults that p would change, as ChangedDefaults does.
// removed are the names of the releases that p would remove, others those of other stores.
func (s State) PredictDefaults(p Plan, removed []string, others []record.Head) map[string]string {
	from, after := s.Current, map[string]record.ID{}
	if p.Goto != 0 {
		from = s.Generations[p.Goto]
	}
	maps.Copy(after, from.Defaults)
	for key, id := range p.Default {
		after[key] = id
		if id == "" {
			delete(after, key)
		}
	}
	stays := map[string]bool{} // by channel/tool
	for _, r := range s.Installed() {
		if !slices.Contains(removed, r.Ref()) {
			stays[r.Key()] = true
		}
	}
	changed := s.ChangedDefaults(s.Current.Defaults, after, others)
	maps.DeleteFunc(changed, func(key, _ string) bool { return !stays[key] })
	for _, in := range p.Install {
		key := in.Release.Channel + "/" + in.Release.Tool
		if was, ok := s.Current.Defaults[key]; ok && in.Default && s.Receipts[was].Version != in.Release.Version {
			changed[key] = in.Release.Version
		}
	}
	return changed
}

// NewLinks returns the links of after that before lacks, or that lead somewhere else in
// it.
func NewLinks(before, after record.Generation) []record.CommandLink {
	return slices.DeleteFunc(slices.Clone(after.Links), func(l record.CommandLink) bool { return slices.Contains(before.Links, l) })
}

// NewNames returns the names of the commands that before has no link or launcher of.
func NewNames(before, after record.Generation) []string {
	have := before.Names()
	return slices.DeleteFunc(after.Names(), func(name string) bool { return slices.Contains(have, name) })
}

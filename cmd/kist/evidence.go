package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/verify"
)

// proof describes in one line how something was proved.
func proof(e verify.Evidence) string {
	root := e.Root()
	var parts []string
	switch {
	case root.Kind == verify.ByTree && root.Tree != nil:
		parts = append(parts, fmt.Sprintf("proved by the checksum database (tree %d)", root.Tree.Size), root.Tree.H1)
	case len(root.Signers) > 0:
		parts = append(parts, "signed by "+joinKeys(evidence.Signers(root), " and "))
	}
	if text := markText(e); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(append(parts, root.Notes...), " · ")
}

// proofLines describes in lines how the release was proved, or will be in a dry run.
// Trees, digests and the names of keys are details.
func (r installedRelease) proofLines(dryRun, details bool) (lines []string) {
	root := r.proved.Root()
	if root.Tree != nil {
		lines = append(lines, "proved by the checksum database "+root.Tree.Name)
		if details {
			lines = append(lines, fmt.Sprintf("tree of %d records", root.Tree.Size), "content "+root.Tree.H1)
		}
	}
	keys, by, nextBy := r.Keys, "signed by ", "and by "
	if !dryRun {
		keys = evidence.Signers(root)
	} else if r.proved.Kind == "" {
		by, nextBy = "to be signed by ", "or by "
	}
	for i, k := range keys {
		if i > 0 {
			by = nextBy
		}
		lines = append(lines, by+k.Primary.Spaced())
		if k.UserID != "" && (dryRun || details) {
			lines = append(lines, "  "+k.UserID)
		}
	}
	if text := markText(r.proved); text != "" {
		lines = append(lines, text)
	}
	return append(append(lines, root.Notes...), r.notes...)
}

// markText describes the serial or date of what e proves.
func markText(e verify.Evidence) string {
	for _, m := range []*verify.Mark{e.Mark, e.Root().Mark} {
		if m != nil {
			return freshness(*m)
		}
	}
	return ""
}

// freshness describes the serial or date of a mark, and its expiry.
func freshness(m verify.Mark) string {
	switch {
	case len(m.Head) > 0, m.IsZero():
		return "" // a checksum database, whose tree size is its serial
	case m.Serial > 0 && !m.Expires.IsZero():
		return fmt.Sprintf("serial %d, fresh until %s", m.Serial, m.Expires.UTC().Format(time.DateOnly))
	case m.Serial > 0:
		return fmt.Sprintf("serial %d", m.Serial)
	}
	return "manifest " + m.Issued.UTC().Format(time.DateOnly)
}

// releaseProof describes how a release that is to be fetched is, or will be, proved.
func releaseProof(e verify.Evidence, keys []evidence.Key) string {
	if e.Kind == "" && len(keys) > 0 {
		return "to be signed by " + joinKeys(keys, " or ")
	}
	return proof(e)
}

// joinKeys lists the fingerprints of keys.
func joinKeys(keys []evidence.Key, separator string) string {
	var who []string
	for _, k := range keys {
		who = append(who, k.Primary.Spaced())
	}
	return strings.Join(who, separator)
}

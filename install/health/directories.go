package health

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
)

// checkDirectories checks the owners and the permissions of the five directories.
func checkDirectories(_ context.Context, h Host) (findings []Finding, facts []string) {
	dirs, err := h.Directories()
	if err != nil {
		return unknown("kist's directories", err), nil
	}
	seen := map[string]bool{} // two roles may share a directory, or the directories above
	add := func(f Finding) {
		if !seen[f.Fix+f.What] {
			seen[f.Fix+f.What] = true
			findings = append(findings, f)
		}
	}
	for _, d := range dirs {
		for _, above := range d.Above {
			add(Finding{Severity: Warning, What: above + " can be written by everyone", Fix: "sudo " + host.QuoteWords("chmod", "+t", above),
				Why: "any user of this machine can replace what kist keeps below it"})
		}
		if f, wrong := dirFinding(h, d); wrong {
			add(f)
		}
		if _, others := errors.AsType[*install.OwnerError](d.Err); others && !inHome(h, d.At) {
			facts = append(facts, fmt.Sprintf("%s belongs to %s: kist only reads it", d.Path, d.Owner))
		}
	}
	return findings, facts
}

// dirFinding returns what is wrong with one directory.
func dirFinding(h Host, d install.Diagnosis) (f Finding, wrong bool) {
	_, readOnly := errors.AsType[*install.OwnerError](d.Err)
	_, unsafe := errors.AsType[*install.UnsafeDirError](d.Err)
	owned := d.Exists && h.OS != "windows"
	mine := d.Owner == h.User || strings.HasPrefix(d.Owner, h.User+" ")
	sudo := "sudo "
	if mine {
		sudo = ""
	}
	switch {
	case d.ByAll:
		return Finding{Severity: Problem, What: d.At + " can be written by everyone", Fix: sudo + host.QuoteWords("chmod", "go-w", d.At),
			Why: "any user of this machine can change the programs that you run, or what kist trusts"}, true
	case d.ByGroup && !readOnly:
		f = Finding{Severity: Warning, What: d.At + " can be written by its group", Fix: sudo + host.QuoteWords("chmod", "g-w", d.At),
			Why: "others in that group can change the programs that you run"}
		if unsafe { // of root's: kist does not even read it
			f.Severity = Problem
		}
		return f, true
	case (unsafe || readOnly && inHome(h, d.At)) && owned && h.User != "" && !mine:
		f = Finding{Severity: Problem, What: fmt.Sprintf("%s belongs to %s", d.At, d.Owner),
			Fix: unsetFix(h, string(d.Role)), Why: "kist changes nothing there, as only " + d.Owner + " may"}
		if f.Fix == "" {
			f.Fix = "sudo " + host.QuoteWords("chown", "-R", h.User, d.At)
		}
		return f, true
	case owned && !readOnly && d.Err == nil && d.Mode.IsDir() && d.Mode.Perm()&0o700 != 0o700:
		return Finding{Severity: Problem, What: fmt.Sprintf("%s has the mode %04o", d.At, d.Mode.Perm()), Fix: host.QuoteWords("chmod", "u+rwx", d.At),
			Why: "kist cannot read or change what is in it"}, true
	case d.Err == nil || readOnly:
		return Finding{}, false
	}
	return Finding{Severity: Problem, What: d.Err.Error(), Fix: unsetFix(h, string(d.Role)), Why: "kist refuses to change anything there"}, true
}

// inHome reports whether path lies in the user's home.
func inHome(h Host, path string) bool {
	return h.Home != "" && strings.HasPrefix(path, h.Home+string(filepath.Separator))
}

// unsetFix returns the command that lets the directory of a role be the default one again,
// or "" if it is.
func unsetFix(h Host, role string) string {
	if name := variable(role); h.Getenv(name) != "" {
		return "unset " + name
	}
	return ""
}

// variable returns the environment variable that names the base directory of a role.
func variable(role string) string { return "XDG_" + strings.ToUpper(role) + "_HOME" }

// checkStore checks whether kist's directories can be opened, belong together, and are where
// they were.
func checkStore(_ context.Context, h Host) (findings []Finding, facts []string) {
	for _, err := range []error{h.OpenErr, h.ChangeErr} {
		if f, wrong := storeFinding(h, err); wrong {
			return []Finding{f}, nil
		}
	}
	if h.Moved != nil {
		findings = append(findings, Finding{Severity: Warning, What: h.Moved.Error(), Fix: "kist repair --relocated",
			Why: "its commands may start what is at the former place"})
	}
	return findings, nil
}

// storeFinding returns what err, with which kist's directories were opened, means.
func storeFinding(h Host, err error) (f Finding, wrong bool) {
	f = Finding{Severity: Problem, Why: "kist changes nothing until this is fixed"}
	if err != nil {
		f.What = err.Error()
	}
	var (
		owner     *install.OwnerError
		readOnly  *install.ReadOnlyError
		unsafe    *install.UnsafeDirError
		system    *install.SystemPrefixError
		separator *install.SeparatorError
	)
	switch {
	case err == nil, errors.As(err, &owner), errors.As(err, &readOnly):
		return f, false // checkDirectories says so
	case errors.As(err, &unsafe), errors.As(err, &system), errors.As(err, &separator):
		return f, false
	}
	if e, ok := errors.AsType[*install.OtherPlaceError](err); ok {
		f.Fix = "export " + variable(e.Role) + "=" + host.QuoteWords(e.Base)
	}
	if e, ok := errors.AsType[*install.BecameLinkError](err); ok && e.Base() != "" {
		f.Fix = "export " + variable(e.Role) + "=" + host.QuoteWords(e.Base())
		f.Why += ". If nobody moved it on purpose, put back the directory that was there instead"
	}
	if e, ok := errors.AsType[*install.NoteError](err); ok {
		f.Fix = host.QuoteWords("rm", e.Path)
		f.Why += ", and writes a new note then"
	}
	if e, ok := errors.AsType[*install.UnmountedError](err); ok {
		f.Why += ": mount it. If it is gone for good, delete " + e.Note
	}
	if _, ok := errors.AsType[*install.GenerationError](err); ok {
		f.Fix = "kist uninstall --all"
		f.Why = "kist does not know what is in force; the receipts still say what can be removed"
	}
	if e, ok := errors.AsType[*host.NoHomeError](err); ok {
		f.Why = fmt.Sprintf("kist keeps everything below it, and %q is not a usable home directory", e.Home)
		f.Fix = `export HOME="$(eval echo ~"$(id -un)")"`
	}
	return f, true
}

// checkReceipts checks whether the receipts can be read.
func checkReceipts(_ context.Context, h Host) (findings []Finding, _ []string) {
	for id, err := range sorted(h.Damaged()) {
		findings = append(findings, Finding{Severity: Problem, What: receiptText(id, err),
			Why: "kist removes nothing by a receipt that it cannot trust; put it back from a backup"})
	}
	return findings, nil
}

// receiptText says that a receipt cannot be used. Some errors name it.
func receiptText(id record.ID, err error) string {
	if named, ok := errors.AsType[*install.ReceiptError](err); ok {
		err = named.Err
	}
	return fmt.Sprintf("the receipt of %s cannot be used: %v", id, err)
}

// checkToolchains checks whether the toolchains and their commands are on the disk. It does
// not read the files; kist verify does.
func checkToolchains(_ context.Context, h Host) (findings []Finding, _ []string) {
	for _, missing := range h.Missing() {
		findings = append(findings, Finding{Severity: Problem, What: missing.Error(), Fix: "kist repair",
			Why: "its commands do not start; kist makes it again, from the cache or the network"})
	}
	return findings, nil
}

// checkLock checks whether the locks are locks, and who holds that of the store. A lock ends
// with its process, so none can be stale.
func checkLock(_ context.Context, h Host) (findings []Finding, facts []string) {
	obstacles, err := h.Obstacles()
	if err != nil {
		return unknown("the locks", err), nil
	}
	for _, o := range obstacles {
		findings = append(findings, Finding{Severity: Problem, What: o.Path + " " + o.Reason, Fix: host.QuoteWords("mv", o.Path, o.Path+".old"),
			Why: "kist cannot lock what it changes there, and so does not change it"})
	}
	if holder, held, err := h.Holder(); err == nil && held {
		facts = append(facts, strings.TrimSpace("held by another process "+holder))
	}
	return findings, facts
}

// checkLeftovers checks what an interrupted change left. While a process is at work, or in a
// store that was moved, that is not known.
func checkLeftovers(_ context.Context, h Host) (findings []Finding, _ []string) {
	if _, held, err := h.Holder(); held || err != nil || h.Moved != nil {
		return nil, nil
	}
	found, err := h.Leftovers()
	if err != nil {
		return unknown("what an interrupted change left", err), nil
	}
	if len(found) == 0 {
		return nil, nil
	}
	var paths []string
	for _, l := range found {
		paths = append(paths, l.Path+" ("+l.Reason+")")
	}
	return []Finding{{Severity: Warning, What: "an interrupted change left, or something else changed: " + names(paths), Fix: "kist repair",
		Why: "it takes space, or a command is missing; the next change fixes it too"}}, nil
}

// checkLinks checks whether something else has the name of a link of kist's.
func checkLinks(_ context.Context, h Host) (findings []Finding, _ []string) {
	paths, err := h.Obstructed()
	if err != nil {
		return unknown("the links of kist's commands", err), nil
	}
	for _, path := range paths {
		findings = append(findings, Finding{Severity: Problem, What: path + " is not kist's, and has the name of one of its links",
			Why: filepath.Base(path) + " starts that, and not what kist list shows",
			Fix: host.QuoteWords("mv", path, path+".old") + " && kist repair"})
	}
	return findings, nil
}

package main

// document is the form of every JSON result.
type document struct {
	Format int      `json:"format"` // version of this form: 1
	Verb   string   `json:"verb"`
	Result any      `json:"result,omitempty"`
	Error  *failure `json:"error,omitempty"`
}

// finish prints the result and the error of the verb, and returns the exit code. A
// verb may have both: work that was done, and a problem that was found.
func (a *app) finish(err error) int {
	var f *failure
	if err != nil {
		f = a.explain(err)
	}
	if a.helped && f == nil {
		wrong := a.HelpError()
		if wrong == nil {
			return 0
		}
		f = &failure{Code: 1, Kind: "failed", Message: "writing the help: " + wrong.Error()}
	}
	if a.JSON || jsonAsked(a.Args) && !a.verb.plain {
		doc := document{Format: 1, Verb: a.path, Error: f}
		if a.result != nil {
			doc.Result = a.result
		}
		if wrong := a.PrintJSON(doc); wrong != nil && f == nil {
			f = &failure{Code: 1, Kind: "failed", Message: wrong.Error()}
		}
		return f.code()
	}
	if a.result != nil {
		p := a.NewPage()
		a.result.text(p)
		if wrong := a.PrintPage(p); wrong != nil && f == nil {
			f = &failure{Code: 1, Kind: "failed", Message: "writing the result: " + wrong.Error()}
		}
	}
	if f != nil && f.Message != "" {
		a.Fail(f.Message, f.unchanged, f.Hint)
	}
	return f.code()
}

// jsonAsked reports whether --json is on a command line that could not be parsed.
func jsonAsked(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}

//go:build unix

package main

import (
	"encoding/json"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptEvidence puts the files that the last "show --evidence --json" named
// into variables.
func scriptEvidence(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 3, 3, "evidence DOCUMENT PROOF CERTIFICATE")
	var answer struct {
		Result struct {
			Releases []struct {
				Stored []struct {
					Document, Proof string
					Certificates    []string
				}
			}
		}
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &answer))
	stored := answer.Result.Releases[0].Stored[0]
	ts.Setenv(args[0], stored.Document)
	ts.Setenv(args[1], stored.Proof)
	ts.Setenv(args[2], stored.Certificates[0])
}

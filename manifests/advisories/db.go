package advisories

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// A DB is a set of records, by package.
type DB struct {
	byPackage map[[2]string][]*Record
	records   int
	read      int64
	files     int
}

// Add adds the records of one file, called name, that affect one of wanted. The others are
// not kept: a database may hold a hundred thousand. It returns an error over a ceiling.
func (db *DB) Add(name string, data []byte, wanted map[[2]string]bool) error {
	db.files++
	db.read += int64(len(data))
	if db.files > MaxFiles || db.read > MaxTotal {
		return fmt.Errorf("%s: more than %d files or %d bytes in all", name, MaxFiles, MaxTotal)
	}
	if !mayName(data, wanted) {
		return nil
	}
	list, err := Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if db.byPackage == nil {
		db.byPackage = map[[2]string][]*Record{}
	}
	for i := range list {
		r, seen := &list[i], map[[2]string]bool{}
		for _, a := range r.Affected {
			key := [2]string{a.Package.Ecosystem, a.Package.Name}
			if wanted[key] && !seen[key] {
				seen[key] = true
				db.byPackage[key] = append(db.byPackage[key], r)
			}
		}
		if len(seen) > 0 {
			db.records++
		}
	}
	return nil
}

// mayName reports whether data may hold the name of a wanted package: whether it has to be
// parsed. A name that is written with escapes cannot be excluded.
func mayName(data []byte, wanted map[[2]string]bool) bool {
	if bytes.Contains(data, []byte(`\u`)) || bytes.Contains(data, []byte(`\/`)) || !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return true
	}
	for key := range wanted {
		if bytes.Contains(data, []byte(`"`+key[1]+`"`)) {
			return true
		}
	}
	return !json.Valid(data) // a cut file is an error, not a record of something else
}

// Files returns how many files were added, Records how many records affect a wanted package
// in some version.
func (db *DB) Files() int   { return db.files }
func (db *DB) Records() int { return db.records }

// About returns the records that affect some version of p.
func (db *DB) About(p Package) []*Record { return db.byPackage[[2]string{p.Ecosystem, p.Name}] }

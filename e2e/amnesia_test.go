package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRestoredDatabaseIsKnownAndRecovers: syncd is stopped, its database is
// replaced by an older copy, and it starts again. It says so, makes no second
// record, and opens its holds by itself.
func TestRestoredDatabaseIsKnownAndRecovers(t *testing.T) {
	t.Parallel()
	const every = 10 * time.Second
	w := newWorld(t, settings{Store: onSQLite, Sweep: every, Lease: shortLease, Seed: 93})
	path := filepath.Join(w.dir, fileDatabase)
	all := people(w.s.Seed, 4)
	w.start()
	w.pairs(all[:2])
	w.quiet()
	w.stop()
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Fatal("the database is not in one file")
	}
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	ids := w.pairs(all[2:])
	w.quiet()
	w.stop()
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	w.launch()
	w.flows()
	if n := w.metric("syncd_amnesia_total", "evidence", "fence"); n != 2 { // contacts and companies
		t.Errorf("%v links have heard of it", n)
	}
	status, err := get("http://" + w.ops + "/status")
	if err != nil || !strings.Contains(status, `"amnesia"`) || w.log.line("fence.behind") == "" {
		t.Errorf("status %s, %v", status, err)
	}
	w.crmEdit(ids[0], map[string]string{"jobtitle": "edited"}) // a pair that is forgotten
	w.holdsWithin(3*every+sweepSlack+patience, "the holds are open again", func() string {
		status, err := get("http://" + w.ops + "/status")
		if err != nil {
			return err.Error()
		}
		if strings.Contains(status, "amnesia") {
			return status
		}
		return w.onePair(4)
	})
	w.quiet()
	if against := w.equal(); against != "" {
		t.Error(against)
	}
	w.stop()
	w.start()
	if n := w.metric("syncd_amnesia_total"); n > 0 {
		t.Errorf("it is told again at the next start: %v", n)
	}
}

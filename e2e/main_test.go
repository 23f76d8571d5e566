// Package e2e_test plays whole worlds: both pretend vendors on real loopback
// listeners, and syncd between them, in process or as the real binary. What
// counts is the vendors' own truth; syncd's tables are asked for two things
// only: whether work is left, and the rows of the view id_mapping.
package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"syncd/store/postgres/pgtest"
)

// worldsAtOnce is how many worlds run side by side: they wait for vendors'
// delays most of the time, not for a processor.
const worldsAtOnce = "14"

// binary is the real syncd, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if err := flag.Set("test.parallel", worldsAtOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "syncd-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "syncd")
	build := exec.Command("go", "build", "-o", binary, "../cmd/syncd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build syncd: %v\n%s", err, out)
		return 1
	}
	return pgtest.Main(m)
}

// Names of the stores.
const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
)

// onBothStores runs a test on either store, side by side with all others.
func onBothStores(t *testing.T, test func(t *testing.T, store string)) {
	t.Parallel()
	for _, store := range []string{onSQLite, onPostgres} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			test(t, store)
		})
	}
}

package lab

import (
	"os"
	"runtime/debug"
	"testing"

	"syncd/store/postgres/pgtest"
)

// collectEvery is how far the heap may grow over what lives on it before it is
// swept, in per cent. A seed lives on a few megabytes and drops gigabytes.
const collectEvery = 800

func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectEvery)
	}
	os.Exit(pgtest.Main(m))
}

//go:build !failpoints

package failpoint_test

import (
	"testing"

	"syncd/failpoint"
)

// TestAnOrdinaryBuildObeysNoOrder: were Hit anything but empty here, this test
// would not live to its end.
func TestAnOrdinaryBuildObeysNoOrder(t *testing.T) {
	t.Setenv("SYNCD_FAILPOINTS", "after_claim:1=kill")
	failpoint.Hit("after_claim")
	if n := testing.AllocsPerRun(100, func() { failpoint.Hit("after_claim") }); n != 0 {
		t.Errorf("a passing allocates %.0f times", n)
	}
}

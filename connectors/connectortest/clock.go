package connectortest

import (
	"sync/atomic"
	"time"
)

// Clock is a pretend vendor's clock, which a Harness can stop. The zero value
// runs.
type Clock struct{ at atomic.Int64 } // Unix milliseconds while it stands, else 0

// Now gives the time, for the vendor's options.
func (c *Clock) Now() time.Time {
	if ms := c.at.Load(); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Now()
}

// Set stops the clock at a time.
func (c *Clock) Set(t time.Time) { c.at.Store(t.UnixMilli()) }

// Freeze stops the clock until the result is called, for Harness.Freeze. After
// that it never shows the time at which it stood again.
func (c *Clock) Freeze() (thaw func()) {
	c.Set(time.Now())
	return func() {
		for time.Now().UnixMilli() <= c.at.Load() {
			time.Sleep(time.Millisecond)
		}
		c.at.Store(0)
	}
}

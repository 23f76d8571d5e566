package e2e_test

import "testing"

// TestCloseGivesBackWhatNewTook: a daemon that was made and never ran leaves its
// store and both its listeners free for the next, and closing twice is closing.
func TestCloseGivesBackWhatNewTook(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store})
		for range 2 {
			d := w.opened() // fails while a listener or the file is taken
			for range 2 {
				if err := d.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
		}
	})
}

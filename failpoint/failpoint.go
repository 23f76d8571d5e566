//go:build !failpoints

// Package failpoint names the instants at which a crash is hardest to survive,
// so that a test can end or stop the real binary at exactly one of them. Only a
// binary that is built with the tag failpoints can be told to; in every other
// one Hit is empty and leaves nothing behind.
package failpoint

// Hit marks an instant. It does nothing in this build.
func Hit(string) {}

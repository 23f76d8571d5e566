//go:build failpoints && !unix

package failpoint

// signals are none here: only Unix has kill -9 and SIGSTOP.
var signals = map[string]func(){}

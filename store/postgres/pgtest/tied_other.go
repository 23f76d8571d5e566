//go:build unix && !linux

package pgtest

import "os/exec"

// startTied starts a process; Main ends it. Only Linux can tie it to ours.
func startTied(cmd *exec.Cmd) (exited chan struct{}, err error) {
	exited = make(chan struct{})
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	return exited, nil
}

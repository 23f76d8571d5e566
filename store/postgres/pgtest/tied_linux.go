package pgtest

import (
	"os/exec"
	"runtime"
	"syscall"
)

// startTied starts a process that the kernel ends when ours ends, even by
// kill -9. The kernel watches the thread that started it, so that thread stays
// for as long as the process runs.
func startTied(cmd *exec.Cmd) (exited chan struct{}, err error) {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started := make(chan error)
	exited = make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return exited, <-started
}

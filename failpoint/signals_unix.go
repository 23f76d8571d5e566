//go:build failpoints && unix

package failpoint

import (
	"os"
	"syscall"
	"time"
)

// delivered is how long a signal may take: it goes to the process, and the
// thread that asks for it must not get ahead meanwhile.
const delivered = 20 * time.Millisecond

// signals are the actions that this process does to itself.
var signals = map[string]func(){
	"kill": func() { send(syscall.SIGKILL) },
	"stop": func() { send(syscall.SIGSTOP) },
}

func send(s syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		panic(err)
	}
	time.Sleep(delivered)
}

package e2e_test

import (
	"net"
	"sync"
	"testing"
	"time"
)

// wire is a TCP connection's way between syncd and a vendor or the database, on
// which trouble can be made for all connections at once.
type wire struct {
	listener net.Listener

	mu      sync.Mutex
	to      string // host:port
	trouble trouble
	since   chan struct{} // closed when the trouble ends
	open    map[*net.TCPConn]bool
	met     int // connections that ended by trouble
}

// trouble is what happens to the bytes of a wire; the zero value is none.
type trouble struct {
	kind  string
	delay time.Duration // of delays: per piece that arrives
	bytes int           // of slices: size of a piece; of cuts: what passes before
}

const (
	wireWell   = ""
	wireReset  = "reset" // every connection is reset, new ones too
	wireDelay  = "delay" // every piece is late
	wireSlice  = "slice" // every piece is cut into small ones
	wireCutOut = "cut requests"
	wireCutIn  = "cut answers"
	wireHold   = "hold" // nothing passes until the trouble is over, and then everything, also from those who have gone
)

// sliceGap lies between small pieces.
const sliceGap = time.Millisecond

// newWire listens; it is told later where to.
func newWire(t testing.TB) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("a wire: %v", err)
	}
	w := &wire{listener: l, open: map[*net.TCPConn]bool{}, since: make(chan struct{})}
	go w.accept()
	t.Cleanup(func() {
		w.set(trouble{})
		_ = l.Close()
		w.reset()
	})
	return w
}

func (w *wire) address() string { return w.listener.Addr().String() }

// set begins a trouble, or ends it with the zero value.
func (w *wire) set(t trouble) {
	w.mu.Lock()
	w.trouble = t
	close(w.since)
	w.since = make(chan struct{})
	w.mu.Unlock()
	if t.kind == wireReset {
		w.reset()
	}
}

// lead says where to.
func (w *wire) lead(to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

func (w *wire) now() (trouble, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trouble, w.since
}

func (w *wire) ended() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.met
}

func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		abort(c)
		w.met++
	}
	clear(w.open)
}

// abort ends a connection with a reset.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0) // it may be closed already
	_ = c.Close()
}

func (w *wire) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return // closed: the world has ended
		}
		go w.carry(c.(*net.TCPConn))
	}
}

func (w *wire) carry(near *net.TCPConn) {
	if t, _ := w.now(); t.kind == wireReset {
		abort(near)
		return
	}
	w.mu.Lock()
	to := w.to
	w.mu.Unlock()
	c, err := net.Dial("tcp", to)
	if err != nil {
		abort(near)
		return
	}
	far := c.(*net.TCPConn)
	w.mu.Lock()
	w.open[near], w.open[far] = true, true
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { w.pump(near, far, wireCutOut) })
	both.Go(func() { w.pump(far, near, wireCutIn) })
	both.Wait()
	w.mu.Lock()
	delete(w.open, near)
	delete(w.open, far)
	w.mu.Unlock()
	_, _ = near.Close(), far.Close()
}

// pump carries one direction to its end; cut is the trouble that cuts it.
func (w *wire) pump(from, to *net.TCPConn, cut string) {
	defer func() { _ = to.CloseWrite() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !w.pass(buf[:n], from, to, cut) {
			return
		}
		if err != nil {
			return
		}
	}
}

func (w *wire) pass(b []byte, from, to *net.TCPConn, cut string) bool {
	t, over := w.now()
	switch t.kind {
	case wireDelay:
		wait(t.delay, over)
	case wireHold:
		<-over
	case wireSlice:
		for len(b) > t.bytes {
			if _, err := to.Write(b[:t.bytes]); err != nil {
				return false
			}
			b = b[t.bytes:]
			wait(sliceGap, over)
		}
	case cut:
		_, _ = to.Write(b[:min(len(b), t.bytes)])
		w.mu.Lock()
		w.met++
		w.mu.Unlock()
		abort(from)
		abort(to)
		return false
	}
	_, err := to.Write(b)
	return err == nil
}

// wait waits for a while, or until something is over.
func wait(d time.Duration, over <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	}
}

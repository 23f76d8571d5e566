package ingress

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
)

// net/http is lenient where a proxy in front of it may read a request
// differently: it takes Transfer-Encoding beside Content-Length, lines that
// end in a bare LF, and folded header lines. guardedConn refuses all three
// before net/http sees them (SECURITY S8). It follows a connection from head to
// head by Content-Length; what follows a chunked head is not looked at, and the
// server closes the connection after it.
type guardedConn struct {
	net.Conn
	release func()
	once    sync.Once

	// All below is used by Read only, and net/http reads from one goroutine at
	// a time.
	head    headScanner
	body    int64 // bytes of a body still to come
	opaque  bool  // a chunked body began
	refused bool
}

// errSmuggled makes net/http answer 400 and close the connection.
var errSmuggled = errors.New("ambiguous request framing")

// Read gives net/http what precedes the first ambiguity, then the error.
func (c *guardedConn) Read(p []byte) (int, error) {
	if c.refused {
		return 0, errSmuggled
	}
	n, err := c.Conn.Read(p)
	if good := c.scan(p[:n]); good < n {
		c.refused = true
		if good == 0 {
			return 0, errSmuggled
		}
		return good, nil
	}
	return n, err
}

// scan gives how many of the bytes are good.
func (c *guardedConn) scan(p []byte) int {
	for i := 0; i < len(p) && !c.opaque; {
		if c.body > 0 {
			skip := min(c.body, int64(len(p)-i))
			c.body -= skip
			i += int(skip)
			continue
		}
		complete, ok := c.head.add(p[i])
		if !ok {
			return i
		}
		i++
		if complete {
			c.body, c.opaque = c.head.length, c.head.chunked
			c.head = headScanner{}
		}
	}
	return len(p)
}

// Close gives the connection's place back.
func (c *guardedConn) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}

// CloseWrite lets net/http deliver a last answer to a client that still sends.
func (c *guardedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// headScanner reads the head of one request, byte by byte.
type headScanner struct {
	line      []byte
	size      int
	lines     int
	http11    bool
	hasLength bool
	length    int64
	chunked   bool
}

// maxHead is more than net/http takes (MaxHeaderBytes and some slack of its
// own), so that a head that is too long gets its own status from there.
const maxHead = 2 * maxHeaderBytes

// add takes the next byte; complete says that it was the head's last.
func (h *headScanner) add(b byte) (complete, ok bool) {
	if h.size++; h.size > maxHead {
		return false, false
	}
	if b != '\n' {
		if len(h.line) > 0 && h.line[len(h.line)-1] == '\r' {
			return false, false // a CR inside a line
		}
		h.line = append(h.line, b)
		return false, true
	}
	if len(h.line) == 0 || h.line[len(h.line)-1] != '\r' {
		return false, false // a bare LF
	}
	line := string(h.line[:len(h.line)-1])
	h.line = h.line[:0]
	h.lines++
	switch {
	case h.lines == 1:
		h.http11 = strings.HasSuffix(line, " HTTP/1.1")
		return false, line != ""
	case line == "":
		return true, !h.chunked || !h.hasLength && h.http11
	}
	return false, h.field(line)
}

// field takes one header line.
func (h *headScanner) field(line string) bool {
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		return false // a folded line, or a blank before the colon
	}
	switch strings.ToLower(name) {
	case "transfer-encoding":
		h.chunked = true
	case "content-length":
		if h.hasLength {
			return false
		}
		n, err := strconv.ParseUint(strings.Trim(value, " \t"), 10, 63)
		if err != nil {
			return false
		}
		h.hasLength, h.length = true, int64(n)
	}
	return true
}

// guardedListener guards connections and caps how many there are at a time.
type guardedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newGuardedListener(l net.Listener, most int) *guardedListener {
	return &guardedListener{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept waits for a place before it takes a connection.
func (l *guardedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	release := func() { <-l.places }
	conn, err := l.Listener.Accept()
	if err != nil {
		release()
		return nil, err
	}
	return &guardedConn{Conn: conn, release: release}, nil
}

// Close wakes Accept too.
func (l *guardedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

package ingress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncd/store"
)

func dial(t *testing.T, r *rig) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func TestEndlessBodyIsCutAtTheCap(t *testing.T) {
	const most = 16 << 20 // reading 1 MiB by doubling allocates about 5 MiB
	r := newRig(nil)
	r.listen(t)
	c := dial(t, r)
	chunk := []byte("10000\r\n" + strings.Repeat(" ", 0x10000) + "\r\n")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: good\r\nTransfer-Encoding: chunked\r\n\r\n", goodPath)
	sent := make(chan int64)
	go func() {
		var n int64
		for n < 10<<30 {
			k, err := c.Write(chunk)
			n += int64(k)
			if err != nil {
				break
			}
		}
		sent <- n
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if resp.StatusCode != 413 || !resp.Close {
		t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
	}
	if n := <-sent; n >= 10<<30 {
		t.Error("the whole body was taken")
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > most {
		t.Errorf("%d bytes used", used)
	}
	if r.receiver.calls() != 0 {
		t.Error("a signature was checked")
	}
	if code := r.send(t, request("POST", r.url+goodPath, oneEvent)); code != 200 {
		t.Errorf("the next one: %d", code)
	}
}

func TestLyingContentLength(t *testing.T) {
	r := newRig(nil)
	r.listen(t)
	for length, want := range map[string]string{"99999999999": "413", "99999999999999999999999": "400", "-1": "400"} {
		c := dial(t, r)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n{}", goodPath, length)
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+want) {
			t.Errorf("%s: %q %v", length, line, err)
		}
	}
	c := dial(t, r)
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: good\r\nContent-Length: 50\r\n\r\n[]", goodPath)
	c.CloseWrite()
	if line, _ := bufio.NewReader(c).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 503") {
		t.Errorf("a body that breaks off: %q", line)
	}
	if n := len(r.store.receipts()); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// TestSmuggling sends what a proxy may read differently than we do. What comes
// after the refused head must never be taken for a request.
func TestSmuggling(t *testing.T) {
	r := newRig(nil)
	r.listen(t)
	const head = "POST " + goodPath + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: good\r\n"
	const next = head + "Content-Length: 2\r\n\r\n[]"
	tests := []struct{ name, send string }{
		{"TE and CL", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"CL and TE", head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
		{"TE in odd case and CL", head + "tRANSFER-eNCODING: Chunked\r\ncontent-LENGTH: 0\r\n\r\n0\r\n\r\n"},
		{"two CL", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]"},
		{"the same CL twice", head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n[]"},
		{"CL list", head + "Content-Length: 2, 2\r\n\r\n[]"},
		{"CL with sign", head + "Content-Length: +2\r\n\r\n[]"},
		{"CL hex", head + "Content-Length: 0x2\r\n\r\n[]"},
		{"bare LF everywhere", strings.ReplaceAll(next, "\r\n", "\n")},
		{"bare LF after a field", strings.Replace(next, "x\r\n", "x\n", 1)},
		{"bare LF at the end", head + "Content-Length: 2\r\n\n[]"},
		{"bare CR", strings.Replace(next, "Host: x", "Host: x\rA: b", 1)},
		{"folded field", head + "A: b\r\n c\r\nContent-Length: 2\r\n\r\n[]"},
		{"folded with tab", head + "A: b\r\n\tc\r\nContent-Length: 2\r\n\r\n[]"},
		{"folded TE", head + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
		{"blank before colon", head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
		{"unknown TE", head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		{"TE list", head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
		{"two TE", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
		{"TE in HTTP/1.0", strings.Replace(head, "1.1", "1.0", 1) + "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"chunk ends in LF", head + "Transfer-Encoding: chunked\r\n\r\n2\n[]\n0\n\n"},
		{"chunk size with sign", head + "Transfer-Encoding: chunked\r\n\r\n+2\r\n[]\r\n0\r\n\r\n"},
		{"two hosts", strings.Replace(next, "Host: x", "Host: x\r\nHost: y", 1)},
		{"no host", strings.Replace(next, "Host: x\r\n", "", 1)},
		{"NUL in a field", strings.Replace(next, "Host: x", "Host: x\x00y", 1)},
		{"empty first line", "\r\n" + next},
		{"no colon", strings.Replace(next, "Host: x", "Host: x\r\nabc", 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(r.store.receipts())
			c := dial(t, r)
			io.WriteString(c, tt.send+next)
			c.CloseWrite()
			answer, _ := io.ReadAll(c)
			if code := strings.TrimPrefix(string(answer), "HTTP/1.1 "); !strings.HasPrefix(code, "4") && !strings.HasPrefix(code, "50") {
				t.Errorf("answer %.40q", answer)
			}
			if strings.Count(string(answer), "HTTP/1.") != 1 {
				t.Errorf("more than one answer: %q", answer)
			}
			if n := len(r.store.receipts()); n != before {
				t.Errorf("%d rows", n-before)
			}
		})
	}
}

func TestConnectionsAreUsedAgainAndCheckedAgain(t *testing.T) {
	r := newRig(nil)
	r.listen(t)
	const head = "POST " + goodPath + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: good\r\n"
	c := dial(t, r)
	good := head + "Content-Length: 2\r\n\r\n[]"
	io.WriteString(c, good+good+good+head+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+good)
	answers := bufio.NewReader(c)
	for i, want := range []int{200, 200, 200, 400} {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%d: %v %v", i, resp, err)
		}
		io.Copy(io.Discard, resp.Body)
	}
	if rest, _ := io.ReadAll(answers); len(rest) != 0 {
		t.Errorf("then %q", rest)
	}

	c = dial(t, r)
	io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"+good)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 200 || !resp.Close {
		t.Errorf("chunked: %v %v", resp, err)
	}
	if n := len(r.store.receipts()); n != 4 {
		t.Errorf("%d rows: what follows a chunked body was taken", n)
	}
}

// pipeListener is a listener in memory: sockets would keep a synctest bubble
// from its virtual time.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial() net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return ours
}

func TestSlowClientsAreCutAndKeepNobodyWaiting(t *testing.T) {
	const slow = 5000
	synctest.Test(t, func(t *testing.T) {
		r := newRig(nil)
		l := newPipeListener()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Serve(ctx, l) }()

		start := time.Now()
		var conns []net.Conn
		for range slow {
			c := l.dial()
			go io.WriteString(c, "POST "+goodPath+" HTTP/1.1\r\nHost: x\r\nX: ")
			conns = append(conns, c)
		}
		vendor := l.dial()
		go request("POST", "http://x"+goodPath, oneEvent).Write(vendor)
		resp, err := http.ReadResponse(bufio.NewReader(vendor), nil)
		if err != nil || resp.StatusCode != 200 || time.Since(start) > 0 {
			t.Errorf("the vendor's webhook: %v %v after %v", resp, err, time.Since(start))
		}
		for _, c := range conns {
			if rest, err := io.ReadAll(c); err != nil || len(rest) != 0 {
				t.Fatalf("%q %v", rest, err)
			}
		}
		if took := time.Since(start); took != readHeaderTimeout {
			t.Errorf("cut after %v", took)
		}

		body := l.dial() // a body that never ends
		go fmt.Fprintf(body, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[", goodPath)
		start = time.Now()
		resp, err = http.ReadResponse(bufio.NewReader(body), nil)
		if took := time.Since(start); err != nil || resp.StatusCode != 503 || took != readTimeout {
			t.Errorf("a slow body: %v %v after %v", resp, err, took)
		}
		vendor.Close()
		body.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestConnectionsAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		l := newGuardedListener(inner, 2)
		accepted := make(chan net.Conn, 9)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					close(accepted)
					return
				}
				accepted <- c
			}
		}()
		for range 3 {
			go inner.dial()
		}
		synctest.Wait()
		if len(accepted) != 2 {
			t.Fatalf("%d accepted", len(accepted))
		}
		first := <-accepted
		first.Close()
		first.Close()
		synctest.Wait()
		if len(accepted) != 2 {
			t.Errorf("%d accepted after one closed", len(accepted))
		}
		l.Close()
		for range accepted {
		}
	})
}

func TestDrainingFinishesWhatIsInFlightAndRefusesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		r := newRig(nil)
		r.store.before = func([]store.Receipt) error { <-free; return nil }
		l := newPipeListener()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Serve(ctx, l) }()
		post := func() (net.Conn, chan int) {
			c, code := l.dial(), make(chan int, 1)
			go request("POST", "http://x"+goodPath, oneEvent).Write(c)
			go func() {
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					code <- -1
					return
				}
				code <- resp.StatusCode
			}()
			return c, code
		}
		c1, inFlight := post()
		synctest.Wait()
		cancel()
		synctest.Wait()
		c2, late := post()
		if code := <-late; code != 503 {
			t.Errorf("while draining: %d", code)
		}
		if len(inFlight) != 0 || len(ended) != 0 {
			t.Fatal("the delivery in flight was not waited for")
		}
		close(free)
		if code := <-inFlight; code != 200 {
			t.Errorf("in flight: %d", code)
		}
		c1.Close()
		c2.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := len(r.store.receipts()); n != 1 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestServeReportsADeadListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := newRig(nil).Serve(context.Background(), l); err == nil || errors.Is(err, http.ErrServerClosed) {
		t.Errorf("%v", err)
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	r := newRig(nil)
	r.listen(t)
	resp, err := http.DefaultClient.Do(request("POST", r.url+goodPath, oneEvent, header("X-Long", strings.Repeat("a", maxHeaderBytes+5000))))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", resp.StatusCode)
	}
}

//go:build linux

package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	endian "encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"syncd/mapping"
	"syncd/store/sqlite"
)

var instantsFlag = flag.Int("instants", 6, "at how many instants the power goes")

const (
	cuts      = 6 // places at which the log is cut, beside those around the last commit
	mixes     = 2 // of main files that a checkpoint was at work on
	postsRest = 5 * time.Millisecond
	// checkpointAt is how many frames a log has before its pages are moved to the
	// main file (SQLite, PRAGMA wal_autocheckpoint). Before that, the main file is
	// the same for every earlier end of the log.
	checkpointAt = 1000
)

// Layout of a write-ahead log (SQLite, "WAL File Format").
const (
	walHeader   = 32
	frameHeader = 24
	walPageSize = 8  // where the page size stands in the header
	walSalts    = 16 // and the salts, which change when the log begins again
	saltsLength = 8
	frameCommit = 4 // where a frame that ends a transaction tells the size of the file
	frameSalts  = 8
)

// TestPowerLossLeavesAPrefixOfWhatWasAcknowledged: the files of a real daemon at
// random instants, the process being stopped, so that main file and log are of
// one moment. A power loss may lose what was not synced: the log is cut at frame
// borders, torn within a frame or ends in zeros, and of a checkpoint any part may
// have reached the main file. Every such copy opens, is sound, and holds the
// receipts of a prefix of the webhooks, in the order in which they were sent; if
// nothing but what follows the last commit is lost, all that were acknowledged.
//
// What it cannot see is whether a commit was synced before it was acknowledged:
// for that it would have to know what the kernel had not written yet.
func TestPowerLossLeavesAPrefixOfWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	const seed = 20261122
	w := newWorld(t, settings{Store: onSQLite, Held: true, Seed: seed})
	p := w.spawn()
	w.ready()
	post := w.startPoster()
	dice := rand.New(rand.NewPCG(seed, 8))
	var taken []image
	for range *instantsFlag {
		w.pass(between(dice, shortest/4, longest/4))
		if im := w.imageOf(p, post); len(im.log) > walHeader {
			taken = append(taken, im)
		}
	}
	post.end()
	w.stop()
	halfway, midway, logs := 0, 0, map[string]bool{}
	for _, im := range taken {
		w.checkCuts(im, dice)
		w.checkMixes(im, dice)
		if n, committed := im.frames(); n > committed {
			midway++
		}
		logs[im.salts()] = true
		if len(im.sent) > im.acked {
			halfway++
		}
	}
	most := taken[len(taken)-1].acked
	t.Logf("%d instants in %d logs: in %d a webhook was on its way, in %d a transaction was half written; %d webhooks acknowledged before the last", len(taken), len(logs), halfway, midway, most)
	if len(taken) < *instantsFlag/2 || most < *instantsFlag {
		t.Error("that tests nothing")
	}
}

// poster has people work in the CRM and brings their webhooks one after the
// other, so that the order of the commits is known.
type poster struct {
	*world
	mu    sync.Mutex
	sent  []string // delivery keys, in order
	acked int
	stop  chan struct{}
	done  chan struct{}
}

func (w *world) startPoster() *poster {
	p := &poster{world: w, stop: make(chan struct{}), done: make(chan struct{})}
	go p.work()
	return p
}

func (p *poster) work() {
	defer close(p.done)
	client := &http.Client{Timeout: patience}
	var last string
	for i, someone := range people(p.s.Seed, 4000) {
		var err error
		if last == "" || i%3 == 0 {
			last, err = p.crm.UserCreate(contacts, someone.props())
		} else {
			err = p.crm.UserEdit(contacts, last, map[string]string{"jobtitle": fmt.Sprint("Job ", i)})
		}
		if err != nil {
			p.t.Errorf("people at work: %v", err)
			return
		}
		p.courier.mu.Lock()
		kept := p.courier.kept
		p.courier.kept = nil
		p.courier.mu.Unlock()
		for _, one := range kept {
			sum := sha256.Sum256(one.Body)
			p.mu.Lock()
			p.sent = append(p.sent, hex.EncodeToString(sum[:]))
			p.mu.Unlock()
			if status := one.Send(context.Background(), client); status != http.StatusOK {
				p.t.Errorf("a webhook was answered %d", status)
				return
			}
			p.mu.Lock()
			p.acked++
			p.mu.Unlock()
		}
		select {
		case <-p.stop:
			return
		case <-time.After(postsRest):
		}
	}
}

func (p *poster) end() {
	close(p.stop)
	<-p.done
}

func (p *poster) state() (sent []string, acked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent[:len(p.sent):len(p.sent)], p.acked
}

// image is the two files of one moment, and what had been told by then.
type image struct {
	main, log []byte
	sent      []string
	acked     int
}

func (i image) salts() string { return string(i.log[walSalts : walSalts+saltsLength]) }

func (i image) frame() int {
	return frameHeader + int(endian.BigEndian.Uint32(i.log[walPageSize:]))
}

// frames gives how many frames of the log are of its present round, and after
// which of them the last commit ends.
func (i image) frames() (n, committed int) {
	for at := walHeader; at+i.frame() <= len(i.log); at += i.frame() {
		if string(i.log[at+frameSalts:at+frameSalts+saltsLength]) != i.salts() {
			break
		}
		n++
		if endian.BigEndian.Uint32(i.log[at+frameCommit:]) != 0 {
			committed = n
		}
	}
	return n, committed
}

func (i image) cut(frames int) []byte { return i.log[:walHeader+frames*i.frame()] }

// imageOf stops the process, copies its files and lets it go on.
func (w *world) imageOf(p *process, post *poster) image {
	w.t.Helper()
	p.signal(syscall.SIGSTOP)
	defer p.signal(syscall.SIGCONT)
	w.told("syncd is stopped", p.stopped)
	var im image
	_, im.acked = post.state() // first: what is acknowledged now was committed before
	im.main, im.log = w.fileOf(""), w.fileOf("-wal")
	im.sent, _ = post.state()
	return im
}

func (w *world) fileOf(suffix string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, fileDatabase+suffix))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return b
}

// checkCuts ends the log of an image in many places. Once a checkpoint may have
// begun, all commits of the log are synced, and only what follows the last may
// be lost; before, every end is one that the log had at an earlier moment.
func (w *world) checkCuts(im image, dice *rand.Rand) {
	w.t.Helper()
	n, committed := im.frames()
	if held := w.receipts("all of it", im, im.main, im.log); held < im.acked {
		w.t.Errorf("of %d acknowledged webhooks a copy of all files holds %d", im.acked, held)
	}
	w.opens(im.main, im.log)
	var ends []int
	for k := n; k >= committed; k-- {
		ends = append(ends, k)
	}
	if n < checkpointAt {
		for range min(cuts, committed) {
			ends = append(ends, dice.IntN(committed))
		}
	}
	slices.Sort(ends)
	last := 0
	for _, k := range ends {
		what := fmt.Sprintf("cut after frame %d of %d, the last commit ending at %d", k, n, committed)
		held := w.receipts(what, im, im.main, im.cut(k))
		if k >= committed && held < im.acked {
			w.t.Errorf("%s: %d acknowledged, %d held", what, im.acked, held)
		}
		if held < last {
			w.t.Errorf("%s: %d held, %d by a shorter log", what, held, last)
		}
		last = held
		zeros := append(bytes.Clone(im.cut(k)), make([]byte, im.frame()*(1+dice.IntN(3)))...)
		if got := w.receipts(what+", and zeros", im, im.main, zeros); got != held {
			w.t.Errorf("%s: %d held, with zeros behind %d", what, held, got)
		}
		if k < n {
			torn := append(bytes.Clone(im.cut(k)), im.log[walHeader+k*im.frame():][:1+dice.IntN(im.frame()-1)]...)
			if got := w.receipts(what+", and torn", im, im.main, torn); got != held {
				w.t.Errorf("%s: %d held, with part of a frame behind %d", what, held, got)
			}
		}
	}
}

// checkMixes moves any of the log's pages to the main file, as a checkpoint does
// that the power loss interrupts. The log has not begun again, so all is held.
func (w *world) checkMixes(im image, dice *rand.Rand) {
	w.t.Helper()
	size := im.frame() - frameHeader
	_, committed := im.frames()
	for range mixes {
		main, share := bytes.Clone(im.main), 1+dice.IntN(9)
		for k := range committed {
			frame := im.log[walHeader+k*im.frame():][:im.frame()]
			end := int(endian.BigEndian.Uint32(frame)) * size
			if dice.IntN(10) >= share {
				continue
			}
			if end > len(main) {
				main = append(main, make([]byte, end-len(main))...)
			}
			copy(main[end-size:end], frame[frameHeader:])
		}
		if held := w.receipts("a checkpoint under way", im, main, im.log); held < im.acked {
			w.t.Errorf("with a checkpoint under way %d of %d acknowledged webhooks are held", held, im.acked)
		}
	}
}

// receipts opens a copy and gives how many webhooks it holds; they have to be
// the first that were sent.
func (w *world) receipts(what string, im image, main, log []byte) int {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.copied(main, log))
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, check := range []struct{ pragma, want string }{{"PRAGMA integrity_check", "ok"}, {"PRAGMA foreign_key_check", ""}} {
		var said string
		if err := db.QueryRow(check.pragma).Scan(&said); err != nil && err != sql.ErrNoRows || said != check.want {
			w.t.Errorf("%s: %s: %q, %v", what, check.pragma, said, err)
			return 0
		}
	}
	var made int
	if err := db.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name='inbox'").Scan(&made); err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
	if made == 0 { // the power went while the first start made the tables
		w.opens(main, log)
		return 0
	}
	rows, err := db.Query("SELECT delivery_key FROM inbox")
	if err != nil {
		w.t.Errorf("%s: %v", what, err)
		return 0
	}
	defer rows.Close()
	held := map[string]bool{}
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			w.t.Fatal(err)
		}
		held[key] = true
	}
	if err := rows.Err(); err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
	for i, key := range im.sent[:min(len(held), len(im.sent))] {
		if !held[key] {
			w.t.Errorf("%s: %d receipts, and that of webhook %d is not among them", what, len(held), i+1)
			break
		}
	}
	if len(held) > len(im.sent) {
		w.t.Errorf("%s: %d receipts of %d webhooks", what, len(held), len(im.sent))
	}
	return len(held)
}

// opens has syncd's own store open a copy.
func (w *world) opens(main, log []byte) {
	w.t.Helper()
	keys, err := mapping.NewKeyring(secrets()[fileInstallKey])
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := sqlite.Open(context.Background(), w.copied(main, log), sqlite.Options{KeyFingerprint: keys.Fingerprint()})
	if err != nil {
		w.t.Errorf("the store does not open a copy: %v", err)
		return
	}
	if err := s.Close(); err != nil {
		w.t.Errorf("close the copy: %v", err)
	}
}

// copied writes the two files in place of the copy before, and gives the path of
// the main one.
func (w *world) copied(main, log []byte) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, "copy")
	if err := os.RemoveAll(dir); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(dir, fileDatabase)
	for suffix, b := range map[string][]byte{"": main, "-wal": log} {
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	return path
}

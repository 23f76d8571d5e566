//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const envChild = "SYNCD_PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		child()
	}
	os.Exit(Main(m))
}

// child starts a server, says where, and waits to be killed.
func child() {
	s, err := Start(context.Background())
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(s.port, s.dir)
	select {}
}

// The server ends with the test binary even where nothing of the binary runs
// any more, and the next binary removes what it left.
func TestServerDiesWithAKilledBinary(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envChild+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		t.Fatalf("child: %q, %v", line, err)
	}
	port, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	if !answers(port) {
		t.Fatal("the server of the child does not answer")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for end := time.Now().Add(20 * time.Second); answers(port); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server outlives the binary that started it")
		}
	}
	removeStale()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Fatalf("%s is left: %v", filepath.Base(dir), err)
	}
}

func answers(port string) bool {
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

func TestCrashKeepsWhatWasCommitted(t *testing.T) {
	ctx := context.Background()
	s, err := Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dsn, err := s.CreateDatabase(ctx, "kept")
	if err != nil {
		t.Fatal(err)
	}
	do := func(sql string) {
		t.Helper()
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	do("CREATE TABLE kept (n int)")
	if err := s.Crash(ctx); err != nil {
		t.Fatal(err)
	}
	do("INSERT INTO kept VALUES (1)")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Fatal("the data directory is left")
	}
}

func TestDSNIsFreshAndOfEitherForm(t *testing.T) {
	if a, b := DSN(t), DSN(t); a == b {
		t.Fatal("two tests share a database")
	}
	for dsn, want := range map[string]string{
		"postgres://u:p@h:1/postgres?sslmode=disable": "postgres://u:p@h:1/x?sslmode=disable",
		"host=h user=u dbname=postgres":               "host=h user=u dbname=postgres dbname=x",
	} {
		if got, err := withDatabase(dsn, "x"); err != nil || got != want {
			t.Errorf("%s with another database: %s, %v", dsn, got, err)
		}
	}
}

//go:build linux

package e2e_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	sqlMapped = `SELECT source_system || ' ' || source_id || ' ' || target_system || ' ' || target_id FROM id_mapping WHERE link='contacts'`
	// oftenSQLite is after how many hits the rows are looked at again on SQLite,
	// where that means to stop the daemon for a moment.
	oftenSQLite = 5
)

// vanished looks at id_mapping in the middle of everything and says which row
// of an earlier look is not there any more (I15): what is paired stays paired.
func (l *killLab) vanished(nth int) string {
	now := map[string]bool{}
	is := false
	if l.server != nil {
		is = l.rowsOfPostgres(now)
	} else if nth >= l.lookAt {
		is = l.rowsOfSQLite(now)
	}
	if !is {
		return ""
	}
	for row := range l.rows {
		if !now[row] {
			return row
		}
	}
	l.rows, l.lookAt = now, nth+oftenSQLite
	l.looks++
	return ""
}

func (l *killLab) rowsOfPostgres(into map[string]bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	conn, err := pgx.Connect(ctx, l.server.DSN(labDatabase))
	if err != nil {
		return false // it is just being started
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, sqlMapped)
	if err != nil {
		return false
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, row := range all {
		into[row] = true
	}
	return err == nil
}

// rowsOfSQLite reads a copy that was taken while the daemon stood still: a
// second reader of its file would not be part of what is tested.
func (l *killLab) rowsOfSQLite(into map[string]bool) bool {
	p := l.replicas[0].process()
	p.signal(syscall.SIGSTOP)
	defer p.signal(syscall.SIGCONT)
	for deadline := time.Now().Add(time.Second); !p.stopped(); l.pass(look) {
		if _, gone := p.exited(); gone || time.Now().After(deadline) {
			return false
		}
	}
	main, errMain := os.ReadFile(l.disk.path(fileDatabase))
	log, errLog := os.ReadFile(l.disk.path(fileDatabase + "-wal"))
	if errMain != nil || errLog != nil {
		return false
	}
	db, err := sql.Open("sqlite", l.copied(main, log))
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(sqlMapped)
	if err != nil {
		l.t.Errorf("read a copy of %s: %v", filepath.Base(fileDatabase), err)
		return false
	}
	defer rows.Close()
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			l.t.Fatal(err)
		}
		into[row] = true
	}
	return rows.Err() == nil
}

package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"syncd/daemon"
	"syncd/store"
)

// TestAPersonLetsDeletesGo, and answers for it; other holds are not theirs to open.
func TestAPersonLetsDeletesGo(t *testing.T) {
	o := newOffice(t)
	d, err := daemon.Offline(t.Context(), o.options())
	if err != nil {
		t.Fatal(err)
	}
	for what, reason := range map[string]string{"deletes": "mass delete", "creates": "first plan"} {
		h := store.Hold{System: "odoo", Link: "contacts", What: what, Reason: reason}
		if err := d.Store().CloseHold(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	list := func() map[string]int64 {
		t.Helper()
		out, code := run(t, "holds", "ls", "-c", o.config, "-o", "json")
		var got []holdAnswer
		if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil {
			t.Fatalf("%d, %v: %s", code, err, out)
		}
		ids := map[string]int64{}
		for _, h := range got {
			ids[h.Reason] = h.ID
		}
		return ids
	}
	ids := list()
	release := func(id int64) (string, int) {
		return run(t, "holds", "release", strconv.FormatInt(id, 10), "-c", o.config, "--as", "ann", "--reason", "they were duplicates")
	}
	if out, code := release(ids["first plan"]); code != exitUsage || !strings.Contains(out, "not a person's to release") {
		t.Errorf("another hold: %d, %s", code, out)
	}
	if out, code := release(ids["mass delete"]); code != 0 || !strings.Contains(out, "mass delete") {
		t.Fatalf("%d, %s", code, out)
	}
	if left := list(); left["mass delete"] != 0 || left["first plan"] == 0 {
		t.Errorf("held still: %v", left)
	}
	if out, code := release(ids["mass delete"]); code != exitUsage {
		t.Errorf("once more: %d, %s", code, out)
	}
	if d, err = daemon.Offline(t.Context(), o.options()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	lines, err := d.Store().Audits(t.Context(), 10)
	if err != nil || len(lines) != 1 || lines[0].Actor != "ann" || lines[0].Action != "hold.release" || lines[0].Reason != "they were duplicates" {
		t.Errorf("audit %+v, %v", lines, err)
	}
}

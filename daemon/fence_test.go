package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncd/config"
)

func TestFenceFileHoldsTheLastNumberOfItsOwnInstallation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fence")
	if n, err := readFence(path, "k"); n != 0 || err != nil {
		t.Fatalf("without a file: %d, %v", n, err)
	}
	for _, want := range []int64{7, 1 << 40, 3} {
		if err := writeFence(path, fenceNote{Key: "k", Fence: want}); err != nil {
			t.Fatal(err)
		}
		if n, err := readFence(path, "k"); n != want || err != nil {
			t.Errorf("%d, %v; want %d", n, err, want)
		}
	}
	if n, err := readFence(path, "another"); n != 0 || err != nil {
		t.Errorf("of another installation: %d, %v", n, err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A half-written file must not pass for "nothing was noted".
func TestBrokenFenceFileIsToldAndNotTakenForNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fence")
	for _, text := range []string{"", "{", `{"key":"k","fence":"7"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := readFence(path, "k"); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
}

func TestFenceFileIsBesideTheDatabaseUnlessItHasAPlaceOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		store config.Store
		want  string
	}{
		{config.Store{SQLite: "a/syncd.db"}, "a/syncd.db.fence"},
		{config.Store{SQLite: "a/syncd.db", StateDir: "b"}, filepath.Join("b", "fence")},
		{config.Store{StateDir: "b"}, filepath.Join("b", "fence")},
		{config.Store{}, ""},
	} {
		d := &Daemon{Options: Options{Config: &config.Config{Store: c.store}}}
		if got := d.fencePath(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.store, got, c.want)
		}
	}
}

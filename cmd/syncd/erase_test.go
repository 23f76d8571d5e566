package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncd/mapping"
	"syncd/store"
	"syncd/store/sqlite"
)

const testKey = "0123456789abcdef0123456789abcdef"

// installed makes a configuration like the example, and a database in which contact
// 501 and partner 11 are a pair.
func installed(t *testing.T) (configPath string, open func() *sqlite.Store) {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	configPath = filepath.Join(dir, "syncd.yaml")
	for name, content := range map[string]string{configPath: string(text), filepath.Join(dir, "install_key"): testKey} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"HUBSPOT_TOKEN", "HUBSPOT_CLIENT_SECRET", "HUBSPOT_WEBHOOK_SECRET", "ODOO_API_KEY", "ODOO_WEBHOOK_SECRET",
		"SHOP_TOKEN", "SHOP_SIGNING_SECRET", "SHOP_WEBHOOK_SECRET"} {
		t.Setenv(name, "a-secret-of-the-tests-"+strings.ToLower(name))
	}
	t.Setenv("SYNCD_STORE_SQLITE", filepath.Join(dir, "syncd.db"))
	keys, err := mapping.NewKeyring(testKey)
	if err != nil {
		t.Fatal(err)
	}
	open = func() *sqlite.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(dir, "syncd.db"), sqlite.Options{KeyFingerprint: keys.Fingerprint()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	row := func(system, object string) store.SystemRow {
		return store.SystemRow{System: system, Kind: system, Objects: []store.ObjectRow{{Object: object, CreateClass: "unique"}}}
	}
	if err := s.Register(t.Context(), []store.SystemRow{row("hubspot", "contacts"), row("odoo", "res.partner")}); err != nil {
		t.Fatal(err)
	}
	id := "00000000-0000-4000-8000-000000000001"
	res, err := s.ClaimIdentities(t.Context(), "w", time.Minute, []store.NewIdentity{{ID: id, Link: "contacts", CreatedBy: "test",
		Source: store.NewMember{System: "hubspot", Object: "contacts", RecordID: "501"}, Targets: []store.NewMember{{System: "odoo", Object: "res.partner"}}}})
	if err != nil || res[0].Verdict != store.VerdictNew {
		t.Fatal(res, err)
	}
	if _, err := s.Bind(t.Context(), []store.Binding{{IdentityID: id, System: "odoo", Object: "res.partner", RecordID: "11"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Persist(t.Context(), store.Persist{Owner: "w", Release: []store.LeaseRef{{ID: id, Epoch: res[0].Epoch}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return configPath, open
}

func answer(t *testing.T, typed string, args ...string) (out, said string, err error) {
	t.Helper()
	cmd := newRoot()
	var o, e bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(typed))
	cmd.SetOut(&o)
	cmd.SetErr(&e)
	err = cmd.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

func certificate(t *testing.T, text string) (c store.Erased) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatalf("%q is no certificate: %v", text, err)
	}
	return c
}

func TestEraseAsksAndCertifies(t *testing.T) {
	path, open := installed(t)
	erase := func(typed string, more ...string) (string, string, error) {
		return answer(t, typed, append([]string{"erase", "hubspot:contacts:501", "-c", path}, more...)...)
	}
	if _, _, err := erase("501\n"); err == nil || !strings.Contains(err.Error(), "--reason") {
		t.Errorf("without a reason: %v", err)
	}
	out, _, err := erase("", "--dry-run")
	if err != nil {
		t.Fatal(err)
	}
	would := certificate(t, out)
	if _, asked, err := erase("yes\n", "--reason", "request 12"); err == nil || !strings.Contains(asked, "cannot be undone") {
		t.Errorf("a wrong answer erased: %q, %v", asked, err)
	}
	out, _, err = erase("501\n", "--reason", "request 12")
	if err != nil {
		t.Fatal(err)
	}
	done := certificate(t, out)
	if done.ID == 0 || done.Reason != "request 12" || !strings.HasPrefix(done.By, "cli:") || done.Wiped["member"] != 2 || would.Wiped["member"] != 2 ||
		len(done.Elsewhere) != 1 || done.Elsewhere[0].Order != store.EraseAsk {
		t.Errorf("certificate %+v, told before %+v", done, would)
	}
	if again, _, err := answer(t, "", "erase", "--certificate", "1", "-c", path); err != nil || certificate(t, again).Reason != "request 12" {
		t.Errorf("the kept certificate is %q, %v", again, err)
	}
	if _, _, err := answer(t, "", "erase", "odoo:res.partner:11", "--settle", "keep", "-c", path); err != nil {
		t.Error(err)
	}
	if _, _, err := answer(t, "", "erase", "odoo:res.partner:11", "--settle", "keep", "-c", path); err == nil {
		t.Error("a record was settled twice")
	}
	s := open()
	defer s.Close()
	if held, err := s.Holders(t.Context(), "hubspot", "contacts", []string{"501"}); err != nil || len(held) > 0 {
		t.Errorf("holders %v, %v", held, err)
	}
	if _, _, err := erase("", "--yes", "--reason", "x"); err == nil || !strings.Contains(err.Error(), "it takes no commands") {
		t.Errorf("beside a running daemon: %v", err)
	}
}

func TestEraseRefusesWhatItCannotMean(t *testing.T) {
	path, _ := installed(t)
	t.Run("no database", func(t *testing.T) {
		t.Setenv("SYNCD_STORE_SQLITE", filepath.Join(t.TempDir(), "other.db"))
		if _, _, err := answer(t, "", "erase", "hubspot:contacts:501", "--yes", "--reason", "x", "-c", path); err == nil || !strings.Contains(err.Error(), "no database") {
			t.Errorf("%v", err)
		}
	})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{}, "system:object:id"},
		{[]string{"hubspot:501", "--reason", "x"}, "several objects"},
		{[]string{"nobody:deals:501", "--reason", "x"}, "no link has"},
		{[]string{"hubspot:contacts:501", "--reason", "x", "--other", "burn"}, "keep, archive or delete"},
		{[]string{"hubspot:contacts:501", "--settle", "ask"}, "keep, archive or delete"},
	} {
		_, _, err := answer(t, "", append(append([]string{"erase"}, c.args...), "-c", path)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}

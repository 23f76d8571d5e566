package daemon

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncd/config"
	"syncd/control"
	"syncd/flows"
)

const modesConfig = `
install_key: {file: install_key}
store: {sqlite: "DIR/syncd.db"}
systems:
  hubspot: {kind: hubspot, base_url: "http://127.0.0.1:1", token: {file: install_key}, client_secret: {file: install_key}}
  odoo: {kind: odoo, url: "http://127.0.0.1:1", database: acme, login: syncd, api_key: {file: install_key}}
links:
  - name: contacts
    identity: IDENTITY
    members:
      - {system: hubspot, object: contacts, inverse_id: {odoo: erp_id}}
      - {system: odoo, object: res.partner}
    fields:
      - {hubspot: email, odoo: email, as: email}
`

// configured is a daemon over one store whose link has an identity mode.
func configured(t *testing.T, dir, identity string) *Daemon {
	t.Helper()
	path := filepath.Join(dir, "syncd.yaml")
	text := strings.NewReplacer("DIR", dir, "IDENTITY", identity).Replace(modesConfig)
	for name, text := range map[string]string{path: text, filepath.Join(dir, "install_key"): "an-install-key-of-32-letters-000"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(path, config.Options{Kinds: Kinds()})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Offline(t.Context(), Options{Config: c, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A changed mode holds the link's creates over every restart, until somebody
// accepts it or the configuration is put back.
func TestChangedIdentityModeHoldsCreatesUntilItIsAccepted(t *testing.T) {
	const ofRecord = "{system_of_record: odoo}"
	dir := t.TempDir()
	start := func(identity, want string, then func(d *Daemon)) {
		t.Helper()
		d := configured(t, dir, identity)
		defer func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}()
		link := &flows.Link{Name: "contacts", Members: []flows.Member{{System: "hubspot", Write: true}, {System: "odoo"}}}
		if err := d.holdChangedModes(t.Context(), []*flows.Link{link}); err != nil {
			t.Fatal(err)
		}
		holds, err := d.store.Holds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, h := range holds {
			got += h.System + " " + h.What + " " + h.Reason + " " + string(h.Detail)
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: holds %q; want %q", identity, got, want)
		}
		if then != nil {
			then(d)
		}
	}
	start("mapping", "", nil)
	start(ofRecord, "hubspot creates identity mode changed", nil)
	start("mapping", "", nil)
	start(ofRecord, "hubspot creates identity mode changed", func(d *Daemon) {
		raw, err := json.Marshal(map[string]string{"Link": "contacts"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Operations().Do(t.Context(), "link.accept-mode", control.Call{Actor: "jana", Args: raw}); err != nil {
			t.Fatal(err)
		}
		lines, err := d.store.Audits(t.Context(), 5)
		if err != nil || len(lines) != 1 || lines[0].Actor != "jana" || string(lines[0].After) != `"system_of_record: odoo"` {
			t.Errorf("audit %+v, %v", lines, err)
		}
	})
	start(ofRecord, "", nil)
	start("mapping", "hubspot creates identity mode changed", nil)
}

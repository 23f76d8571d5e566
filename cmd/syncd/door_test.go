package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncd/config"
	"syncd/control"
	"syncd/daemon"
	"syncd/demo"
	"syncd/store"
)

// office is a configuration whose vendors do not answer, and a store with one
// pair: hubspot contact 1, odoo partner 11.
type office struct {
	t            *testing.T
	config, sock string
}

const officeConfig = `
install_key: {file: install_key}
server:
  webhooks: {listen: "127.0.0.1:0"}
  ops: {listen: "127.0.0.1:0"}
store: {sqlite: "DIR/syncd.db"}
systems:
  hubspot: {kind: hubspot, base_url: "http://127.0.0.1:1", token: {file: install_key}, client_secret: {file: install_key}}
  odoo: {kind: odoo, url: "http://127.0.0.1:1", database: acme, login: syncd, api_key: {file: install_key}}
links:
  - name: contacts
    members:
      - {system: hubspot, object: contacts}
      - {system: odoo, object: res.partner}
    fields:
      - {hubspot: email, odoo: email, as: email}
`

func newOffice(t *testing.T) *office {
	t.Helper()
	dir, err := os.MkdirTemp("", "door") // short: the path of a socket is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o := &office{t: t, config: filepath.Join(dir, "syncd.yaml"), sock: filepath.Join(dir, "syncd.db.sock")}
	for name, text := range map[string]string{"install_key": "an-install-key-of-32-letters-000", "syncd.yaml": strings.ReplaceAll(officeConfig, "DIR", dir)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := daemon.Offline(t.Context(), o.options())
	if err != nil {
		t.Fatal(err)
	}
	o.pair(d.Store(), "1", "11")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) options() daemon.Options {
	o.t.Helper()
	c, err := config.Load(o.config, demo.ConfigOptions())
	if err != nil {
		o.t.Fatal(err)
	}
	return daemon.Options{Config: c, Logger: slog.New(slog.DiscardHandler)}
}

// pair binds two records to one identity, as the flows do.
func (o *office) pair(s daemon.Store, crm, erp string) {
	o.t.Helper()
	ctx := o.t.Context()
	id := "00000000-0000-4000-8000-00000000000" + crm
	err := s.Register(ctx, []store.SystemRow{
		{System: "hubspot", Kind: "hubspot", Objects: []store.ObjectRow{{Object: "contacts", CreateClass: "unique"}}},
		{System: "odoo", Kind: "odoo", Objects: []store.ObjectRow{{Object: "res.partner", CreateClass: "unique"}}},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	got, err := s.ClaimIdentities(ctx, "seed", time.Minute, []store.NewIdentity{{ID: id, Link: "contacts", CreatedBy: "seed",
		Source:  store.NewMember{System: "hubspot", Object: "contacts", RecordID: crm, Token: "t" + crm},
		Targets: []store.NewMember{{System: "odoo", Object: "res.partner", Token: "t" + crm}}}})
	if err != nil || got[0].Verdict != store.VerdictNew {
		o.t.Fatal(got, err)
	}
	if _, err := s.Bind(ctx, []store.Binding{{IdentityID: id, System: "odoo", Object: "res.partner", RecordID: erp}}); err != nil {
		o.t.Fatal(err)
	}
	if err := s.Drop(ctx, "seed"); err != nil {
		o.t.Fatal(err)
	}
}

// serve runs the daemon until the returned function is called.
func (o *office) serve() (stop func()) {
	o.t.Helper()
	d, err := daemon.New(o.t.Context(), o.options())
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(o.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			o.t.Error(err)
		}
	}
}

// run runs a command and gives what it printed and its exit code.
func run(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	var b bytes.Buffer
	root := newRoot()
	root.SetOut(&b)
	root.SetArgs(args)
	if err := root.ExecuteContext(t.Context()); err != nil {
		return b.String() + err.Error(), exitCode(err)
	}
	return b.String(), 0
}

// TestACommandAsksTheDaemonOrTheStore, and shows the same either way.
func TestACommandAsksTheDaemonOrTheStore(t *testing.T) {
	o := newOffice(t)
	alone, code := run(t, "mapping", "get", "odoo:11", "-c", o.config)
	if code != 0 || !strings.Contains(alone, "hubspot:contacts:1") || !strings.Contains(alone, "odoo:res.partner:11") {
		t.Fatalf("without a daemon: %d, %s", code, alone)
	}
	stop := o.serve()
	for _, way := range [][]string{{"-c", o.config}, {"--socket", o.sock}} {
		if got, code := run(t, append([]string{"mapping", "get", "hubspot:contacts:1"}, way...)...); code != 0 || got != alone {
			t.Errorf("by the daemon, %v: %d, %s\nwant %s", way, code, got, alone)
		}
	}
	if got, code := run(t, "mapping", "get", "hubspot:contacts:2", "--socket", o.sock); code != exitFailed || !strings.Contains(got, "belongs to nobody") {
		t.Errorf("an unknown record: %d, %s", code, got)
	}
	if got, code := run(t, "mapping", "get", "pipedrive:2", "--socket", o.sock); code != exitUsage || !strings.Contains(got, `no link has a system "pipedrive"`) {
		t.Errorf("an unknown system: %d, %s", code, got)
	}
	if err := os.Remove(o.sock); err != nil {
		t.Fatal(err)
	}
	if got, code := run(t, "mapping", "get", "odoo:11", "-c", o.config); code != exitUnreachable || !strings.Contains(got, "it takes no commands") {
		t.Errorf("a daemon without a socket: %d, %s", code, got)
	}
	stop()
}

// TestACellIsNoFormulaAndNoOrderToATerminal (SECURITY S22).
func TestACellIsNoFormulaAndNoOrderToATerminal(t *testing.T) {
	cells := table{head: []string{"NAME"}, rows: [][]string{{"=HYPERLINK(1)"}, {"\x1b]52;c;x\x07"}}}
	for format, wrong := range map[string]string{formatCSV: "\n=", formatTable: "\x1b"} {
		var b bytes.Buffer
		if err := (&doorFlags{format: format}).print(&b, nil, cells); err != nil || strings.Contains(b.String(), wrong) {
			t.Errorf("%s: %q, %v", format, b.String(), err)
		}
	}
}

// TestEveryKindHasItsExitCode: an unknown kind would exit 0.
func TestEveryKindHasItsExitCode(t *testing.T) {
	for kind := range exitCodes {
		if exitCode(&control.Error{Kind: kind}) == 0 {
			t.Errorf("%s exits 0", kind)
		}
	}
	if exitCode(&control.Error{Kind: "of a newer daemon"}) != exitFailed || exitCode(usageError{os.ErrInvalid}) != exitUsage {
		t.Error("an unknown failure must exit 1, a usage error 2")
	}
}

func TestLinkAcceptsTheModeThatItsConfigurationSays(t *testing.T) {
	o := newOffice(t)
	text, err := os.ReadFile(o.config)
	if err != nil {
		t.Fatal(err)
	}
	keyed := strings.Replace(string(text), "object: contacts}", "object: contacts, inverse_id: {odoo: erp_id}}", 1)
	keyed = strings.Replace(keyed, "- name: contacts", "- name: contacts\n    identity: {system_of_record: odoo}", 1)
	if err := os.WriteFile(o.config, []byte(keyed), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := run(t, "link", "accept-mode", "contacts", "-c", o.config, "-o", "csv")
	if code != 0 || !strings.Contains(out, "system_of_record: odoo") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if out, code := run(t, "link", "accept-mode", "nobody", "-c", o.config); code != exitUsage || !strings.Contains(out, "no link") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

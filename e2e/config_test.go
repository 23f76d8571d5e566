package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"text/template"
	"time"

	"syncd/config"
	"syncd/demo"
)

// settings say how a world differs from the ordinary one.
type settings struct {
	Store   string
	Sweep   time.Duration // 0: an hour, so none but the one at start
	Lease   time.Duration // 0: a minute
	OnMatch string        // "": pair
	Rows    []string      // field rows of the link contacts besides the usual ones
	Log     string        // level; "": info
	// DSN and Database say where the state is, "": a database of its own.
	DSN      string
	Database string
	StateDir string // "": where it is by default
	// Held keeps webhooks at the courier until they are released.
	Held bool
	Seed uint64
}

func (s settings) withDefaults() settings {
	if s.Sweep == 0 {
		s.Sweep = time.Hour
	}
	if s.Lease == 0 {
		s.Lease = time.Minute
	}
	if s.OnMatch == "" {
		s.OnMatch = config.MatchPair
	}
	if s.Log == "" {
		s.Log = "info"
	}
	return s
}

// Files of secrets in a world's folder.
const (
	fileInstallKey   = "install_key"
	fileCRMToken     = "hubspot_token"
	fileClientSecret = "hubspot_client_secret"
	fileCRMHook      = "hubspot_webhook_secret"
	fileERPKey       = "odoo_api_key"
	fileERPHook      = "odoo_webhook_secret"
	fileDSN          = "postgres_dsn"
	fileConfig       = "syncd.yaml"
	fileDatabase     = "syncd.db"
)

// secrets are the same in every world: they look like nothing else, so that a
// test can search for them.
func secrets() map[string]string {
	return map[string]string{
		fileInstallKey:   "canary-install-key-3f1c5a7e9b2d4680",
		fileCRMToken:     "canary-crm-token-8d2e4f6a1b3c5970",
		fileClientSecret: "canary-client-secret-0a9b8c7d6e5f4132",
		fileCRMHook:      "canary-crm-hook-5b7d9f1a3c2e4860",
		fileERPKey:       "canary-erp-key-6c8e0a2b4d5f7193",
		fileERPHook:      "canary-erp-hook-7d9f1b3c5e6a8204",
	}
}

var configTemplate = template.Must(template.New("config").Parse(`
install_key: {file: install_key}
server:
  public_url: "{{.Public}}"
  webhooks: {listen: "{{.Hooks}}"}
  ops: {listen: "{{.Ops}}"}
  drain_timeout: 20s
log: {level: {{.Log}}, format: json}
store:
{{- if eq .Store "postgres"}}
  postgres: {file: postgres_dsn}
{{- else}}
  sqlite: "{{.Database}}"
{{- end}}
  lease: {{.Lease}}
{{- if .StateDir}}
  state_dir: "{{.StateDir}}"
{{- end}}
systems:
  hubspot:
    kind: hubspot
    base_url: "{{.CRM}}"
    api_version: v3
    token: {file: hubspot_token}
    client_secret: {file: hubspot_client_secret}
    webhook_secret: {file: hubspot_webhook_secret}
    app_id: "54321"
    sweep_every: {{.Sweep}}
  odoo:
    kind: odoo
    url: "{{.ERP}}"
    database: acme
    login: syncd
    api_key: {file: odoo_api_key}
    webhook_secret: {file: odoo_webhook_secret}
    sweep_every: {{.Sweep}}
links:
  - name: companies
    start: live
    members:
      - {system: hubspot, object: companies,   inverse_id: {odoo: erp_id}}
      - {system: odoo,    object: res.partner, inverse_id: {hubspot: x_crm_id}, only: 'is_company', create_with: {is_company: "true"}}
    match: [[name]]
    conflict: {newest: odoo}
    fields:
      - {hubspot: name,  odoo: name}
      - {hubspot: phone, odoo: phone, as: phone, country: CZ}
      - {hubspot: city,  odoo: city}
  - name: contacts
    start: live
    on_match: "{{.OnMatch}}"
    members:
      - {system: hubspot, object: contacts,    inverse_id: {odoo: erp_id}}
      - {system: odoo,    object: res.partner, inverse_id: {hubspot: x_crm_id}, only: '!is_company && type == "contact"'}
    match: [[email]]
    conflict: {newest: odoo}
    fields:
      - {name: full_name, hubspot: [firstname, lastname], odoo: name, as: person_name}
      - {hubspot: email,    odoo: email, as: email}
      - {hubspot: phone,    odoo: phone, as: phone, country: CZ, conflict: odoo}
      - {hubspot: jobtitle, odoo: function}
      - {hubspot: city,     odoo: city, conflict: ask}
{{- range .Rows}}
      - {{.}}
{{- end}}
`))

// writeConfig writes the configuration of a world.
func (w *world) writeConfig() { w.writeConfigAs(fileConfig, w.hooks, w.ops) }

// writeConfigAs writes one with listeners of its own: a replica's.
func (w *world) writeConfigAs(name, hooks, ops string) {
	w.t.Helper()
	var text bytes.Buffer
	err := configTemplate.Execute(&text, struct {
		settings
		Public, Hooks, Ops, CRM, ERP string
	}{w.s, w.public, hooks, ops, w.crmURL, w.erpURL})
	if err != nil {
		w.t.Fatalf("the configuration: %v", err)
	}
	w.writeFile(name, text.String())
}

func (w *world) writeFile(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatalf("write %s: %v", name, err)
	}
}

func (w *world) configPath() string { return filepath.Join(w.dir, fileConfig) }

func loadConfig(tb testing.TB, path string) *config.Config {
	tb.Helper()
	c, err := config.Load(path, demo.ConfigOptions())
	if err != nil {
		tb.Fatalf("the configuration: %v", err)
	}
	return c
}

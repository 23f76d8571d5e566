// Package demo is syncd between two pretend vendors in one process: a real
// daemon on its embedded store, a HubSpot and an Odoo that behave as the real
// ones do, and a short story that is checked against the vendors' own truth.
package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"syncd/config"
	"syncd/daemon"
	"syncd/fields"
	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
)

//go:embed config.yaml.tmpl
var configText string

// Options of a demo.
type Options struct {
	Out    io.Writer
	Logger *slog.Logger
	Once   bool // play the story, check it, end
	Dir    string
	// CRMPort and ERPPort are where the pretend vendors listen, 0 for any.
	CRMPort, ERPPort, HooksPort, OpsPort int
}

// World is the running demo.
type World struct {
	CRM    *hubspotsim.Sim
	ERP    *odoosim.Sim
	Daemon *daemon.Daemon

	crmURL, erpURL string
	crmHook        string
	acks           *ackClock
}

// Run plays the demo; with Once it ends after the story, else with ctx.
func Run(ctx context.Context, o Options) error {
	dir, cleanup, err := folder(o.Dir)
	if err != nil {
		return err
	}
	defer cleanup()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w, err := build(ctx, o, dir)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Daemon.Run(ctx) }()
	story := newStory(w, o.Out)
	verdict := story.play(ctx)
	if !o.Once && verdict == nil {
		w.invite(o.Out)
		select {
		case <-ctx.Done():
		case err := <-ended:
			return err
		}
	}
	stop()
	return errors.Join(verdict, <-ended)
}

func folder(dir string) (string, func(), error) {
	if dir != "" {
		if _, err := os.Stat(filepath.Join(dir, database)); err == nil {
			return "", nil, fmt.Errorf("%s holds the database of an earlier demo, whose pretend vendors are gone: name another folder", dir)
		}
		return dir, func() {}, os.MkdirAll(dir, 0o700)
	}
	tmp, err := os.MkdirTemp("", "syncd-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the demo: %w", err)
	}
	return tmp, func() { _ = os.RemoveAll(tmp) }, nil
}

// database is the name of the demo's store in its folder.
const database = "syncd.db"

// peopleKey lets whoever tries the demo act as a person in either vendor.
const peopleKey = "demo"

// build starts the vendors and makes the daemon, which is not running yet.
func build(ctx context.Context, o Options, dir string) (*World, error) {
	hooks, err := freePort(o.HooksPort)
	if err != nil {
		return nil, err
	}
	opsAddr, err := freePort(o.OpsPort)
	if err != nil {
		return nil, err
	}
	secrets := map[string]string{
		"install_key": random(), "hubspot_token": "pat-sim", "hubspot_client_secret": random(),
		"hubspot_webhook_secret": random(), "odoo_api_key": "sim-key", "odoo_webhook_secret": random(),
	}
	for name, value := range secrets {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			return nil, fmt.Errorf("write the demo's secrets: %w", err)
		}
	}
	w := &World{acks: newAckClock()}
	public := "http://" + hooks
	w.crmHook = public + "/webhooks/hubspot/" + secrets["hubspot_webhook_secret"]
	w.CRM = hubspotsim.New(hubspotsim.Options{PeopleToken: peopleKey, ClientSecret: secrets["hubspot_client_secret"], WebhookURL: w.crmHook, WebhookClient: w.acks.client(5 * time.Second)})
	w.ERP = odoosim.New(odoosim.Options{PeopleKey: peopleKey, WebhookURL: public + "/webhooks/odoo/" + secrets["odoo_webhook_secret"], WebhookClient: w.acks.client(time.Second)})
	if w.crmURL, err = serve(ctx, o.CRMPort, w.CRM.Handler()); err != nil {
		return nil, err
	}
	if w.erpURL, err = serve(ctx, o.ERPPort, w.ERP.Handler()); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "syncd.yaml")
	if err := writeConfig(path, map[string]string{
		"Public": public, "Hooks": hooks, "Ops": opsAddr, "CRM": w.crmURL, "ERP": w.erpURL, "Database": filepath.Join(dir, database),
	}); err != nil {
		return nil, err
	}
	c, err := config.Load(path, ConfigOptions())
	if err != nil {
		return nil, err
	}
	w.Daemon, err = daemon.New(ctx, daemon.Options{Config: c, Logger: o.Logger})
	return w, err
}

// ConfigOptions are what loading a configuration needs to know of the rest.
func ConfigOptions() config.Options {
	return config.Options{
		Kinds: daemon.Kinds(), Transforms: fields.Transforms(),
		CheckFilter: func(s string) error { _, err := fields.ParseFilter(s); return err },
		CheckField:  daemon.CheckField, CheckTwoWay: daemon.CheckTwoWay,
	}
}

func writeConfig(path string, values map[string]string) error {
	t, err := template.New("config").Parse(configText)
	if err != nil {
		return fmt.Errorf("the demo's configuration: %w", err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		return fmt.Errorf("the demo's configuration: %w", err)
	}
	return os.WriteFile(path, text.Bytes(), 0o600)
}

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func freePort(port int) (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// serve runs a pretend vendor on loopback until ctx ends.
func serve(ctx context.Context, port int, h http.Handler) (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", fmt.Errorf("listen for a pretend vendor: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	return "http://" + l.Addr().String(), nil
}

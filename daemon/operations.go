package daemon

import (
	"context"
	"errors"

	"syncd/control"
)

// viaCLI is how an audit line says that a command did it.
const viaCLI = "cli"

// Operations are what commands can have done, by name, over the control socket or,
// where no daemon runs, in their own process. Each is a thin shell: it reads its
// arguments, calls the store, and tells the audit.
func (d *Daemon) Operations() control.Table {
	return control.Table{
		"mapping.find":     d.mappingFind,
		"mapping.pair":     d.mappingPair,
		"mapping.unpair":   d.mappingUnpair,
		"mapping.release":  d.mappingRelease,
		"mapping.repoint":  d.mappingRepoint,
		"mapping.split":    d.mappingSplit,
		"mapping.retire":   d.mappingRetire,
		"mapping.get":      d.mappingGet,
		"definitions.plan": d.definitionsPlan,
		"run.apply":        d.runApply,
		"audit.list":       d.auditList,
		"link.accept-mode": d.acceptMode,
		"holds.list":       d.holdsList,
		"holds.release":    d.holdsRelease,

		"erase.run":         d.eraseRun,
		"erase.settle":      d.eraseSettle,
		"erase.certificate": d.eraseCertificate,
	}
}

// listenControl opens the control socket. A path that is too long, or one that
// another replica has, leaves this one without commands: the records flow.
func (d *Daemon) listenControl() error {
	path := d.Config.ControlSocket()
	if path == "" {
		return nil
	}
	l, err := control.Listen(path)
	if err != nil {
		if d.Config.Server.Control.Socket != "" && !errors.Is(err, control.ErrTaken) {
			return err
		}
		d.Logger.Warn("no commands are taken (server.control.socket)", "event", "control.none", "error", err)
		return nil
	}
	d.control = l
	return nil
}

func (d *Daemon) serveControl(ctx context.Context) error {
	if d.control == nil {
		<-ctx.Done()
		return nil
	}
	return control.Serve(ctx, d.control, d.Operations(), d.Logger)
}

// auditShown bounds a list of who did what.
const auditShown = 1000

func (d *Daemon) auditList(ctx context.Context, c control.Call) (any, error) {
	var args struct{ Limit int }
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	if args.Limit <= 0 || args.Limit > auditShown {
		args.Limit = auditShown
	}
	return d.store.Audits(ctx, args.Limit)
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"syncd/config"
	"syncd/control"
	"syncd/daemon"
	"syncd/demo"
	"syncd/store"
)

// doorFlags are those of every command that asks or changes what syncd knows.
type doorFlags struct {
	config, socket, actor, reason, format string
}

func (f *doorFlags) add(cmd *cobra.Command) {
	p := cmd.PersistentFlags()
	p.StringVarP(&f.config, "config", "c", defaultConfig, "configuration file")
	p.StringVar(&f.socket, "socket", "", "control socket of the daemon, without reading a configuration")
	p.StringVar(&f.actor, "as", "", "who does it, for the audit (default: the login)")
	p.StringVar(&f.reason, "reason", "", "why it is done, for the audit")
	p.StringVarP(&f.format, "output", "o", formatTable, "table, json or csv")
}

// call does an operation and gives its answer: by the daemon if one answers at the
// socket, else in this process, on the store itself.
func (f *doorFlags) call(ctx context.Context, name string, args, into any) error {
	door, closer, err := f.open(ctx)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(args)
	if err == nil {
		raw, err = door.Do(ctx, name, control.Call{Actor: f.who(), Reason: f.reason, Args: raw})
	}
	if err = errors.Join(err, closer.Close()); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", name, err)
	}
	return nil
}

// who names the caller for the audit. It is no proof: whoever may open the socket
// may write the database, too.
func (f *doorFlags) who() string {
	if f.actor != "" {
		return f.actor
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

func (f *doorFlags) open(ctx context.Context) (control.Door, io.Closer, error) {
	none := io.NopCloser(nil)
	if path := cmp.Or(f.socket, os.Getenv(config.EnvName(config.ControlSocketKey))); path != "" && path != config.SocketOff {
		client, err := control.Dial(path)
		if err == nil || f.socket != "" {
			return client, none, err
		}
	}
	c, err := config.Load(f.config, demo.ConfigOptions())
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("%w\n(a command needs the configuration, or with --socket PATH a daemon that has read it)", err)}
	}
	path := c.ControlSocket()
	if path != "" {
		if client, err := control.Dial(path); err == nil {
			return client, none, nil
		}
	}
	if _, err := os.Stat(c.Store.SQLite); c.Store.Postgres.Empty() && err != nil {
		return nil, nil, fmt.Errorf("there is no database at store.sqlite, and none is made to be asked: %w", err)
	}
	d, err := daemon.Offline(ctx, daemon.Options{Config: c, Logger: slog.New(slog.DiscardHandler)})
	if errors.Is(err, store.ErrLocked) {
		return nil, nil, &control.Error{Kind: control.KindUnreachable, Err: err,
			Say: "a daemon holds " + c.Store.SQLite + ", and it takes no commands at " + cmp.Or(path, "any socket") + ": see server.control.socket"}
	}
	if err != nil {
		return nil, nil, err
	}
	return d.Operations(), d, nil
}

// exitCodes are those of UX 5.2.
var exitCodes = map[control.Kind]int{
	control.KindFailed: exitFailed, control.KindUsage: exitUsage, control.KindHeld: exitHeld,
	control.KindSome: exitSome, control.KindUnreachable: exitUnreachable, control.KindRefused: exitRefused,
}

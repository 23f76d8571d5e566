package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"syncd/config"
	"syncd/daemon"
	"syncd/demo"
	"syncd/store"
)

// erasing are the flags of `syncd erase`.
type erasing struct {
	config, reason, other, settle string
	yes, dryRun                   bool
	certificate                   int64
}

func eraseCommand() *cobra.Command {
	var f erasing
	cmd := &cobra.Command{
		Use: "erase SYSTEM:OBJECT:ID", Short: "Forget a person: values, keys and ids; prints a certificate",
		Long: `Forgets the person that a record is of: what syncd knows of them in every table, their
pairs, and the ids of their records, of which keyed hashes stay so that they are never
brought back. The record itself is left as it is. What becomes of the person's records
in other systems is said by the link (erase: {other: ...}) or by --other. With SQLite,
stop the daemon first. It is done in one transaction and can be repeated.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	cmd.Flags().StringVarP(&f.config, "config", "c", defaultConfig, "configuration file")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the certificate; name nobody in it")
	cmd.Flags().StringVar(&f.other, "other", "", "the person's records in other systems: keep, archive, delete or ask")
	cmd.Flags().StringVar(&f.settle, "settle", "", "decide about a record that waits as erased_elsewhere: keep, archive or delete")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "tell what would be wiped, and wipe nothing")
	cmd.Flags().Int64Var(&f.certificate, "certificate", 0, "print a kept certificate again")
	return cmd
}

func (f *erasing) run(cmd *cobra.Command, args []string) error {
	var rec [3]string
	if f.certificate == 0 {
		var err error
		if rec, err = recordOf(args); err != nil {
			return usageError{err}
		}
	}
	if err := f.check(); err != nil {
		return usageError{err}
	}
	c, err := config.Load(f.config, demo.ConfigOptions())
	if err != nil {
		return usageError{err}
	}
	e, err := daemon.OpenEraser(cmd.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return errors.Join(f.act(cmd, e, rec), e.Close())
}

func (f *erasing) act(cmd *cobra.Command, e *daemon.Eraser, rec [3]string) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	switch {
	case f.certificate != 0:
		text, err := e.Certificate(ctx, f.certificate)
		if err == nil {
			fmt.Fprintln(out, text)
		}
		return err
	case !e.Knows(rec[0], rec[1]):
		return usageError{fmt.Errorf("no link has %s %s: write SYSTEM:OBJECT:ID as in the configuration", rec[0], rec[1])}
	case f.settle != "":
		known, err := e.Settle(ctx, rec[0], rec[1], rec[2], store.EraseOrder(f.settle))
		if err == nil && !known {
			err = errors.New("the record does not wait for a decision of this kind")
		}
		return err
	}
	return f.erase(ctx, e, rec, cmd.InOrStdin(), out, cmd.ErrOrStderr())
}

func (f *erasing) check() error {
	switch {
	case f.other != "" && !slices.Contains([]string{config.FateKeep, config.FateArchive, config.FateDelete, config.FateAsk}, f.other):
		return errors.New("--other is keep, archive, delete or ask")
	case f.settle != "" && !slices.Contains([]string{config.FateKeep, config.FateArchive, config.FateDelete}, f.settle):
		return errors.New("--settle is keep, archive or delete")
	case f.settle != "" && f.dryRun:
		return errors.New("--settle has no dry run")
	case f.settle == "" && f.certificate == 0 && f.reason == "" && !f.dryRun:
		return errors.New("--reason is missing: the certificate says why, such as a request's number")
	}
	return nil
}

// recordOf splits SYSTEM:OBJECT:ID; an id may hold colons itself.
func recordOf(args []string) (rec [3]string, err error) {
	if len(args) == 1 {
		if parts := strings.SplitN(args[0], ":", 3); len(parts) == 3 && !slices.Contains(parts, "") {
			return [3]string(parts), nil
		}
	}
	return rec, errors.New("syncd erase wants one record: SYSTEM:OBJECT:ID, such as hubspot:contacts:501")
}

// erase asks, with what a dry run says, and then does it.
func (f *erasing) erase(ctx context.Context, e *daemon.Eraser, rec [3]string, in io.Reader, out, asking io.Writer) error {
	o := store.Erasure{System: rec[0], Object: rec[1], RecordID: rec[2], By: whoami(), Reason: f.reason, DryRun: true}
	would, err := e.Erase(ctx, o, store.EraseOrder(f.other))
	if err != nil {
		return err
	}
	if f.dryRun {
		return show(out, would)
	}
	if !f.yes {
		if err := show(asking, would); err != nil {
			return err
		}
		fmt.Fprintf(asking, "This cannot be undone. Type the record's id (%s) to erase: ", rec[2])
		line, err := bufio.NewReader(in).ReadString('\n')
		if strings.TrimSpace(line) != rec[2] {
			return errors.Join(errors.New("not erased: the id was not typed"), ignoreEOF(err))
		}
	}
	o.DryRun = false
	done, err := e.Erase(ctx, o, store.EraseOrder(f.other))
	if err != nil {
		return err
	}
	return show(out, done)
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func show(w io.Writer, certificate store.Erased) error {
	text, err := json.MarshalIndent(certificate, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(text))
	return err
}

// whoami names the person at the keyboard.
func whoami() string {
	u, err := user.Current()
	if err != nil {
		return "cli"
	}
	return "cli:" + cmp.Or(u.Username, u.Uid)
}

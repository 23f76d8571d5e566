package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"syncd/store"
)

// erasing are the flags of `syncd erase`.
type erasing struct {
	doorFlags
	other, settle string
	yes, dryRun   bool
	certificate   int64
}

func eraseCommand() *cobra.Command {
	var f erasing
	cmd := &cobra.Command{
		Use: "erase SYSTEM:OBJECT:ID", Short: "Forget a person: values, keys and ids; prints a certificate",
		Long: `Forgets the person that a record is of: what syncd knows of them in every table, their
pairs, and the ids of their records, of which keyed hashes stay so that they are never
brought back. The record itself is left as it is. What becomes of the person's records
in other systems is said by the link (erase: {other: ...}) or by --other. It is done in
one transaction and can be repeated.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.other, "other", "", "the person's records in other systems: keep, archive, delete or ask")
	cmd.Flags().StringVar(&f.settle, "settle", "", "decide about a record that waits as erased_elsewhere: keep, archive or delete")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "tell what would be wiped, and wipe nothing")
	cmd.Flags().Int64Var(&f.certificate, "certificate", 0, "print a kept certificate again")
	return cmd
}

func (f *erasing) run(cmd *cobra.Command, args []string) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	if f.certificate != 0 {
		var kept json.RawMessage
		if err := f.call(ctx, "erase.certificate", map[string]any{"ID": f.certificate}, &kept); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out, string(kept))
		return err
	}
	if err := oneArg("a record, system:object:id")(cmd, args); err != nil {
		return err
	}
	if f.settle != "" {
		var settled string
		return f.call(ctx, "erase.settle", map[string]any{"Record": args[0], "Order": f.settle}, &settled)
	}
	if f.reason == "" && !f.dryRun {
		return usageError{errors.New("--reason is missing: the certificate says why, such as a request's number")}
	}
	return f.erase(cmd, args[0])
}

// erase asks, with what a dry run says, and then does it.
func (f *erasing) erase(cmd *cobra.Command, record string) error {
	var told store.Erased
	ask := map[string]any{"Record": record, "Other": f.other, "DryRun": true}
	if err := f.call(cmd.Context(), "erase.run", ask, &told); err != nil {
		return err
	}
	if f.dryRun {
		return show(cmd.OutOrStdout(), told)
	}
	if !f.yes {
		if err := f.confirmed(cmd, record, told); err != nil {
			return err
		}
	}
	ask["DryRun"] = false
	var done store.Erased
	if err := f.call(cmd.Context(), "erase.run", ask, &done); err != nil {
		return err
	}
	return show(cmd.OutOrStdout(), done)
}

func (f *erasing) confirmed(cmd *cobra.Command, record string, told store.Erased) error {
	asking := cmd.ErrOrStderr()
	if err := show(asking, told); err != nil {
		return err
	}
	id := record[strings.LastIndex(record, ":")+1:]
	fmt.Fprintf(asking, "This cannot be undone. Type the record's id (%s) to erase: ", id)
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if strings.TrimSpace(line) == id {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(errors.New("not erased: the id was not typed"), err)
}

func show(w io.Writer, certificate store.Erased) error {
	text, err := json.MarshalIndent(certificate, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(text))
	return err
}

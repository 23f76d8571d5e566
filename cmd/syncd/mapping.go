package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"syncd/control"
)

// identityAnswer is an identity as the daemon shows it.
type identityAnswer struct {
	Identity string `json:"identity"`
	Link     string `json:"link"`
	State    string `json:"state"`
	Members  []struct {
		Record string            `json:"record,omitempty"`
		System string            `json:"system"`
		State  string            `json:"state"`
		Why    string            `json:"why,omitempty"`
		Cause  string            `json:"cause,omitempty"`
		Fields map[string]string `json:"fields,omitempty"`
	} `json:"members"`
}

func mappingCommand() *cobra.Command {
	f := &doorFlags{}
	cmd := &cobra.Command{Use: "mapping", Short: "Look at the id map, and change it by hand"}
	f.add(cmd)
	look := func(use, short, operation, arg, what string) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: oneArg(what),
			RunE: func(cmd *cobra.Command, args []string) error {
				got := []identityAnswer{}
				if err := f.call(cmd.Context(), operation, map[string]any{arg: args[0]}, &got); err != nil {
					return err
				}
				return f.print(cmd.OutOrStdout(), got, tableOf(got))
			}}
	}
	cmd.AddCommand(
		look("get RECORD", "Show the identity of a record, and those that it belonged to", "mapping.get", "Record", "a record, system:object:id"),
		look("find TEXT", "Find identities by a record id, a canonical id, or a reference of ours", "mapping.find", "Text", "a text"),
		pairCommand(f), unpairCommand(f), releaseCommand(f), repointCommand(f), splitCommand(f), retireCommand(f),
	)
	return cmd
}

func tableOf(list []identityAnswer) table {
	t := table{head: []string{"IDENTITY", "LINK", "STATE", "RECORD", "MEMBER", "WHY", "NOT AGREED"}}
	for _, i := range list {
		for _, m := range i.Members {
			record := m.Record
			if record == "" {
				record = m.System + ": none yet"
			}
			var open []string
			for _, row := range slices.Sorted(maps.Keys(m.Fields)) {
				open = append(open, fmt.Sprintf("%s (%s)", row, m.Fields[row]))
			}
			why := m.Why
			if m.Cause != "" {
				why += " (" + m.Cause + ")"
			}
			t.rows = append(t.rows, []string{i.Identity, i.Link, i.State, record, m.State, why, strings.Join(open, ", ")})
		}
	}
	return t
}

// changedAnswer is what a command on single records did, or would do.
type changedAnswer struct {
	DryRun   bool   `json:"dry_run"`
	Done     string `json:"done"`
	Identity string `json:"identity,omitempty"`
	Link     string `json:"link,omitempty"`
}

// change calls an operation on single records and shows what it did.
func (f *doorFlags) change(cmd *cobra.Command, operation string, args map[string]any) error {
	var got changedAnswer
	if err := f.call(cmd.Context(), operation, args, &got); err != nil {
		return err
	}
	return f.print(cmd.OutOrStdout(), got, table{head: []string{"WHAT", "IDENTITY", "DRY RUN"}, rows: [][]string{{got.Done, got.Identity, strconv.FormatBool(got.DryRun)}}})
}

const dryRunUsage = "say what would be done, and do nothing"

func pairCommand(f *doorFlags) *cobra.Command {
	var dry bool
	var link string
	cmd := &cobra.Command{Use: "pair A B", Short: "Make two records one identity", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.change(cmd, "mapping.pair", map[string]any{"A": args[0], "B": args[1], "Link": link, "DryRun": dry})
		}}
	cmd.Flags().BoolVar(&dry, "dry-run", false, dryRunUsage)
	cmd.Flags().StringVar(&link, "link", "", "the link, where several have both objects")
	return cmd
}

func unpairCommand(f *doorFlags) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{Use: "unpair A [B]", Short: "Take record A out of its identity; with B only if the two are a pair", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.change(cmd, "mapping.unpair", map[string]any{"A": args[0], "B": strings.Join(args[1:], ""), "DryRun": dry})
		}}
	cmd.Flags().BoolVar(&dry, "dry-run", false, dryRunUsage)
	return cmd
}

func releaseCommand(f *doorFlags) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{Use: "release RECORD", Short: "Let a record that was set aside be met again like any other", Args: oneArg("a record, system:object:id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.change(cmd, "mapping.release", map[string]any{"Record": args[0], "DryRun": dry})
		}}
	cmd.Flags().BoolVar(&dry, "dry-run", false, dryRunUsage)
	return cmd
}

// bulkAnswer counts what a command over many records did, or would do.
type bulkAnswer struct {
	DryRun   bool           `json:"dry_run"`
	Link     string         `json:"link,omitempty"`
	Counts   map[string]int `json:"counts"`
	Problems []struct {
		Record string `json:"record"`
		What   string `json:"what"`
	} `json:"problems,omitempty"`
	Calls map[string]int `json:"calls,omitempty"`
}

// many calls an operation over many records; some that could not be done end it with
// exit code 5.
func (f *doorFlags) many(cmd *cobra.Command, operation string, args map[string]any) error {
	var got bulkAnswer
	if err := f.call(cmd.Context(), operation, args, &got); err != nil {
		return err
	}
	t := table{head: []string{"WHAT", "RECORDS", "ABOUT"}}
	for _, what := range slices.Sorted(maps.Keys(got.Counts)) {
		t.rows = append(t.rows, []string{what, strconv.Itoa(got.Counts[what]), ""})
	}
	for _, system := range slices.Sorted(maps.Keys(got.Calls)) {
		t.rows = append(t.rows, []string{"calls to " + system, strconv.Itoa(got.Calls[system]), ""})
	}
	for _, p := range got.Problems {
		t.rows = append(t.rows, []string{p.Record, "", p.What})
	}
	if err := f.print(cmd.OutOrStdout(), got, t); err != nil {
		return err
	}
	if len(got.Problems) > 0 && !got.DryRun {
		return &control.Error{Kind: control.KindSome, Say: "some records could not be done: they are listed above"}
	}
	return nil
}

func repointCommand(f *doorFlags) *cobra.Command {
	var from, to, by, link string
	var dry, yes bool
	cmd := &cobra.Command{Use: "repoint --from OLD --to NEW --by FILE|inverse:FIELD", Short: "Give identities the records of a system that replaces another", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.replace(cmd, "mapping.repoint", by, map[string]any{"From": from, "To": to, "Link": link, "DryRun": dry, "Yes": yes})
		}}
	cmd.Flags().StringVar(&from, "from", "", "the system that goes")
	cmd.Flags().StringVar(&to, "to", "", "the system that comes, a member of the link by now")
	cmd.Flags().StringVar(&by, "by", "", byUsage)
	cmd.Flags().StringVar(&link, "link", "", "the link, where several have both systems")
	cmd.Flags().BoolVar(&dry, "dry-run", false, dryRunUsage)
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func splitCommand(f *doorFlags) *cobra.Command {
	var from, to, where, by string
	var dry, yes bool
	cmd := &cobra.Command{Use: "split LINK --from OLD --to NEW --where EXPR --by FILE|inverse:FIELD", Args: oneArg("a link"),
		Short: "Give some identities, those whose record in OLD passes a rule, their records in NEW; without --yes it only says what it would do",
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.replace(cmd, "mapping.split", by, map[string]any{"Link": args[0], "From": from, "To": to, "Where": where, "DryRun": dry, "Yes": yes})
		}}
	cmd.Flags().StringVar(&from, "from", "", "the system that is split")
	cmd.Flags().StringVar(&to, "to", "", "the system that takes over some, a member of the link by now")
	cmd.Flags().StringVar(&where, "where", "", "the rule: an expression over the fields of OLD's records, in the language of the filters (only)")
	cmd.Flags().StringVar(&by, "by", "", byUsage)
	cmd.Flags().BoolVar(&dry, "dry-run", false, dryRunUsage)
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

const byUsage = "a CSV file of old_id,new_id, or inverse:FIELD, the field of the new records that holds the old id"

// replace calls an operation that puts records in the place of others, which --by
// names.
func (f *doorFlags) replace(cmd *cobra.Command, operation, by string, args map[string]any) error {
	if field, inverse := strings.CutPrefix(by, "inverse:"); inverse {
		args["Inverse"] = field
	} else if by != "" {
		text, err := os.ReadFile(by)
		if err != nil {
			return usageError{fmt.Errorf("--by: %w", err)}
		}
		args["CSV"] = string(text)
	}
	return f.many(cmd, operation, args)
}

func retireCommand(f *doorFlags) *cobra.Command {
	var link string
	var dry, yes bool
	cmd := &cobra.Command{Use: "retire SYSTEM", Short: "Make the records of a system inactive in the id map; the rest goes on", Args: oneArg("a system"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.many(cmd, "mapping.retire", map[string]any{"System": args[0], "Link": link, "DryRun": dry, "Yes": yes})
		}}
	cmd.Flags().StringVar(&link, "link", "", "of this link alone")
	cmd.Flags().BoolVar(&dry, "dry-run", false, dryRunUsage)
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

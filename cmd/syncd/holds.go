package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// holdAnswer is a hold as the daemon shows it.
type holdAnswer struct {
	ID     int64     `json:"id"`
	System string    `json:"system"`
	Link   string    `json:"link,omitempty"`
	What   string    `json:"what"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Detail any       `json:"detail,omitempty"`
}

func holdsCommand() *cobra.Command {
	f := &doorFlags{}
	cmd := &cobra.Command{Use: "holds", Short: "Look at safety catches that have closed, and let them go"}
	f.add(cmd)
	cmd.AddCommand(&cobra.Command{
		Use: "ls", Short: "Show what is held, and why", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var got []holdAnswer
			if err := f.call(cmd.Context(), "holds.list", struct{}{}, &got); err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), got, tableOfHolds(got))
		},
	}, &cobra.Command{
		Use: "release ID", Short: "Let a hold on deletes go: what waits under it goes on by itself", Args: oneArg("a hold's id: see syncd holds ls"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError{fmt.Errorf("%q is no hold's id: `syncd holds ls` shows them", args[0])}
			}
			var got holdAnswer
			if err := f.call(cmd.Context(), "holds.release", map[string]any{"ID": id}, &got); err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), got, tableOfHolds([]holdAnswer{got}))
		},
	})
	return cmd
}

func tableOfHolds(list []holdAnswer) table {
	t := table{head: []string{"ID", "SYSTEM", "LINK", "HELD", "REASON", "SINCE"}}
	for _, h := range list {
		t.rows = append(t.rows, []string{strconv.FormatInt(h.ID, 10), h.System, h.Link, h.What, h.Reason, h.Since.Format(time.RFC3339)})
	}
	return t
}

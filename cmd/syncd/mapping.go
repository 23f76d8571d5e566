package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
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
		Fields map[string]string `json:"fields,omitempty"`
	} `json:"members"`
}

func mappingCommand() *cobra.Command {
	f := &doorFlags{}
	cmd := &cobra.Command{Use: "mapping", Short: "Look at the id map, and change it by hand"}
	f.add(cmd)
	cmd.AddCommand(&cobra.Command{
		Use: "get RECORD", Short: "Show the identity of a record: system:object:id", Args: oneArg("a record, system:object:id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var got []identityAnswer
			if err := f.call(cmd.Context(), "mapping.get", map[string]any{"Record": args[0]}, &got); err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), got, tableOf(got))
		},
	})
	return cmd
}

func tableOf(list []identityAnswer) table {
	t := table{head: []string{"IDENTITY", "LINK", "STATE", "RECORD", "MEMBER", "NOT AGREED"}}
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
			t.rows = append(t.rows, []string{i.Identity, i.Link, i.State, record, m.State, strings.Join(open, ", ")})
		}
	}
	return t
}

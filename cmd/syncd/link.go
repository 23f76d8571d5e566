package main

import "github.com/spf13/cobra"

func linkCommand() *cobra.Command {
	f := &doorFlags{}
	cmd := &cobra.Command{Use: "link", Short: "Say what a link waits to be told"}
	f.add(cmd)
	cmd.AddCommand(&cobra.Command{
		Use: "accept-mode LINK", Short: "Let a link create records by its changed identity mode", Args: oneArg("a link's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var got struct {
				Link string `json:"link"`
				Was  string `json:"was"`
				Now  string `json:"now"`
			}
			if err := f.call(cmd.Context(), "link.accept-mode", map[string]any{"Link": args[0]}, &got); err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), got, table{head: []string{"LINK", "WAS", "NOW"}, rows: [][]string{{got.Link, got.Was, got.Now}}})
		},
	})
	return cmd
}

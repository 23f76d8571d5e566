package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"syncd/config"
	"syncd/daemon"
	"syncd/demo"
)

// errBroken says that a connector does not keep its contract: exit code 1.
var errBroken = errors.New("the connector does not keep its contract: do not connect this system before it does")

func connectorCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "connector", Short: "Try connectors"}
	cmd.AddCommand(connectorTestCommand())
	return cmd
}

func connectorTestCommand() *cobra.Command {
	f := &doorFlags{}
	var (
		o      daemon.TrialOptions
		safe   bool
		values []string
	)
	cmd := &cobra.Command{
		Use:   "test SYSTEM --sandbox",
		Short: "Hold a configured system to the connector's contract, on a live sandbox; exits 0, 1 or 2",
		Long: `Reads, lists, creates, updates and removes scratch records of its own in the system and
tells which laws of the contract it keeps. Use a sandbox: records are written, the
system's own automation may act on them, and what it cannot remove is left behind and
named. No store is opened and nothing is paired.`,
		Args: oneArg("the name of a system in the configuration"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !safe {
				return usageError{errors.New("this writes scratch records into the system: run it against a sandbox, and say that it is one by --sandbox")}
			}
			c, err := config.Load(f.config, demo.ConfigOptions())
			if err != nil {
				return usageError{err}
			}
			o.Values = map[string]string{}
			for _, one := range values {
				name, v, ok := strings.Cut(one, "=")
				if !ok || name == "" {
					return usageError{fmt.Errorf("--value %q: write field=value", one)}
				}
				o.Values[name] = v
			}
			return tryConnector(cmd, f, c, args[0], o)
		},
	}
	cmd.Flags().StringVarP(&f.config, "config", "c", defaultConfig, "configuration file")
	cmd.Flags().StringVarP(&f.format, "output", "o", formatTable, "table, json or csv")
	cmd.Flags().BoolVar(&safe, "sandbox", false, "the system is a sandbox: records may be written")
	cmd.Flags().StringSliceVar(&o.Objects, "object", nil, "object to try; default all that links name")
	cmd.Flags().StringArrayVar(&values, "value", nil, "field=value of every scratch record, such as one that the system requires")
	cmd.Flags().StringVar(&o.Edit, "edit", "", "text field that is changed and emptied; default one of the links' rows")
	return cmd
}

func tryConnector(cmd *cobra.Command, f *doorFlags, c *config.Config, system string, o daemon.TrialOptions) error {
	reports, err := daemon.Trial(cmd.Context(), c, system, o)
	if err != nil && reports == nil {
		return usageError{err}
	}
	t := table{head: []string{"OBJECT", "VERDICT", "LAW", "DETAIL"}}
	broken := false
	for _, r := range reports {
		broken = broken || r.Broken()
		for _, one := range r.Findings {
			t.rows = append(t.rows, []string{r.Object, string(one.Verdict), one.Law, one.Detail})
		}
	}
	if err := errors.Join(err, f.print(cmd.OutOrStdout(), reports, t)); err != nil {
		return err
	}
	for _, r := range reports {
		for _, id := range r.Left {
			fmt.Fprintf(cmd.ErrOrStderr(), "left behind: %s %s of %s, take it out by hand\n", system, id, r.Object)
		}
	}
	if broken {
		return errBroken
	}
	return nil
}

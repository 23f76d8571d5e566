package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// planVersion is the format of a plan file.
const planVersion = 1

// planAnswer is a plan as the daemon gives it, and what a plan file holds.
type planAnswer struct {
	Version   int    `json:"version"`
	Run       int64  `json:"run"`
	Link      string `json:"link"`
	ConfigRev string `json:"config_rev"`
	At        string `json:"at"`
	Rows      []struct {
		Row     string `json:"row"`
		Why     string `json:"why"`
		Equal   int    `json:"equal"`
		Unequal int    `json:"unequal"`
		Unread  int    `json:"unread"`
		Then    string `json:"then"`
	} `json:"rows"`
	Pairs   int `json:"pairs"`
	Settled int `json:"settled"`
	Waiting int `json:"waiting"`
	Samples []struct {
		Identity string            `json:"identity"`
		Row      string            `json:"row"`
		Values   map[string]string `json:"values"`
	} `json:"samples,omitempty"`
	Calls map[string]struct {
		Made  int `json:"made"`
		Apply int `json:"apply"`
	} `json:"calls"`
}

// errChanges ends `plan --exit-code` where applying would do something.
var errChanges = errors.New("the plan is not empty")

func planCommand() *cobra.Command {
	f := &doorFlags{}
	var file string
	var code bool
	cmd := &cobra.Command{
		Use: "plan LINK", Short: "Say what new or changed field definitions would do to existing pairs; nothing is written", Args: oneArg("a link"),
		RunE: func(cmd *cobra.Command, args []string) error {
			got := planAnswer{}
			if err := f.call(cmd.Context(), "definitions.plan", map[string]any{"Link": args[0]}, &got); err != nil {
				return err
			}
			got.Version = planVersion
			if file != "" && got.Run != 0 {
				raw, err := json.MarshalIndent(got, "", "  ")
				if err == nil {
					err = os.WriteFile(file, append(raw, '\n'), 0o600) // samples hold values of records
				}
				if err != nil {
					return fmt.Errorf("write the plan: %w", err)
				}
			}
			if err := f.print(cmd.OutOrStdout(), got, got.table()); err != nil {
				return err
			}
			if f.format == formatTable {
				got.say(cmd, file)
			}
			if code && got.Run != 0 {
				return errChanges
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&file, "out", "", "write the plan to this file, too, for `syncd apply FILE`")
	cmd.Flags().BoolVar(&code, "exit-code", false, "exit 3 if there is something to apply")
	return cmd
}

func (p planAnswer) table() table {
	t := table{head: []string{"ROW", "WHY", "EQUAL", "UNEQUAL", "NOT SHOWN", "UNEQUAL PAIRS"}}
	for _, r := range p.Rows {
		t.rows = append(t.rows, []string{r.Row, r.Why, strconv.Itoa(r.Equal), strconv.Itoa(r.Unequal), strconv.Itoa(r.Unread), r.Then})
	}
	return t
}

// say adds to the table what is no row of it.
func (p planAnswer) say(cmd *cobra.Command, file string) {
	w := cmd.OutOrStdout()
	if p.Run == 0 {
		fmt.Fprintf(w, "the definitions of %s are in force: nothing to apply\n", p.Link)
		return
	}
	for _, s := range p.Samples {
		var held []string
		for _, system := range slices.Sorted(maps.Keys(s.Values)) {
			held = append(held, fmt.Sprintf("%s %q", system, s.Values[system]))
		}
		fmt.Fprintf(w, "  %s  %s: %s\n", s.Identity, printable(s.Row), strings.Join(held, ", "))
	}
	fmt.Fprintf(w, "%d pairs, %d of them settled, %d to be looked at\n", p.Pairs, p.Settled, p.Waiting)
	for _, system := range slices.Sorted(maps.Keys(p.Calls)) {
		fmt.Fprintf(w, "calls to %s: %d made, about %d to apply\n", system, p.Calls[system].Made, p.Calls[system].Apply)
	}
	next := strconv.FormatInt(p.Run, 10)
	if file != "" {
		next = file
	}
	fmt.Fprintf(w, "next: syncd apply %s\n", next)
}

func applyCommand() *cobra.Command {
	f := &doorFlags{}
	var dry bool
	cmd := &cobra.Command{
		Use: "apply RUN|FILE", Short: "Put a plan in force: a run's number, or the file of `syncd plan --out`", Args: oneArg("the number of a planned run, or a plan file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			call := map[string]any{"DryRun": dry}
			if run, err := strconv.ParseInt(args[0], 10, 64); err == nil {
				call["Run"] = run
			} else {
				raw, err := os.ReadFile(args[0])
				if err != nil {
					return usageError{fmt.Errorf("%s is no number of a run and no plan file: %w", args[0], err)}
				}
				var p planAnswer
				if err := json.Unmarshal(raw, &p); err != nil || p.Version != planVersion || p.Run == 0 {
					return usageError{fmt.Errorf("%s is no plan of this version of syncd", args[0])}
				}
				call["Run"], call["ConfigRev"] = p.Run, p.ConfigRev
			}
			var got struct {
				Run    int64 `json:"run"`
				DryRun bool  `json:"dry_run"`
				Rows   int   `json:"rows"`
				Pairs  int   `json:"pairs"`
			}
			if err := f.call(cmd.Context(), "run.apply", call, &got); err != nil {
				return err
			}
			t := table{head: []string{"RUN", "ROWS IN FORCE", "PAIRS ENQUEUED", "DRY RUN"}}
			t.rows = [][]string{{strconv.FormatInt(got.Run, 10), strconv.Itoa(got.Rows), strconv.Itoa(got.Pairs), strconv.FormatBool(got.DryRun)}}
			return f.print(cmd.OutOrStdout(), got, t)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"syncd/config"
	"syncd/daemon"
	"syncd/demo"
)

// defaultConfig is where a configuration is looked for.
const defaultConfig = "syncd.yaml"

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "syncd",
		Short:         "Keeps CRMs and ERPs in step, in both directions, without duplicates",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		serveCommand(), demoCommand(), configCommand(), mappingCommand(), holdsCommand(), linkCommand(), planCommand(), applyCommand(),
		eraseCommand(), connectorCommand(), healthcheckCommand(), versionCommand(),
	)
	return root
}

// settings are the daemon's own keys that flags may set.
var settings = []struct{ flag, key, usage string }{
	{"public-url", "server.public_url", "how the vendors reach the webhook listener"},
	{"webhooks-listen", "server.webhooks.listen", "address of the webhook listener"},
	{"ops-listen", "server.ops.listen", "address of metrics and health, loopback"},
	{"sqlite", "store.sqlite", "file of the embedded store"},
	{"log-level", "log.level", "debug, info, warn or error"},
	{"log-format", "log.format", "json or text"},
}

func serveCommand() *cobra.Command {
	var path string
	values := map[string]*string{}
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the daemon", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := map[string]string{}
			for _, s := range settings {
				if cmd.Flags().Changed(s.flag) {
					flags[s.key] = *values[s.flag]
				}
			}
			o := demo.ConfigOptions()
			o.Flags = flags
			c, err := config.Load(path, o)
			if err != nil {
				return usageError{err}
			}
			return serve(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "configuration file")
	for _, s := range settings {
		values[s.flag] = cmd.Flags().String(s.flag, "", s.usage)
	}
	return cmd
}

func serve(ctx context.Context, c *config.Config) error {
	logger := newLogger(os.Stderr, c.Log)
	d, err := daemon.New(ctx, daemon.Options{Config: c, Logger: logger})
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

func newLogger(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

func demoCommand() *cobra.Command {
	o := demo.Options{}
	var verbose bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Play syncd between a pretend CRM and a pretend ERP", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			o.Logger = slog.New(slog.DiscardHandler)
			if verbose {
				o.Logger = newLogger(cmd.ErrOrStderr(), config.Log{Format: "text"})
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Once, "once", false, "play the story, check every claim, and end")
	cmd.Flags().StringVar(&o.Dir, "keep", "", "keep database and configuration in this new folder")
	cmd.Flags().IntVar(&o.CRMPort, "crm-port", 0, "port of the pretend CRM, 0 for any")
	cmd.Flags().IntVar(&o.ERPPort, "erp-port", 0, "port of the pretend ERP, 0 for any")
	cmd.Flags().IntVar(&o.HooksPort, "webhooks-port", 0, "port of the webhook listener, 0 for any")
	cmd.Flags().IntVar(&o.OpsPort, "ops-port", 0, "port of metrics and health, 0 for any")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log what the daemon does")
	return cmd
}

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check or show a configuration"}
	check := &cobra.Command{
		Use: "check FILE", Short: "Tell every error of a configuration; exits 0 or 2", Args: oneArg("the configuration file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0], demo.ConfigOptions())
			if err != nil {
				return usageError{err}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is in order: %d systems, %d links (revision %s)\n", args[0], len(c.Systems), len(c.Links), c.Rev)
			return nil
		},
	}
	show := &cobra.Command{
		Use: "show FILE", Short: "Print the configuration in force, secrets hidden", Args: oneArg("the configuration file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0], demo.ConfigOptions())
			if err != nil {
				return usageError{err}
			}
			text, err := c.Show()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.AddCommand(check, show)
	return cmd
}

// healthTimeout bounds a health check.
const healthTimeout = 3 * time.Second

func healthcheckCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "healthcheck", Short: "Ask a running daemon whether it is ready; for container probes", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
			if err != nil {
				return usageError{fmt.Errorf("--ops %q is no address: %w", addr, err)}
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return fmt.Errorf("syncd does not answer at %s: %w", addr, err)
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return errors.New("syncd is not ready: " + res.Status)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&addr, "ops", "127.0.0.1:9320", "the daemon's ops listener")
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version and Go version as JSON", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"version": daemon.Version(), "go": runtime.Version()})
		},
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument, got %q", cmd.CommandPath(), args[0])}
	}
	return nil
}

func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s wants one argument: %s", cmd.CommandPath(), what)}
		}
		return nil
	}
}

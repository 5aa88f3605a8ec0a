package cli

import (
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/logtext"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
	"github.com/enneo-ai/enneo-bridge/services/reconciler"
)

func newReconcile(env config.Environment) *cobra.Command {
	o := reconciler.Options{Once: true}
	var since string
	cmd := &cobra.Command{
		Use: "reconcile", Short: "Compare ERPs with what was carried over, and carry over the rest", Args: cobra.NoArgs,
		Long: `Runs the reconciler once, with the variables of the service (NATS_URL, REDIS_URL, SOURCES and so on). Of each source it lists what
has changed since the last run, or everything the first time and with --full; where the ERP has no list, it reads the known
contracts again whose last read is the oldest. Interrupted, it may simply be repeated.

Exit codes: 0 done; 1 done, but some of it failed; 2 not done; 3 another process reconciles the source; 4 too much would be
deleted: look with --dry-run, then repeat with --allow-gone.`,
		Example: "  bridge reconcile --dry-run --full\n  bridge reconcile --source powercloud --since 48h",
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if o.Since, err = reconciler.ParseSince(since, time.Now()); err != nil {
			return err
		}
		return reconcile(cmd, env, o)
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Sources, "source", nil, "only these sources, comma-separated")
	flags.StringVar(&since, "since", "", "list changes since this time (2026-11-24T10:00:00Z) or that long ago (48h) instead of the last run")
	flags.BoolVar(&o.Full, "full", false, "compare everything")
	flags.BoolVar(&o.DryRun, "dry-run", false, "change nothing, show what differs")
	flags.BoolVar(&o.AllowGone, "allow-gone", false, "tell everything gone that is missing, however much it is")
	return cmd
}

func reconcile(cmd *cobra.Command, env config.Environment, o reconciler.Options) error {
	screen := terminal.New(cmd.OutOrStdout(), env)
	progress := newReconcileProgress(screen, time.Now)
	o.Report = progress.note
	if o.DryRun {
		o.Differ = func(d reconciler.Difference) {
			screen.Printf("%-8s %s%s\n", d.What, d.Key, screen.Dim(strings.Join(append([]string{""}, d.Fields...), "  ")))
		}
	}
	defer screen.Status("")
	// It may run beside the service.
	defaults := config.Map(map[string]string{"ADMIN_ADDR": "127.0.0.1:0", "LOG_LEVEL": "warn"})
	lookuper := struct {
		envconfig.Lookuper
		config.Lister
	}{envconfig.MultiLookuper(env, defaults), env}
	return app.Run(cmd.Context(), "reconciler", lookuper, logtext.New(screen), nil, reconciler.With(o))
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/logtext"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/stack"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
)

// The flags of addresses, by the service that listens there.
var addressFlags = map[string]string{"ingestor": "ingestor-addr", "lookup": "lookup-addr", "simulator": "simulator-addr"} //nolint:gochecknoglobals // Read only.

func newDev(env config.Environment) *cobra.Command {
	o := stack.Options{
		IngestorAddr: "127.0.0.1:8080", LookupAddr: "127.0.0.1:8081", SimulatorAddr: "127.0.0.1:8070",
		QuietPeriod: stack.DefaultQuietPeriod, MaxWait: stack.DefaultMaxWait, LogLevel: slog.LevelWarn,
	}
	cmd := &cobra.Command{
		Use: "dev", Short: "Run everything in one process, with simulated ERPs and Enneo", Args: cobra.NoArgs,
		Long: `Runs all services in this process, with an embedded nats-server, an in-process Redis and simulated ERPs and Enneo, until Ctrl-C.
With --data the event log is there again at the next start; the simulated systems always begin anew.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			screen := terminal.New(cmd.OutOrStdout(), env)
			o.LogWriter = logtext.New(screen)
			return dev(cmd.Context(), screen, &o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Dir, "data", "", "directory that keeps the event log (default: a temporary one, removed at the end)")
	flags.StringVar(&o.IngestorAddr, addressFlags["ingestor"], o.IngestorAddr, "where webhooks are taken")
	flags.StringVar(&o.LookupAddr, addressFlags["lookup"], o.LookupAddr, "where Enneo's searches are answered")
	flags.StringVar(&o.SimulatorAddr, addressFlags["simulator"], o.SimulatorAddr, "where the simulated ERPs and Enneo are")
	flags.DurationVar(&o.QuietPeriod, "quiet-period", o.QuietPeriod, "quiet period of the windows")
	flags.DurationVar(&o.MaxWait, "max-wait", o.MaxWait, "max wait of the windows")
	flags.IntVar(&o.Contracts, "contracts", 0, "contracts that the simulated ERPs begin with (default: the simulator's own number)")
	flags.TextVar(&o.LogLevel, "log-level", o.LogLevel, "least severe messages that are shown: debug, info, warn or error")
	return cmd
}

func dev(ctx context.Context, screen *terminal.Screen, o *stack.Options) error {
	began := time.Now()
	screen.Status("starting …")
	s, err := stack.Start(ctx, *o)
	screen.Status("")
	if err != nil {
		return explain(err)
	}
	if err := welcome(ctx, screen, s, o, time.Since(began)); err != nil && ctx.Err() == nil {
		return errors.Join(err, s.Stop())
	}
	select {
	case <-ctx.Done():
		screen.Printf("\n%s\n", screen.Dim("stopping: ingestor, debouncer, enricher, publisher, reconciler, lookup, simulator, Redis, NATS"))
	case <-s.Ended(): // Stop says which one, and why.
	}
	return s.Stop()
}

// explain names the flag that helps.
func explain(err error) error {
	taken, ok := errors.AsType[*stack.AddressTakenError](err)
	if !ok || addressFlags[taken.Service] == "" {
		return err
	}
	return fmt.Errorf("%w; choose another one, for example --%s %s", err, addressFlags[taken.Service], stack.FreePort)
}

// welcome says where everything is and what to do with it.
func welcome(ctx context.Context, screen *terminal.Screen, s *stack.Stack, o *stack.Options, took time.Duration) error {
	ids, err := simclient.New(s.SimulatorURL(), nil).IDs(ctx, key.Contract, 0, 1)
	if err != nil {
		return fmt.Errorf("list the simulated contracts: %w", err)
	}
	if len(ids) == 0 {
		return errors.New("the simulator has no contracts")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  started in %.1f s; quiet period %s, max wait %s; Ctrl-C stops it\n\n", screen.Bold("enneo-bridge"), took.Seconds(), o.QuietPeriod, o.MaxWait)
	row := func(name, value string) { fmt.Fprintf(&b, "  %-11s %s\n", name, value) }
	row("webhooks", s.WebhookURL()+screen.Dim("  secret: "+stack.Secret))
	row("search", s.LookupURL()+"/docs"+screen.Dim("  token: "+stack.LookupToken))
	row("control", s.SimulatorURL()+"/control/summary"+screen.Dim("  of the simulated systems"))
	row("enneo", s.SimulatorURL()+"/enneo/api/mind"+screen.Dim("  simulated"))
	row("nats", s.NATSURL())
	row("redis", s.RedisURL())
	if o.Dir != "" {
		row("data", o.Dir)
	}
	for _, one := range s.Services() {
		row(one.Name, one.Admin+"/metrics")
	}
	fmt.Fprintf(&b, "\n%s\n", screen.Dim("  change a contract in the ERP, tell of it, and see after the quiet period what Enneo has:"))
	for _, line := range examples(s, ids[0]) {
		b.WriteString("\n" + line + "\n")
	}
	fmt.Fprintf(&b, "\n%s\n", screen.Dim("  what Enneo's own searches find: a contract by its number, and, once it was told of, what an agent types"))
	for _, line := range searches(s, ids[0]) {
		b.WriteString("\n" + line + "\n")
	}
	fmt.Fprintf(&b, "\n%s\n\nNATS_URL=%s bin/bridge audit\n", screen.Dim("  is anything lost, or open for too long?"), s.NATSURL())
	fmt.Fprintf(&b, "\n%s\n\nREDIS_URL=%s bin/bridge windows ls\n", screen.Dim("  what waits for its quiet period?"), s.RedisURL())
	screen.Printf("%s", b.String())
	return nil
}

// examples are commands for a shell.
func examples(s *stack.Stack, contract string) []string {
	return []string{
		fmt.Sprintf(`curl -sS %s/control/change -H 'Content-Type: application/json' -d '{"contracts":["%s"],"statusId":6000}'`, s.SimulatorURL(), contract),
		fmt.Sprintf(`curl -sS %s -H 'X-Webhook-Secret: %s' -H 'Content-Type: application/json' -d '{"contractId":"%s"}'`, s.WebhookURL(), stack.Secret, contract),
		fmt.Sprintf(`curl -sS '%s/control/writes?kind=contract&id=%s'`, s.SimulatorURL(), contract),
	}
}

// searches are commands that ask what Enneo asks.
func searches(s *stack.Stack, contract string) []string {
	const call = `curl -sS -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' %s%s -d '%s'`
	return []string{
		fmt.Sprintf(call, stack.LookupToken, s.LookupURL(), "/v1/contract", fmt.Sprintf(`{"contractId":"%s"}`, contract)),
		fmt.Sprintf(call, stack.LookupToken, s.LookupURL(), "/v1/customer/search", fmt.Sprintf(`{"q":"%s"}`, contract)),
	}
}

package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/record"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/table"
)

func newDryRun(env config.Environment) *cobra.Command {
	var list bool
	var body string
	cmd := &cobra.Command{
		Use: "dry-run", Short: "Show what a dry run would have sent to Enneo", Args: cobra.NoArgs,
		Long: `With ENNEO_DRY_RUN=true the publisher does everything but the requests to Enneo. This shows what it would have sent: how many
puts and deletes, with --keys which, and with --body the whole structure of one key, which is personal data.

To send it all afterwards, start the publisher without ENNEO_DRY_RUN and say bridge resync --source NAME.`,
		Example: "  bridge dry-run\n  bridge dry-run --keys\n  bridge dry-run --body powercloud.contract.VN-100001",
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		b, err := connect(ctx, cmd, env, "dry-run")
		if err != nil {
			return err
		}
		defer b.Close()
		r, err := openRehearsal(ctx, b)
		if err != nil {
			return err
		}
		if body != "" {
			return r.body(cmd, body)
		}
		return r.report(cmd, list)
	})
	cmd.Flags().BoolVar(&list, "keys", false, "list every key, with the size and the fields of its structure")
	cmd.Flags().StringVar(&body, "body", "", "show the structure of one key, personal data included")
	return cmd
}

// rehearsal is what a dry run has left.
type rehearsal struct {
	settled   *ledger.Ledger
	snapshots *record.Bucket[bridgev1.Snapshot, *bridgev1.Snapshot]
}

func openRehearsal(ctx context.Context, b *bus.Bus) (*rehearsal, error) {
	settled, err := ledger.Open(ctx, b)
	if err != nil {
		return nil, err
	}
	snapshots, err := record.Open[bridgev1.Snapshot](ctx, b.JetStream(), bus.BucketContracts)
	return &rehearsal{settled: settled, snapshots: snapshots}, err
}

// rehearsed is what would have been sent of which.
type rehearsed struct{ source, kind, operation string }

func (r *rehearsal) report(cmd *cobra.Command, list bool) error {
	ctx := cmd.Context()
	counts := map[rehearsed]int{}
	err := r.settled.Each(ctx, func(name string, entry ledger.Entry) error {
		operation := ""
		switch entry.Value.GetReason() {
		case ledger.DryRunPut:
			operation = "put"
		case ledger.DryRunDelete:
			operation = "delete"
		}
		k, err := key.Parse(name)
		if operation == "" || err != nil || entry.Value.GetOutcome() != bridgev1.Outcome_OUTCOME_DROPPED {
			return nil //nolint:nilerr // No key of ours.
		}
		counts[rehearsed{k.Source, string(k.Kind), operation}]++
		if !list {
			return nil
		}
		snap, err := r.snapshots.Get(ctx, name)
		if err != nil {
			return err
		}
		return printTo(cmd, "%-6s %s %s\n", operation, name, outline(snap.Value.GetBody()))
	})
	if err != nil {
		return err
	}
	if len(counts) == 0 {
		return printTo(cmd, "nothing is settled by a dry run; is ENNEO_DRY_RUN=true set for the publisher?\n")
	}
	t := table.Table{Header: []string{"source", "kind", "would be sent", "keys"}}
	for _, of := range slices.SortedFunc(maps.Keys(counts), func(a, b rehearsed) int {
		return cmp.Or(strings.Compare(a.source, b.source), strings.Compare(a.kind, b.kind), strings.Compare(b.operation, a.operation))
	}) {
		t.Row(of.source, of.kind, of.operation, strconv.Itoa(counts[of]))
	}
	return printTo(cmd, "%s", t.String())
}

// outline is the size of a structure and the names of its fields; no value.
func outline(body string) string {
	if body == "" {
		return ""
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &fields) != nil {
		return fmt.Sprintf("%d bytes", len(body))
	}
	return fmt.Sprintf("%d bytes: %s", len(body), strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
}

func (r *rehearsal) body(cmd *cobra.Command, name string) error {
	k, err := parseKey(name)
	if err != nil {
		return err
	}
	snap, err := r.snapshots.Get(cmd.Context(), k.String())
	if err != nil {
		return err
	}
	if snap.Value.GetBody() == "" {
		return fmt.Errorf("%s has no structure: it was not read yet, or is gone in the ERP", k)
	}
	return printTo(cmd, "%s\n", snap.Value.GetBody())
}

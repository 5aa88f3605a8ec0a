package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/table"
)

// auditOptions are the flags of the audit.
type auditOptions struct {
	bound, timeout time.Duration
	limit          int
	json           bool
}

func newAudit(env config.Environment) *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use: "audit", Short: "Balance the event log against what is settled", Args: cobra.NoArgs,
		Long: `Reads the whole event log and everything that is settled, and balances them: accepted = settled + open. The exit code is 1
if anything is open for longer than --bound. NATS is found by the same variables as the services find it (NATS_URL and
so on).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.limit < 0 || o.bound < 0 || o.timeout <= 0 {
				return errors.New("--limit and --bound must not be negative, and --timeout must be positive")
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
			defer cancel()
			balance, err := audit(ctx, cmd, env)
			if err != nil {
				return err
			}
			v := judge(&balance, &o, time.Now())
			text := v.table()
			if o.json {
				if text, err = v.json(); err != nil {
					return err
				}
			}
			if err := printTo(cmd, "%s", text); err != nil {
				return err
			}
			if !v.OK {
				return errFinding
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.bound, "bound", 5*time.Minute, "how long an event may be open")
	flags.IntVar(&o.limit, "limit", 20, "most open keys that are named")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long the audit may take, with the wait for NATS")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// audit balances what NATS holds.
func audit(ctx context.Context, cmd *cobra.Command, env config.Environment) (ledger.Balance, error) {
	b, err := connect(ctx, cmd, env, "audit")
	if err != nil {
		return ledger.Balance{}, err
	}
	defer b.Close()
	log, err := eventlog.Open(ctx, b, warnings(cmd))
	if err != nil {
		return ledger.Balance{}, err
	}
	epoch, err := log.Epoch(ctx)
	if err != nil {
		return ledger.Balance{}, err
	}
	settled, err := ledger.Open(ctx, b)
	if err != nil {
		return ledger.Balance{}, err
	}
	return settled.Audit(ctx, epoch)
}

// verdict is a balance with the ages of what is open.
type verdict struct {
	OK        bool              `json:"ok"`
	Accepted  uint64            `json:"accepted"`
	Settled   uint64            `json:"settled"`
	Open      uint64            `json:"open"`
	ByOutcome map[string]uint64 `json:"by_outcome"`
	Keys      uint64            `json:"keys"`
	// OpenKeys is how many keys have open events, Overdue how many of them for longer than the bound.
	OpenKeys     int     `json:"open_keys"`
	Overdue      int     `json:"overdue_keys"`
	BoundSeconds float64 `json:"bound_seconds"`
	// Named are the open keys up to the limit, the oldest first.
	Named []openKey `json:"named_keys"`

	bound time.Duration
}

type openKey struct {
	Key        string  `json:"key"`
	Events     uint64  `json:"events"`
	AgeSeconds float64 `json:"age_seconds"`
	Overdue    bool    `json:"overdue"`

	age time.Duration
}

// judge ages what is open. The log's clock may be ahead of this one: then the age is zero.
func judge(b *ledger.Balance, o *auditOptions, now time.Time) *verdict {
	v := &verdict{
		Accepted: b.Accepted, Settled: b.Settled, Open: b.Open, ByOutcome: b.ByOutcome, Keys: b.Keys,
		OpenKeys: len(b.OpenKeys), BoundSeconds: o.bound.Seconds(), Named: []openKey{}, bound: o.bound,
	}
	for _, k := range b.OpenKeys {
		age := max(0, now.Sub(k.Oldest))
		one := openKey{Key: k.Key, Events: k.Events, AgeSeconds: age.Seconds(), Overdue: age > o.bound, age: age}
		if one.Overdue {
			v.Overdue++
		}
		if len(v.Named) < o.limit {
			v.Named = append(v.Named, one)
		}
	}
	v.OK = v.Overdue == 0 && v.Accepted == v.Settled+v.Open
	return v
}

func (v *verdict) json() (string, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write the audit as JSON: %w", err)
	}
	return string(text) + "\n", nil
}

func (v *verdict) table() string {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	var sums table.Table
	sums.Row("accepted", number(v.Accepted))
	sums.Row("settled", number(v.Settled))
	for _, word := range slices.Sorted(maps.Keys(v.ByOutcome)) {
		sums.Row("  "+strings.ReplaceAll(word, "_", " "), number(v.ByOutcome[word]))
	}
	sums.Row("open", number(v.Open))
	sums.Row("keys", number(v.Keys))
	text := sums.String()
	if len(v.Named) > 0 {
		keys := table.Table{Header: []string{"open key", "events", "open for", ""}}
		for _, k := range v.Named {
			note := ""
			if k.Overdue {
				note = "too long"
			}
			keys.Row(k.Key, number(k.Events), short(k.age.Round(time.Second)), note)
		}
		text += "\n" + keys.String()
	}
	if left := v.OpenKeys - len(v.Named); left > 0 {
		text += fmt.Sprintf("and %d more\n", left)
	}
	return text + "\n" + v.sentence() + "\n"
}

func (v *verdict) sentence() string {
	switch {
	case v.Accepted != v.Settled+v.Open:
		return "✗ accepted is not settled + open"
	case v.Overdue > 0:
		return fmt.Sprintf("✗ accepted = settled + open, but keys open for longer than %s: %d", short(v.bound), v.Overdue)
	case v.Open > 0:
		return fmt.Sprintf("✓ accepted = settled + open, nothing open for longer than %s", short(v.bound))
	default:
		return "✓ accepted = settled, nothing open"
	}
}

// short writes a duration without the zeros at its end: "5m" for "5m0s".
func short(d time.Duration) string {
	text := d.String()
	for _, zeros := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zeros) {
			text = text[:len(text)-2]
		}
	}
	return text
}

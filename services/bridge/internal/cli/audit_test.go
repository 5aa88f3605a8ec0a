package cli

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	bridgev1 "github.com/enneo-ai/enneo-bridge/proto/gen/enneobridge/v1"
)

var update = flag.Bool("update", false, "write the golden files")

// call runs a command and returns its exit code and what it wrote.
func call(ctx context.Context, env map[string]string, args ...string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	code = run(ctx, args, config.Map(env), &out, &errs)
	return code, out.String(), errs.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatalf("write golden file: %v", err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// appendEvents stores an event for each id and returns the position of the last one.
func appendEvents(t *testing.T, b *bus.Bus, ids ...string) position.Position {
	t.Helper()
	log, err := eventlog.Open(t.Context(), b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open the log: %v", err)
	}
	epoch, err := log.Epoch(t.Context())
	if err != nil {
		t.Fatalf("epoch: %v", err)
	}
	var events []eventlog.Event
	for _, id := range ids {
		event, err := eventlog.NewEvent(t.Context(), propagation.TraceContext{}, eventlog.Change{
			Key: contract(t, id), Origin: bridgev1.Origin_ORIGIN_WEBHOOK, ReceivedAt: time.Now(),
		})
		if err != nil {
			t.Fatalf("make event: %v", err)
		}
		events = append(events, event)
	}
	acks, errs := log.Append(t.Context(), events)
	for _, err := range errs {
		if err != nil {
			t.Fatalf("append: %v", err)
		}
	}
	return position.Position{Epoch: epoch, Sequence: acks[len(acks)-1].Sequence}
}

func contract(t *testing.T, id string) key.Key {
	t.Helper()
	k, err := key.New("powercloud", key.Contract, id)
	if err != nil {
		t.Fatalf("make key: %v", err)
	}
	return k
}

func TestAuditFindsOnlyWhatIsOpenForTooLong(t *testing.T) {
	t.Parallel()
	server := bustest.Start(t)
	b := server.Connect(t, "powercloud")
	env := map[string]string{"NATS_URL": server.URL()}

	code, out, _ := call(t.Context(), env, "audit")
	if code != exitOK || !strings.HasSuffix(out, "✓ accepted = settled, nothing open\n") {
		t.Errorf("audit of an empty log exits %d and says %q, want 0 and that nothing is open", code, out)
	}

	settled := appendEvents(t, b, "VN-1", "VN-1")
	appendEvents(t, b, "VN-2")
	l, err := ledger.Open(t.Context(), b)
	if err != nil {
		t.Fatalf("open the ledger: %v", err)
	}
	if err := l.Dead(t.Context(), contract(t, "VN-1"), settled, time.Time{}, "unmappable"); err != nil {
		t.Fatalf("settle: %v", err)
	}

	code, out, _ = call(t.Context(), env, "audit", "--bound", "1h")
	if code != exitOK || !strings.Contains(out, "powercloud.contract.VN-2") || !strings.Contains(out, "✓") {
		t.Errorf("audit within the bound exits %d and says %q, want 0 and the open key", code, out)
	}
	code, out, _ = call(t.Context(), env, "audit", "--bound", "0s", "--json")
	if code != exitFinding {
		t.Errorf("audit beyond the bound exits %d, want %d", code, exitFinding)
	}
	var v verdict
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("read %q: %v", out, err)
	}
	if v.OK || v.Accepted != 3 || v.Settled != 2 || v.Open != 1 || v.ByOutcome["dead_letter"] != 2 || v.Overdue != 1 || v.Named[0].Key != "powercloud.contract.VN-2" {
		t.Errorf("audit = %s, want 3 accepted, 2 settled as dead letters and VN-2 open", out)
	}
}

func TestAuditThatCannotLookIsAFailureAndNoFinding(t *testing.T) {
	t.Parallel()
	bare := bustest.Start(t)
	for name, tc := range map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"nobody listens":       {map[string]string{"NATS_URL": "nats://127.0.0.1:1"}, []string{"--timeout", "300ms"}, "waiting for nats"},
		"nothing was ever run": {map[string]string{"NATS_URL": bare.URL()}, nil, "BRIDGE"},
		"wrong variable":       {map[string]string{"STREAM_REPLICAS": "2"}, nil, "STREAM_REPLICAS"},
		"wrong flag":           {nil, []string{"--limit", "-1"}, "--limit"},
		"unknown flag":         {nil, []string{"--nonsense"}, "unknown flag"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := call(t.Context(), tc.env, append([]string{"audit"}, tc.args...)...)
			if code != exitFailure || out != "" || !strings.Contains(errs, tc.want) {
				t.Errorf("audit exits %d, prints %q and says %q; want %d, nothing and %q", code, out, errs, exitFailure, tc.want)
			}
		})
	}
}

func TestAuditAsItIsShown(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	balance := &ledger.Balance{
		Accepted: 1010, Settled: 1005, Open: 5, Keys: 203,
		ByOutcome: map[string]uint64{"delivered": 1002, "dead_letter": 3},
		OpenKeys: []ledger.OpenKey{
			{Key: "powercloud.contract.VN-100001", Events: 3, Oldest: now.Add(-372 * time.Second)},
			{Key: "powercloud.customer.K-7", Events: 1, Oldest: now.Add(-2 * time.Second)},
			{Key: "powercloud.contract.VN-100002", Events: 1, Oldest: now.Add(time.Second)},
		},
	}
	overdue := judge(balance, &auditOptions{bound: 5 * time.Minute, limit: 2}, now)
	golden(t, "audit-overdue.golden.txt", overdue.table())
	text, err := overdue.json()
	if err != nil {
		t.Fatalf("json: %v", err)
	}
	golden(t, "audit-overdue.golden.json", text)

	inTime := judge(balance, &auditOptions{bound: time.Hour, limit: 20}, now)
	golden(t, "audit-in-time.golden.txt", inTime.table())
	if overdue.OK || !inTime.OK {
		t.Errorf("OK: overdue %v, in time %v; want false, true", overdue.OK, inTime.OK)
	}
}

func TestAuditThatDoesNotAddUpIsAFinding(t *testing.T) {
	t.Parallel()
	v := judge(&ledger.Balance{Accepted: 3, Settled: 1, Open: 1}, &auditOptions{bound: time.Hour}, time.Now())
	if v.OK || !strings.HasPrefix(v.sentence(), "✗") {
		t.Errorf("OK = %v, sentence = %q; want a finding", v.OK, v.sentence())
	}
}

func TestDurationsAreShort(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": 0, "10s": 10 * time.Second, "5m": 5 * time.Minute, "1h": time.Hour, "10h": 10 * time.Hour, "1h10m": 70 * time.Minute, "1h0m30s": time.Hour + 30*time.Second,
	} {
		if got := short(d); got != want {
			t.Errorf("short(%s) = %s, want %s", d, got, want)
		}
	}
}

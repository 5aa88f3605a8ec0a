package demo

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
)

var update = flag.Bool("update", false, "write the golden files")

// good is the report of a run in which every claim holds.
func good() *Report {
	one := Tally{Sum: 1, Min: 1, Max: 1}
	return &Report{
		Quiet: 2 * time.Second, MaxWait: 10 * time.Second,
		Single: Group{
			Name: "one contract", Keys: 1, Webhooks: 5, Reads: one, Requests: one,
			Delays: []time.Duration{2100 * time.Millisecond}, Pause: 410 * time.Millisecond, Spread: 1600 * time.Millisecond,
		},
		SingleCustomer: Group{Name: "its customer", Keys: 1, Reads: one, Requests: one},
		Burst: Group{
			Name: "200 contracts", Keys: 200, Webhooks: 1000, Reads: Tally{200, 1, 1}, Requests: Tally{200, 1, 1},
			Delays: []time.Duration{3 * time.Second, 2 * time.Second, 2500 * time.Millisecond}, Pause: 300 * time.Millisecond, Spread: time.Second,
		},
		BurstCustomers: Group{Name: "their customers", Keys: 153, Reads: Tally{153, 1, 1}, Requests: Tally{153, 1, 1}},
		Sent:           1005, Accepted: 1005, WantStatus: 7000, GotStatus: 7000,
		Balance:  ledger.Balance{Accepted: 1206, Settled: 1206, ByOutcome: map[string]uint64{"delivered": 1206}},
		Compared: simclient.Comparison{Compared: 355},
	}
}

// bad is the report of a run in which no claim holds.
func bad() *Report {
	r := good()
	r.Accepted = 1004
	r.Burst.Pause = 2400 * time.Millisecond
	r.Single.Reads = Tally{2, 2, 2}
	r.SingleCustomer.Requests = Tally{}
	r.GotStatus = 6000
	r.Burst.Reads = Tally{213, 1, 2}
	r.BurstCustomers.Requests = Tally{152, 0, 1}
	r.BurstCustomers.Delays, r.Single.Delays = nil, nil
	r.Stray = 1
	r.Balance = ledger.Balance{Accepted: 1206, Settled: 1205, Open: 1, ByOutcome: map[string]uint64{"delivered": 1203, "dead_letter": 2}}
	r.Compared.Mismatched = 1
	r.Overlaps = 1
	return r
}

func TestReportAsItIsShown(t *testing.T) {
	t.Parallel()
	for name, report := range map[string]*Report{"good": good(), "bad": bad()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			report.Show(terminal.New(&out, config.Map(nil)))
			golden(t, name+".golden.txt", out.String())
		})
	}
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

// Each thing that can go wrong fails its own claim, and no other.
func TestEachClaimFailsByItself(t *testing.T) {
	t.Parallel()
	if !good().OK() {
		t.Fatal("the good report is not good")
	}
	for name, tc := range map[string]struct {
		spoil func(*Report)
		want  string
	}{
		"webhook refused":           {func(r *Report) { r.Accepted-- }, "1,004 of 1,005 webhooks accepted"},
		"pause too long":            {func(r *Report) { r.Burst.Pause = r.Quiet }, "this machine is too slow"},
		"burst too long":            {func(r *Report) { r.Single.Spread = r.MaxWait }, "this machine is too slow"},
		"contract read twice":       {func(r *Report) { r.Single.Reads = Tally{2, 2, 2} }, "5 status changes to one contract cost 2 contract reads and 1 request"},
		"contract not sent":         {func(r *Report) { r.Single.Requests = Tally{} }, "5 status changes to one contract cost 1 contract read and 0 requests to Enneo"},
		"customer read twice":       {func(r *Report) { r.SingleCustomer.Reads = Tally{2, 2, 2} }, "its customer, new to Enneo, cost 2 reads"},
		"old status":                {func(r *Report) { r.GotStatus = 6000 }, "Enneo has the contract's last status: 7000 in the ERP, 6000 in Enneo"},
		"two and none":              {func(r *Report) { r.Burst.Requests = Tally{200, 0, 2} }, "200 contracts with 1,000 changes cost 200 reads (1 each) and 200 requests (0–2 each)"},
		"burst customer sent twice": {func(r *Report) { r.BurstCustomers.Requests = Tally{154, 1, 2} }, "153 customers cost 153 reads (1 each) and 154 requests (1–2 each)"},
		"stray request":             {func(r *Report) { r.Stray = 2 }, "2 requests for something else"},
		"open":                      {func(r *Report) { r.Balance.Settled, r.Balance.Open = 1205, 1 }, "accepted = settled + open: 1,206 = 1,205 + 1"},
		"dead letter": {
			func(r *Report) { r.Balance.ByOutcome = map[string]uint64{"delivered": 1205, "dead_letter": 1} },
			"accepted = settled + open: 1,206 = 1,206 + 0 (dead letter: 1)",
		},
		"other state":      {func(r *Report) { r.Compared.Mismatched = 1 }, "Enneo ends with what the ERP ends with: 355 records compared, 1 differs"},
		"too few compared": {func(r *Report) { r.Compared.Compared = 354 }, "Enneo ends with what the ERP ends with: 354 records compared, 0 differ"},
		"overlap":          {func(r *Report) { r.Overlaps = 1 }, "never two requests for one key at once (1 overlap)"},
		"older over newer": {func(r *Report) { r.Regressions = 1 }, "never two requests for one key at once (0 overlaps), never an older state over a newer (1)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good()
			tc.spoil(r)
			var failed []string
			for _, c := range r.Checks() {
				if !c.OK {
					failed = append(failed, c.Text)
				}
			}
			if len(failed) != 1 || !strings.HasPrefix(failed[0], tc.want) || r.OK() {
				t.Errorf("failed claims = %q, want one that begins with %q", failed, tc.want)
			}
		})
	}
}

package demo_test

import (
	"strings"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/demo"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
)

// The same demo with fewer contracts; the quiet period leaves a slow machine time to send them.
func TestBurstCostsOneReadAndOneRequestPerContract(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	screen := terminal.New(&out, config.Map(nil))
	report, err := demo.Run(t.Context(), screen, demo.Options{
		Contracts: 25, Changes: 5, Senders: 4, Quiet: 2 * time.Second, MaxWait: 30 * time.Second,
		Pace: 10 * time.Millisecond, LogWriter: screen,
	})
	if err != nil {
		t.Fatalf("Run: %v\n%s", err, out.String())
	}
	for _, c := range report.Checks() {
		if !c.OK {
			t.Errorf("does not hold: %s", c.Text)
		}
	}
	if report.Accepted != 5+25*5 || report.Burst.Keys != 25 || report.Single.Webhooks != 5 {
		t.Errorf("accepted %d webhooks, %d of them for the one contract, and %d contracts in the burst; want 130, 5 and 25",
			report.Accepted, report.Single.Webhooks, report.Burst.Keys)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestOptionsThatMakeNoBurstAreRefused(t *testing.T) {
	t.Parallel()
	good := demo.Options{Contracts: 1, Changes: 1, Senders: 1, Quiet: time.Second, MaxWait: 2 * time.Second, Pace: time.Millisecond}
	if err := good.Validate(); err != nil {
		t.Fatalf("Validate = %v, want nil", err)
	}
	for want, spoil := range map[string]func(*demo.Options){
		"0 contracts":               func(o *demo.Options) { o.Contracts = 0 },
		"0 changes":                 func(o *demo.Options) { o.Changes = 0 },
		"0 senders":                 func(o *demo.Options) { o.Senders = 0 },
		"quiet period 1ms":          func(o *demo.Options) { o.Quiet = time.Millisecond },
		"max wait 1s":               func(o *demo.Options) { o.MaxWait = time.Second },
		"pace 0s: must be positive": func(o *demo.Options) { o.Pace = 0 },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			o := good
			spoil(&o)
			if err := o.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("Validate = %v, want %s …", err, want)
			}
		})
	}
}

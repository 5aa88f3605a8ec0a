package enricher

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

func lynqTechKey() string { return simulator.DefaultOptions().LynqTechKey.Reveal() }

// service runs the whole service, with further variables, until the test ends; it has to end without an error.
func (w *world) service(variables map[string]string) {
	w.t.Helper()
	environment := w.environment()
	maps.Copy(environment, variables)
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	log := w.t.Output()
	go func() { ended <- app.Run(ctx, "enricher", config.Map(environment), log, nil, Run) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("the service ended with %v", err)
		}
	})
}

func TestStartIsRefusedWithEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"NATS_URL": "nats://127.0.0.1:1", "ADMIN_ADDR": "127.0.0.1:0", "SOURCES": testSource, "SOURCE_ERP_PROFILE": "generic",
		"SOURCE_ERP_HOST": "https://erp.example", "SOURCE_ERP_API_KEY": "t",
	}
	tests := []struct {
		name   string
		change map[string]string
		want   []string
	}{
		{"no host", map[string]string{"SOURCE_ERP_HOST": ""}, []string{"SOURCE_ERP_HOST"}},
		{"a confirmation in the past", map[string]string{"GONE_CONFIRM": "-1s"}, []string{"GONE_CONFIRM"}},
		{"several at once", map[string]string{"GONE_CONFIRM": "48h", "SOURCE_ERP_PROFILE": "sap"}, []string{"GONE_CONFIRM", "SOURCE_ERP_PROFILE"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			environment := maps.Clone(good)
			maps.Copy(environment, tc.change)
			err := app.Run(t.Context(), "enricher", config.Map(environment), t.Output(), nil, Run)
			for _, name := range tc.want {
				if !strings.Contains(fmt.Sprint(err), name) {
					t.Errorf("the error does not name %s: %v", name, err)
				}
			}
		})
	}
}

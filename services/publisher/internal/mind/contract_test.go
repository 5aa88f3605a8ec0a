package mind

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/contracttest"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// TestTheClientKeepsToTheTable plays every exchange of the table that the simulated Enneo keeps to as well.
func TestTheClientKeepsToTheTable(t *testing.T) {
	t.Parallel()
	for _, e := range contracttest.Exchanges(t, simclient.Enneo) {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(e.Server(t).URL + "/api/mind")
			cfg.Token = config.Secret(contracttest.Secret)
			if e.Call.Secret != "" {
				cfg.Token = config.Secret(e.Call.Secret)
			}
			target, err := New(cfg, noop.NewTracerProvider().Tracer("")).Target(Mode(e.Call.Operation), e.Call.Profile)
			if err != nil {
				t.Fatal(err)
			}
			err = target.Deliver(t.Context(), Delivery{
				Kind: e.Call.Kind, ID: e.Call.ID, CustomerID: e.Call.CustomerID, Body: e.Request.Body, Gone: e.Call.Gone,
			})
			if diff := cmp.Diff(e.Result.Fault, contracttest.FaultOf(err)); diff != "" {
				t.Errorf("fault differs (-want +got):\n%s", diff)
			}
		})
	}
}

package simulator

import (
	"net/http/httptest"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/contracttest"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// TestTheSimulatedSystemsKeepToTheTable sends every request of the table that the real clients keep to as well, and compares the
// answers.
func TestTheSimulatedSystemsKeepToTheTable(t *testing.T) {
	t.Parallel()
	for _, system := range simclient.Systems() {
		all := contracttest.Exchanges(t, system)
		for _, e := range all {
			t.Run(system+" "+e.Name, func(t *testing.T) {
				t.Parallel()
				f := startForTheTable(t)
				for _, name := range e.After {
					before := contracttest.Named(t, all, name)
					f.keepsTo(system, &before)
				}
				if e.Disturbed != nil {
					f.fault(e.Disturbed.Fault(system))
				}
				f.keepsTo(system, &e)
			})
		}
	}
}

// startForTheTable starts a simulator that holds nothing but what the table gives.
func startForTheTable(t *testing.T) *fixture {
	t.Helper()
	options := DefaultOptions()
	options.Contracts = 0
	options.PowercloudHash, options.PowercloudUser, options.PowercloudPassword = contracttest.Hash, contracttest.User, contracttest.Secret
	options.LynqTechKey, options.GenericToken, options.EnneoToken = contracttest.Secret, contracttest.Secret, contracttest.Secret
	sim := New(options)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	f := &fixture{t: t, options: options, simulator: sim, server: server, control: simclient.New(server.URL, server.Client())}
	given := contracttest.Records(t)
	for _, contract := range given.Contracts {
		if _, err := f.control.PutContract(t.Context(), contract); err != nil {
			t.Fatal(err)
		}
	}
	for _, customer := range given.Customers {
		if _, err := f.control.PutCustomer(t.Context(), customer); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f *fixture) keepsTo(system string, e *contracttest.Exchange) {
	f.t.Helper()
	response, err := e.Send(f.t.Context(), f.server.Client(), f.server.URL+"/"+system)
	if err != nil {
		f.t.Fatal(err)
	}
	got, err := read(response)
	if err != nil {
		f.t.Fatal(err)
	}
	if diff := e.Check(got.status, got.header, got.body); diff != "" {
		f.t.Errorf("the answer to %q differs from the table (-want +got):\n%s", e.Name, diff)
	}
}

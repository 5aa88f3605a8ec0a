package enricher

import (
	"net/http"
	"testing"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/pressure"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// TestPressureOfTheERPIsToldWhileItLasts by the whole service, to whoever listens on NATS.
func TestPressureOfTheERPIsToldWhileItLasts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		fault      simclient.Fault
	}{
		{"it asks for fewer requests", "enricher rate_limited", simclient.Fault{Action: simclient.Status, Status: http.StatusTooManyRequests, RetryAfter: "1"}},
		{"it is down", "enricher unavailable", simclient.Fault{Action: simclient.Status, Status: http.StatusServiceUnavailable}},
		{"it is slow", "enricher slow", simclient.Fault{Action: simclient.Delay, Delay: simclient.Duration(1500 * time.Millisecond)}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			heard, stop, err := pressure.Hear(w.bus)
			w.must(err)
			t.Cleanup(stop)
			fault := w.fault(tc.fault)
			w.service(map[string]string{"SOURCE_ERP_TIMEOUT": "2s", "SOURCE_ERP_CONCURRENCY": "1"})
			for _, id := range w.contracts[:6] {
				w.change(contract(id))
			}
			bustest.Eventually(t, "the pressure is heard", func() bool {
				reason, _ := heard.Of(testSource, time.Now())
				return reason == tc.want
			})
			w.must(w.sim.ClearFault(t.Context(), fault))
			w.idle()
			bustest.Eventually(t, "the pressure has ended", func() bool {
				_, pressed := heard.Of(testSource, time.Now())
				return !pressed
			})
		})
	}
}

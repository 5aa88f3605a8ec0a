package monitoring

import (
	"context"
	"fmt"
	"testing"
)

// TestWhatPeopleLookAt shares one stage: starting it costs more than each look.
func TestWhatPeopleLookAt(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.load(t)
	eventually(t, "something was delivered", func(ctx context.Context) error {
		found, err := s.prometheus.Query(ctx, `sum(rate(bridge_keys_settled_total{outcome="delivered"}[5s])) > 0`)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("nothing yet")
		}
		return err
	})
	t.Run("a change is one picture", s.onePicture)
	t.Run("every span is connected", s.connected)
	t.Run("log lines name the trace", s.logged)
	t.Run("figures lead to traces", s.exemplars)
	t.Run("dashboards show data", s.shown)
	t.Run("rules are evaluated", s.evaluated)
	t.Run("the page of metrics is right", s.exported)
}

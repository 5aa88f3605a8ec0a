package publisher

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/libs/simclient"
)

// service runs the whole service until the test ends; it has to end without an error.
func (w *world) service() {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	log := w.t.Output()
	go func() { ended <- app.Run(ctx, "publisher", config.Map(w.environment()), log, nil, Run) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Errorf("the service ended with %v", err)
		}
	})
}

// TestServicesShareAStorm: three replicas, an Enneo that is slow, loses answers and refuses service at random, and keys
// that change all the time. In the end Enneo has the newest state of each.
func TestServicesShareAStorm(t *testing.T) {
	t.Parallel()
	const keys, changes = 12, 6
	w := newWorld(t)
	w.fault(simclient.Fault{Action: simclient.Reset, Phase: simclient.After, Probability: 0.1, Count: 3})
	w.fault(simclient.Fault{Action: simclient.Status, Status: 503, Probability: 0.2, Count: 4})
	for range 3 {
		w.service()
	}
	newest := map[key.Key]position.Position{}
	for revision := 1; revision <= changes; revision++ {
		for i := range keys {
			k := contract("VN-" + strconv.Itoa(i))
			newest[k] = w.change(k, revision)
		}
	}
	for k, p := range newest {
		w.settled(k, p)
		w.enneoHas(k, changes)
		if n := len(w.requests(k)); n > 2*changes {
			t.Errorf("%d requests for %d changes of %s", n, changes, k)
		}
	}
	w.orderly()
	w.balanced(map[string]uint64{"delivered": keys * changes})
}

func TestStartIsRefusedWithEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"NATS_URL": "nats://127.0.0.1:1", "ADMIN_ADDR": "127.0.0.1:0", "SOURCES": testSource, "SOURCE_ERP_PROFILE": "generic",
		"ENNEO_BASE_URL": "https://demo.enneo.ai/api/mind", "ENNEO_TOKEN": "t",
	}
	tests := []struct {
		name   string
		change map[string]string
		want   []string
	}{
		{"a mode that is not supported", map[string]string{"ENNEO_MODE": "carrier-pigeon"}, []string{"ENNEO_MODE"}},
		{"no workers", map[string]string{"ENNEO_CONCURRENCY": "0"}, []string{"ENNEO_CONCURRENCY"}},
		{"no margin", map[string]string{"ENNEO_LEASE_MARGIN": "0s"}, []string{"ENNEO_LEASE_MARGIN"}},
		{"no token", map[string]string{"ENNEO_TOKEN": ""}, []string{"ENNEO_TOKEN"}},
		{
			"several at once",
			map[string]string{"ENNEO_BASE_URL": "demo", "ENNEO_PUT_METHOD": "GET", "SOURCE_ERP_PROFILE": "sap"},
			[]string{"ENNEO_BASE_URL", "ENNEO_PUT_METHOD", "SOURCE_ERP_PROFILE"},
		},
		{
			"sources whose ids may coincide in Enneo",
			map[string]string{"SOURCES": "erp,other", "SOURCE_OTHER_PROFILE": "generic"},
			[]string{"ENNEO_IDS_DISJOINT"},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			environment := maps.Clone(good)
			maps.Copy(environment, tc.change)
			err := app.Run(t.Context(), "publisher", config.Map(environment), t.Output(), nil, Run)
			for _, name := range tc.want {
				if !strings.Contains(fmt.Sprint(err), name) {
					t.Errorf("the error does not name %s: %v", name, err)
				}
			}
		})
	}
}

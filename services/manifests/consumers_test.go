package manifests_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/bus/bustest"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/manifests"
)

// monitored is the part of NATS' /jsz that KEDA reads.
type monitored struct {
	Accounts []struct {
		Name    string `json:"name"`
		Streams []struct {
			Name      string `json:"name"`
			Consumers []struct {
				Name       string `json:"name"`
				Pending    int    `json:"num_pending"`
				AckPending int    `json:"num_ack_pending"`
			} `json:"consumer_detail"`
		} `json:"stream_detail"`
	} `json:"account_details"`
}

// lag asks a server as KEDA's nats-jetstream scaler does, and returns num_pending + num_ack_pending, which is its lag.
func lag(t *testing.T, monitor string, metadata map[string]string) (lag int, found bool) {
	t.Helper()
	query := url.Values{"acc": {metadata["account"]}, "consumers": {"true"}, "config": {"true"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, monitor+"/jsz?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var m monitored
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	for _, account := range m.Accounts {
		for _, stream := range account.Streams {
			for _, c := range stream.Consumers {
				if account.Name == metadata["account"] && stream.Name == metadata["stream"] && c.Name == metadata["consumer"] {
					return c.Pending + c.AckPending, true
				}
			}
		}
	}
	return 0, false
}

// TestTheServerAnswersWhatKEDAAsks makes the consumers by libs/bus on a real server and asks it for each trigger.
func TestTheServerAnswersWhatKEDAAsks(t *testing.T) {
	t.Parallel()
	sources := []string{"north", "south-2"}
	server := bustest.Start(t)
	b := server.Connect(t, sources...)
	for _, source := range sources {
		if _, err := b.EnsureLogConsumer(t.Context(), source, 1); err != nil {
			t.Fatal(err)
		}
	}
	text, err := manifests.Triggers(sources, strings.TrimPrefix(server.MonitorURL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := key.New("north", key.Contract, "4711")
	if err != nil {
		t.Fatal(err)
	}
	// Three times one key: three events in the log, one ticket in the work queues.
	want := map[string]int{"debouncer-north": 3, "enricher-north": 1, "publisher-north": 1}
	for _, stage := range bus.Stages() {
		for range 3 {
			if _, err := b.JetStream().Publish(t.Context(), stage.Subject(k), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	asked := 0
	for document := range strings.SplitSeq(string(text), "---\n") {
		var object struct {
			Spec struct {
				Triggers []struct{ Metadata map[string]string }
			}
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		for _, trigger := range object.Spec.Triggers {
			asked++
			bustest.Eventually(t, "the lag of "+trigger.Metadata["consumer"], func() bool {
				got, found := lag(t, "http://"+trigger.Metadata["natsServerMonitoringEndpoint"], trigger.Metadata)
				return found && got == want[trigger.Metadata["consumer"]]
			})
		}
	}
	if asked != len(sources)*len(bus.Stages()) {
		t.Errorf("%d triggers, want one for each of %d sources and %d stages", asked, len(sources), len(bus.Stages()))
	}
}

package durability_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/durability"
)

// watched is a watcher with what it tells.
type watched struct {
	*durability.Watcher
	reader *sdkmetric.ManualReader
	log    *lines
}

// lines is a log in memory, for several goroutines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// all reads the log so far.
func (l *lines) all(t testing.TB) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for line := range strings.Lines(l.text.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("read the log line %s: %v", line, err)
		}
		all = append(all, entry)
	}
	return all
}

// watch makes a watcher of the streams, EVENTS if none is named.
func watch(t testing.TB, js jetstream.JetStream, demand durability.Demand, monitorURL string, streams ...string) *watched {
	t.Helper()
	if len(streams) == 0 {
		streams = []string{bus.StreamEvents}
	}
	w := &watched{reader: sdkmetric.NewManualReader(), log: &lines{}}
	cfg := &durability.Config{Demand: demand, MonitorURL: config.Secret(monitorURL)}
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader)).Meter("test")
	var err error
	w.Watcher, err = durability.New(js, cfg, streams, slog.New(slog.NewJSONHandler(w.log, nil)), meter)
	if err != nil {
		t.Fatalf("make a watcher: %v", err)
	}
	return w
}

// report checks now and returns the only report.
func (w *watched) report(t testing.TB) durability.Report {
	t.Helper()
	w.Check(t.Context())
	reports := w.Reports()
	if len(reports) != 1 {
		t.Fatalf("got %d reports, want 1: %+v", len(reports), reports)
	}
	return reports[0]
}

// gauge reads durability.level, for example {"EVENTS none": 1, "EVENTS fsync": 0, …}.
func (w *watched) gauge(t testing.TB) map[string]int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := w.reader.Collect(context.Background(), &data); err != nil {
		t.Fatalf("read the metrics: %v", err)
	}
	values := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			gauge, ok := m.Data.(metricdata.Gauge[int64])
			if !ok || m.Name != "durability.level" {
				t.Fatalf("got the metric %s of %T", m.Name, m.Data)
			}
			for _, point := range gauge.DataPoints {
				values[attr(t, point.Attributes, "stream")+" "+attr(t, point.Attributes, "level")] = point.Value
			}
		}
	}
	return values
}

func attr(t testing.TB, set attribute.Set, key attribute.Key) string {
	t.Helper()
	value, ok := set.Value(key)
	if !ok {
		t.Fatalf("the metric has no attribute %s", key)
	}
	return value.AsString()
}

// says fails the test unless the text has all parts.
func says(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s is %q, which does not say %q", what, text, part)
		}
	}
}

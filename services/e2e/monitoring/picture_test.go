package monitoring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/otlpsink"
)

// The way of a change through the services, each span below the one before it. Between "arm" and "window" lies the quiet period.
var way = []string{"POST /webhooks/{source}", "append", "arm", "window", "flush", "enrich", "deliver", "enneo put"}

// picture is all spans by id.
type picture map[string]otlpsink.Span

func pictureOf(spans []otlpsink.Span) picture {
	p := picture{}
	for _, span := range spans {
		p[span.ID] = span
	}
	return p
}

// path is the names from the first span of a trace down to this one.
func (p picture) path(span otlpsink.Span) []string {
	var names []string
	for ok := true; ok; span, ok = p[span.Parent] {
		names = append(names, span.Name)
	}
	slices.Reverse(names)
	return names
}

// onePicture: a delivery to Enneo is in the trace of the webhook that opened the window, its window links to the other events
// of the burst, and theirs to the trace in which they were flushed.
func (s *stage) onePicture(t *testing.T) {
	eventually(t, "a burst went from the webhook to Enneo in one picture", func(context.Context) error {
		p := pictureOf(s.sink.Spans())
		var whole, read, collapsed, flushedIn bool
		for _, span := range p {
			path := p.path(span)
			whole = whole || span.Name == "enneo put" && slices.Equal(path, way)
			read = read || span.Name == "erp get_contract" && slices.Equal(path, append(slices.Clone(way[:6]), span.Name))
			for _, link := range span.Links {
				to, known := p[link.Span]
				collapsed = collapsed || span.Name == "window" && known && to.Name == "arm" && to.Trace != span.Trace
				flushedIn = flushedIn || span.Name == "arm" && known && to.Name == "arm" && span.Attributes["outcome"] == "extended"
			}
		}
		if !whole || !read || !collapsed || !flushedIn {
			return fmt.Errorf("whole way %t, the read %t, window links to other events %t, and they to it %t", whole, read, collapsed, flushedIn)
		}
		return nil
	})
}

// connected: every span but the first of a trace has its parent, and every link its end, once all of them have arrived.
func (s *stage) connected(t *testing.T) {
	known := map[string]bool{}
	eventually(t, "every hop is connected", func(context.Context) error {
		p := pictureOf(s.sink.Spans())
		var errs []error
		for id, span := range p {
			if known[id] {
				continue
			}
			if _, ok := p[span.Parent]; span.Parent != "" && !ok {
				errs = append(errs, fmt.Errorf("%s of %s has no parent", span.Name, span.Service))
				continue
			}
			missing := slices.IndexFunc(span.Links, func(l otlpsink.Link) bool { _, ok := p[l.Span]; return !ok })
			if missing >= 0 {
				errs = append(errs, fmt.Errorf("%s of %s links to a span that is not there", span.Name, span.Service))
				continue
			}
			known[id] = true
		}
		// New spans arrive all the time; what was looked at first has to be whole.
		if len(known) < 500 {
			return fmt.Errorf("%d of 500 spans are connected: %w", len(known), errors.Join(errs[:min(3, len(errs))]...))
		}
		return nil
	})
	services := map[string]bool{}
	for _, span := range s.sink.Spans() {
		services[span.Service] = true
	}
	if len(services) < 4 {
		t.Errorf("spans came from %v only", services)
	}
}

// logged: what goes wrong with a change is logged with the trace of the change.
func (s *stage) logged(t *testing.T) {
	eventually(t, "log lines name traces that were exported", func(context.Context) error {
		traces := map[string]bool{}
		for _, span := range s.sink.Spans() {
			traces[span.Trace] = true
		}
		found := map[string]bool{}
		for _, p := range s.Processes() {
			for _, text := range p.Tail(1 << 20) {
				var line struct {
					Msg     string `json:"msg"`
					Service string `json:"service"`
					Trace   string `json:"trace_id"`
				}
				if json.Unmarshal([]byte(text), &line) == nil && traces[line.Trace] {
					found[line.Service] = true
				}
			}
		}
		if !found["enricher"] || !found["publisher"] {
			return fmt.Errorf("only %v have logged with a trace", found)
		}
		return nil
	})
}

var exemplar = regexp.MustCompile(`^bridge_([a-z_]+)_(?:bucket|total)\{.*# \{.*trace_id="([0-9a-f]{32})"`)

// exemplars: figures lead to traces, for whoever asks for OpenMetrics, and to nobody else; and Prometheus keeps them.
func (s *stage) exemplars(t *testing.T) {
	const open = "application/openmetrics-text; version=1.0.0"
	for service, metric := range map[string]string{
		"ingestor": "webhooks", "debouncer": "window_lateness_seconds", "enricher": "erp_read_duration_seconds",
		"publisher": "enneo_request_duration_seconds", "lookup": "lookup_calls_seconds",
	} {
		eventually(t, "a figure of the "+service+" leads to a trace", func(context.Context) error {
			text := s.scrape(t, service, open)
			if !strings.HasSuffix(text, "# EOF\n") {
				return errors.New("not OpenMetrics")
			}
			traces := map[string]bool{}
			for _, span := range s.sink.Spans() {
				traces[span.Trace] = true
			}
			for line := range strings.Lines(text) {
				if m := exemplar.FindStringSubmatch(line); m != nil && m[1] == metric && traces[m[2]] {
					return nil
				}
			}
			return fmt.Errorf("no exemplar of %s", metric)
		})
		if strings.Contains(s.scrape(t, service, "text/plain"), "trace_id=") {
			t.Errorf("the %s gives exemplars in a format that has none", service)
		}
	}
	eventually(t, "prometheus keeps exemplars", func(ctx context.Context) error {
		found, err := s.prometheus.Exemplars(ctx, `bridge_enneo_request_duration_seconds_bucket`)
		if err == nil && !slices.ContainsFunc(found, func(labels map[string]string) bool { return labels["trace_id"] != "" }) {
			err = errors.New("none yet")
		}
		return err
	})
}

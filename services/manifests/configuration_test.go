package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/pipeline"
	"github.com/enneo-ai/enneo-bridge/libs/source"
	"github.com/enneo-ai/enneo-bridge/services/debouncer"
	"github.com/enneo-ai/enneo-bridge/services/enricher"
	"github.com/enneo-ai/enneo-bridge/services/ingestor"
	"github.com/enneo-ai/enneo-bridge/services/lookup"
	"github.com/enneo-ai/enneo-bridge/services/manifests/internal/rules"
	"github.com/enneo-ai/enneo-bridge/services/publisher"
	"github.com/enneo-ai/enneo-bridge/services/reconciler"
	"github.com/enneo-ai/enneo-bridge/services/simulator"
)

// reader is a service and what it reads from its environment.
type reader struct {
	config func() any
	// sources: it reads those, with what it needs of them. disjoint: their ids must not overlap.
	sources  bool
	need     source.Need
	disjoint bool
}

var readers = map[string]reader{
	"ingestor":   {func() any { return new(ingestor.Config) }, true, source.Need{Webhook: true}, false},
	"debouncer":  {func() any { return new(debouncer.Config) }, true, source.Need{}, false},
	"enricher":   {func() any { return new(enricher.Config) }, true, source.Need{ERP: true}, false},
	"publisher":  {func() any { return new(publisher.Config) }, true, source.Need{}, true},
	"lookup":     {func() any { return new(lookup.Config) }, true, source.Need{ERP: true}, true},
	"reconciler": {func() any { return new(reconciler.Config) }, true, source.Need{ERP: true}, false},
	"simulator":  {func() any { return new(simulator.Config) }, false, source.Need{}, false},
}

// around are variables that no struct of ours reads: those of Go and of OpenTelemetry.
func around(key string) bool {
	return key == "GOMEMLIMIT" || key == "GOTRACEBACK" || strings.HasPrefix(key, "OTEL_")
}

// placeholder stands in for a value that only the secret store of a real cluster has.
func placeholder(key string) string {
	switch key {
	case "NATS_URL":
		return "nats://nats:4222"
	case "NATS_MONITOR_URL":
		return "http://nats-0.nats-headless:8222"
	case "REDIS_URL":
		return "redis://redis:6379"
	}
	return "made-up"
}

var errUnread = errors.New("is set, and nobody reads it")

// configuration lets each service read the environment that its container would have, with its own code: every value has to
// be valid, everything mandatory there, and nothing there that it does not read.
func configuration(t *testing.T, set *rules.Set) (found []rules.Problem) {
	t.Helper()
	fail := func(w *rules.Workload, err error) {
		for line := range strings.Lines(err.Error()) {
			found = append(found, rules.Problem{Rule: "configuration", Err: fmt.Errorf("%s: %s", w, strings.TrimSpace(line))})
		}
	}
	for _, w := range set.Workloads {
		service, ok := readers[w.Name]
		if !ok {
			continue
		}
		env := set.Env(&w.Pod.Spec.Containers[0], placeholder)
		for key, path := range env {
			if strings.HasSuffix(key, "_FILE") {
				env[key] = mounted(t, set, w, path)
			}
		}
		if err := load(env, &service); err != nil {
			fail(w, err)
		}
		known := map[string]bool{"SOURCES": service.sources}
		for _, part := range []any{app.Config{}, service.config()} {
			fields, err := config.Fields(part)
			if err != nil {
				fail(w, err)
			}
			for _, f := range fields {
				known[f.Key] = true
			}
		}
		for _, key := range slices.Sorted(maps.Keys(env)) {
			// source.Load itself reports variables of sources that nobody reads.
			if !known[key] && !around(key) && (!service.sources || !strings.HasPrefix(key, "SOURCE_")) {
				fail(w, fmt.Errorf("%s: %w", key, errUnread))
			}
		}
	}
	return found
}

// mounted is a file with what the container would find at a path; if that is nothing, the path itself.
func mounted(t *testing.T, set *rules.Set, w *rules.Workload, path string) string {
	t.Helper()
	content, ok := set.Files(w, placeholder)[path]
	if !ok {
		return path
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// load reads a configuration as the service's Run does.
func load(env map[string]string, service *reader) error {
	ctx, from := context.Background(), config.Map(env)
	var frame app.Config
	own := service.config()
	errs := []error{config.Load(ctx, from, &frame), config.Load(ctx, from, own)}
	if service.sources {
		var windows pipeline.Windows
		errs = append(errs, config.Load(ctx, from, &windows))
		sources, err := source.Load(ctx, from, source.Defaults{QuietPeriod: windows.QuietPeriod, MaxWait: windows.MaxWait}, service.need)
		errs = append(errs, err)
		if service.disjoint {
			errs = append(errs, source.CheckDisjoint(sources, env["ENNEO_IDS_DISJOINT"] == "true"))
		}
	}
	return errors.Join(errs...)
}

// TestEveryServiceIsRead makes sure that the check of the configuration leaves no service out.
func TestEveryServiceIsRead(t *testing.T) {
	t.Parallel()
	set := read(t, build(t, "overlays/dev", nil))
	for name := range readers {
		if !slices.ContainsFunc(set.Workloads, func(w *rules.Workload) bool { return w.Name == name }) {
			t.Errorf("overlays/dev has no %s", name)
		}
	}
	for _, w := range set.Workloads {
		_, there := readers[w.Name]
		if _, err := os.Stat(filepath.Join("..", w.Name, "cmd")); err == nil && !there {
			t.Errorf("the configuration of the %s is checked by nobody: add it to readers", w.Name)
		}
	}
}

package monitoring

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// instrument is a metric of ours as the source declares it.
type instrument struct {
	// Name is the exported one.
	Name, Kind, Unit, Description string
	// In are the packages that declare it.
	In []string
}

// series are the names under which Prometheus stores it.
func (i instrument) series() []string {
	if i.Kind == "histogram" {
		return []string{i.Name + "_bucket", i.Name + "_sum", i.Name + "_count"}
	}
	return []string{i.Name}
}

// kinds are the methods of metric.Meter, without the type of their numbers.
var kinds = map[string]string{
	"Counter": "counter", "ObservableCounter": "counter", "Histogram": "histogram", "Gauge": "gauge", "ObservableGauge": "gauge",
	"UpDownCounter": "gauge", "ObservableUpDownCounter": "gauge",
}

// instruments reads every instrument out of the source of libs and services, so that none is forgotten that no run shows.
func instruments(t *testing.T) []instrument {
	t.Helper()
	found := map[string]instrument{}
	for _, module := range []string{"libs", "services"} {
		err := filepath.WalkDir(filepath.Join(root, module), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return fmt.Errorf("parse: %w", err)
			}
			dir, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return fmt.Errorf("name the package: %w", err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if i, ok := declared(n); ok {
					in := strings.TrimPrefix(strings.ReplaceAll(dir, "internal/", ""), "services/")
					i.In = slices.Concat(found[i.Name].In, []string{in})
					found[i.Name] = i
				}
				return true
			})
			return nil
		})
		must(t, err)
	}
	var all []instrument
	for _, i := range found {
		slices.Sort(i.In)
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b instrument) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// declared reads a call such as meter.Int64Counter("events.armed", metric.WithUnit("{event}"), metric.WithDescription("…")).
func declared(n ast.Node) (instrument, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return instrument{}, false
	}
	method := selected(call.Fun)
	kind, ok := kinds[strings.TrimPrefix(strings.TrimPrefix(method, "Int64"), "Float64")]
	if !ok || kind == "" || !strings.HasPrefix(method, "Int64") && !strings.HasPrefix(method, "Float64") || len(call.Args) == 0 {
		return instrument{}, false
	}
	i := instrument{Name: literal(call.Args[0]), Kind: kind}
	if i.Name == "" {
		return instrument{}, false // A helper that is given the name, or no instrument at all.
	}
	for _, arg := range call.Args[1:] {
		option, ok := arg.(*ast.CallExpr)
		if !ok || len(option.Args) != 1 {
			continue
		}
		switch selected(option.Fun) {
		case "WithUnit":
			i.Unit = literal(option.Args[0])
		case "WithDescription":
			i.Description = literal(option.Args[0])
		}
	}
	i.Name = exported(i)
	return i, true
}

func selected(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}

func literal(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok {
		text, _ := strconv.Unquote(lit.Value)
		return text
	}
	return ""
}

// exported is the name under which the exporter of OpenTelemetry tells an instrument.
func exported(i instrument) string {
	name := "bridge_" + strings.ReplaceAll(i.Name, ".", "_")
	suffix := map[string]string{"s": "_seconds", "By": "_bytes"}[i.Unit]
	if i.Unit == "1" && i.Kind == "gauge" {
		suffix = "_ratio"
	}
	name += suffix
	if i.Kind == "counter" {
		name += "_total"
	}
	return name
}

const metricsPage = root + "/docs/metrics.md"

func TestThePageOfMetricsHasAllOfThem(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`# Metrics

For whoever reads dashboards or writes alerts. Written from the source by ` + "`go test ./services/e2e/monitoring -run Page -update`" + `, and held
to what real services export by the same package. Every service answers ` + "`/metrics`" + ` at its admin port, with exemplars for whoever asks for
OpenMetrics. None has an id of a contract or customer in a label.

"By …" names the labels. *Target* is ` + "`source.<name>`" + ` or ` + "`enneo`" + `. What is told "of all replicas" is the same from each of them: take the
maximum. Counters appear with their first event.

| metric | kind | meaning | from |
| --- | --- | --- | --- |
`)
	for _, i := range instruments(t) {
		if i.Description == "" {
			t.Errorf("%s has no description", i.Name)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", i.Name, i.Kind, strings.ReplaceAll(i.Description, "|", `\|`), strings.Join(slices.Compact(i.In), ", "))
	}
	b.WriteString(`
Of libraries: ` + "`http_server_request_duration_seconds`, `http_server_request_body_size_bytes`, `http_server_response_body_size_bytes`" + ` by route, method and
status ([OpenTelemetry](https://opentelemetry.io/docs/specs/semconv/http/http-metrics/)), ` + "`go_*`, `process_*`, `promhttp_*`" + `, and ` + "`target_info`" + ` with the
version of the service.
`)
	if *update {
		must(t, os.WriteFile(metricsPage, []byte(b.String()), 0o600))
	}
	page, err := os.ReadFile(metricsPage)
	must(t, err)
	if diff := cmp.Diff(b.String(), string(page)); diff != "" {
		t.Errorf("docs/metrics.md is not up to date; write it with -update (-want +got):\n%s", diff)
	}
}

package monitoring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/prom"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// dashboard is what is looked at of Grafana's format.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []variable
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ H, W, X, Y int }
	Datasource               struct{ Type, UID string }
	FieldConfig              struct {
		Defaults struct {
			Unit       string
			Thresholds struct{ Steps []json.RawMessage }
		}
	}
	Links   []struct{ Title, URL string }
	Targets []struct {
		RefID, Expr string
		Datasource  struct{ Type, UID string }
	}
}

type variable struct {
	Name, Type, Definition string
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(component + "/dashboards/*.json")
	must(t, err)
	all := map[string]dashboard{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = d
	}
	return all
}

// TestDashboardsAreWhole: what Grafana's format needs, and what a person needs to understand a panel.
func TestDashboardsAreWhole(t *testing.T) {
	t.Parallel()
	alerts := map[string]bool{}
	for _, r := range rules(t) {
		alerts[r.Alert] = true
	}
	text, err := os.ReadFile(component + "/kustomization.yaml")
	must(t, err)
	known, uids := told(t), map[string]bool{}
	for file, d := range dashboards(t) {
		if !strings.Contains(string(text), "dashboards/"+file) {
			t.Errorf("%s is not in the kustomization", file)
		}
		if d.UID == "" || uids[d.UID] || d.Title == "" || d.SchemaVersion < 36 || len(d.Templating.List) < 2 || d.Templating.List[0].Type != "datasource" {
			t.Errorf("%s lacks uid, title, schema version or the variable of the data source", file)
		}
		uids[d.UID] = true
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s, %s: id %d is not its own", file, p.Title, p.ID)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s: %s lies over %q, or beside the page", file, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.FieldConfig.Defaults.Thresholds.Steps) == 0 || len(p.Targets) == 0 {
				t.Errorf("%s, %q lacks title, description, unit, thresholds or targets", file, p.Title)
			}
			for _, link := range p.Links {
				if !alerts[link.Title] || !strings.HasSuffix(link.URL, "/docs/runbooks/"+link.Title+".md") {
					t.Errorf("%s, %s links to %s, which is no runbook", file, p.Title, link.URL)
				}
			}
			for _, target := range p.Targets {
				if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `namespace=~"$namespace"`) {
					t.Errorf("%s, %s asks another data source or every namespace: %s", file, p.Title, target.Expr)
				}
				if names := missing(known, target.Expr); names != nil {
					t.Errorf("%s, %s asks for %v", file, p.Title, names)
				}
			}
		}
	}
	if len(uids) < 6 {
		t.Errorf("only %d dashboards", len(uids))
	}
}

// orNothing is how a panel says that nothing has happened. Whether its expression finds anything is tested without.
const orNothing = " or vector(0)"

var labelValues = regexp.MustCompile(`^label_values\((.+), ([a-z_]+)\)$`)

// shown: every panel has data in a real Prometheus; what needs something that did not happen here has data from promtool.
func (s *stage) shown(t *testing.T) {
	idle := map[string]string{}
	for file, d := range dashboards(t) {
		values := map[string]string{"$__rate_interval": "5s", "$__range": "30s", "$datasource": ""}
		for _, v := range d.Templating.List {
			if v.Type == "query" {
				values["$"+v.Name] = s.values(t, file, v, values)
			}
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				whole := substituted(target.Expr, values)
				s.hasData(t, file+", "+p.Title, whole)
				if expr := strings.TrimSuffix(whole, orNothing); expr != whole && !s.any(t, expr) {
					idle[file+", "+p.Title+" "+target.RefID] = expr
				}
			}
		}
	}
	t.Logf("%d expressions need what did not happen here; promtool shows that they find it", len(idle))
	found(t, idle)
}

func substituted(expr string, values map[string]string) string {
	for name, value := range values {
		expr = strings.ReplaceAll(expr, name, value)
	}
	return expr
}

// values is a matcher for all values of a variable.
func (s *stage) values(t *testing.T, file string, v variable, known map[string]string) string {
	t.Helper()
	m := labelValues.FindStringSubmatch(v.Definition)
	if m == nil {
		t.Fatalf("%s: variable %s is defined as %q", file, v.Name, v.Definition)
	}
	var values []string
	eventually(t, file+": there are values of "+v.Name, func(ctx context.Context) (err error) {
		values, err = s.prometheus.Values(ctx, m[2], substituted(m[1], known))
		if err == nil && len(values) == 0 {
			err = errors.New("none")
		}
		return err
	})
	return strings.Join(values, "|")
}

func (s *stage) hasData(t *testing.T, what, expr string) {
	t.Helper()
	err := rig.Eventually(t.Context(), patience, what+" has data", func(ctx context.Context) error {
		found, err := s.prometheus.Query(ctx, expr)
		if err == nil && (len(found) == 0 || !slices.ContainsFunc(found, func(f prom.Sample) bool { return f.Value[1] != "NaN" })) {
			err = errors.New("none: " + expr)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func (s *stage) any(t *testing.T, expr string) bool {
	t.Helper()
	found, err := s.prometheus.Query(t.Context(), expr)
	must(t, err)
	return len(found) > 0
}

var (
	selector = regexp.MustCompile(`(bridge[a-z0-9_:]+)\{([^}]*)\}`)
	equals   = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

// found gives promtool a series for each metric of each expression, with every label that the expression may look at, and
// checks that the expression finds something.
func found(t *testing.T, exprs map[string]string) {
	t.Helper()
	type series struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	type sample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
	type check struct {
		Expr    string   `json:"expr"`
		At      string   `json:"eval_time"`
		Samples []sample `json:"exp_samples"`
	}
	type test struct {
		Name     string   `json:"name"`
		Interval string   `json:"interval"`
		Input    []series `json:"input_series"`
		Checks   []check  `json:"promql_expr_test"`
	}
	file := struct {
		Interval string `json:"evaluation_interval"`
		Tests    []test `json:"tests"`
	}{Interval: "1s"}
	for name, expr := range exprs {
		one := test{Name: name, Interval: "1s", Checks: []check{{"count(" + expr + ") > bool 0", "60s", []sample{{"{}", 1}}}}}
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			labels := map[string]string{"namespace": "enneo-bridge", "source": rig.SourceName, "service": "s", "pod": "p", "le": "+Inf", "status": "503"}
			for _, label := range allowed {
				if labels[label] == "" {
					labels[label] = "x"
				}
			}
			for _, pair := range equals.FindAllStringSubmatch(m[2], -1) {
				labels[pair[1]] = pair[2]
			}
			var text []string
			for label, value := range labels {
				text = append(text, fmt.Sprintf("%s=%q", label, value))
			}
			slices.Sort(text)
			input := series{m[1] + "{" + strings.Join(text, ",") + "}", "0+1x120"}
			if !slices.Contains(one.Input, input) {
				one.Input = append(one.Input, input)
			}
		}
		file.Tests = append(file.Tests, one)
	}
	dir := t.TempDir()
	text, err := yaml.Marshal(file)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "panels.yaml"), text, 0o600))
	tool(t, dir, "test", "rules", "panels.yaml")
}

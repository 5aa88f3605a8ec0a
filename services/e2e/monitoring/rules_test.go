package monitoring

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/prom"
)

const component = root + "/deploy/k8s/components/monitoring"

type rule struct {
	Alert       string            `json:"alert"`
	Record      string            `json:"record"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type ruleGroups struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	} `json:"groups"`
}

// ruleFile writes the groups of the PrometheusRule to dir, as Prometheus itself reads them, and returns the file.
func ruleFile(t *testing.T, dir string) string {
	t.Helper()
	var object struct {
		Spec map[string]any `json:"spec"`
	}
	readYAML(t, component+"/rules.yaml", &object)
	text, err := yaml.Marshal(object.Spec)
	must(t, err)
	file, err := filepath.Abs(filepath.Join(dir, "rules.yml"))
	must(t, err)
	must(t, os.WriteFile(file, text, 0o600))
	return file
}

func rules(t *testing.T) []rule {
	t.Helper()
	var object struct {
		Spec ruleGroups `json:"spec"`
	}
	readYAML(t, component+"/rules.yaml", &object)
	var all []rule
	for _, group := range object.Spec.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	must(t, yaml.Unmarshal(text, into))
}

// tool runs promtool; the test is skipped without it, and fails in CI.
func tool(t *testing.T, dir string, arguments ...string) {
	t.Helper()
	out, err := prom.Tool(t.Context(), dir, arguments...)
	needed(t, err)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestEachAlertFiresWhenItHasToAndOnlyThen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ruleFile(t, dir)
	cases, err := os.ReadFile(component + "/tests/alerts.yaml")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "alerts.yaml"), cases, 0o600))
	tool(t, dir, "check", "rules", "rules.yml")
	tool(t, dir, "test", "rules", "alerts.yaml")
	var tested struct {
		Tests []struct {
			Name string `json:"name"`
		} `json:"tests"`
	}
	must(t, yaml.Unmarshal(cases, &tested))
	var names []string
	for _, test := range tested.Tests {
		names = append(names, test.Name)
	}
	for _, r := range rules(t) {
		if r.Alert != "" && (!slices.Contains(names, r.Alert) || !slices.Contains(names, r.Alert+" does not fire")) {
			t.Errorf("%s has no test that it fires, or none that it does not", r.Alert)
		}
	}
}

// headings are what a runbook answers.
var headings = []string{"## Meaning", "## Impact", "## How to look", "## How to mend", "## When to escalate"}

func TestEachAlertHasARunbookAndEachRunbookAnAlert(t *testing.T) {
	t.Parallel()
	var alerts []string
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		alerts = append(alerts, r.Alert)
		if got := r.Annotations["runbook_url"]; !strings.HasSuffix(got, "/docs/runbooks/"+r.Alert+".md") {
			t.Errorf("%s has the runbook %q", r.Alert, got)
		}
		if r.Annotations["summary"] == "" || r.Labels["severity"] != "page" && r.Labels["severity"] != "ticket" {
			t.Errorf("%s has the summary %q and the severity %q", r.Alert, r.Annotations["summary"], r.Labels["severity"])
		}
	}
	pages, err := filepath.Glob(root + "/docs/runbooks/*.md")
	must(t, err)
	index, err := os.ReadFile(root + "/docs/runbooks/README.md")
	must(t, err)
	var found []string
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if name == "README" {
			continue
		}
		found = append(found, name)
		text, err := os.ReadFile(page)
		must(t, err)
		for _, heading := range headings {
			if _, rest, ok := strings.Cut(string(text), heading+"\n\n"); !ok || strings.HasPrefix(rest, "#") || strings.TrimSpace(rest) == "" {
				t.Errorf("%s says nothing under %q", name, heading)
			}
		}
		if !strings.Contains(string(index), "["+name+"]("+name+".md)") {
			t.Errorf("docs/runbooks/README.md does not list %s", name)
		}
	}
	slices.Sort(alerts)
	slices.Sort(found)
	if !slices.Equal(alerts, found) {
		t.Errorf("alerts are %v, runbooks %v", alerts, found)
	}
}

// ours finds the names of our own metrics, and of recording rules, in expressions and texts.
var ours = regexp.MustCompile(`\bbridge(?::[a-z0-9_:]+|_[a-z0-9_]+)`)

// told are the names that somebody exports or records.
func told(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, r := range rules(t) {
		known[r.Record] = true
	}
	for _, i := range instruments(t) {
		for _, name := range i.series() {
			known[name] = true
		}
	}
	return known
}

// missing are the names in a text that are not known.
func missing(known map[string]bool, text string) []string {
	var names []string
	for _, name := range ours.FindAllString(text, -1) {
		if !known[name] {
			names = append(names, name)
		}
	}
	return names
}

func TestRulesAndRunbooksNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	known := told(t)
	for _, r := range rules(t) {
		if names := missing(known, r.Expr); names != nil {
			t.Errorf("%s%s asks for %v", r.Alert, r.Record, names)
		}
	}
	pages, err := filepath.Glob(root + "/docs/runbooks/*.md")
	must(t, err)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		must(t, err)
		if names := missing(known, string(text)); names != nil {
			t.Errorf("%s names %v", filepath.Base(page), names)
		}
	}
}

// evaluated: a real Prometheus evaluates each rule on what real services tell.
func (s *stage) evaluated(t *testing.T) {
	want := len(rules(t))
	eventually(t, "all rules are evaluated", func(ctx context.Context) error {
		found, err := s.prometheus.Rules(ctx)
		if err != nil {
			return err
		}
		ok := 0
		for _, r := range found {
			if r.Health == "err" {
				t.Errorf("%s: %s", r.Name, r.LastError)
			}
			if r.Health == "ok" {
				ok++
			}
		}
		if ok != want {
			return fmt.Errorf("%d of %d rules", ok, want)
		}
		return nil
	})
}

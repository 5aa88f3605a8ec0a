package monitoring

import (
	"slices"
	"strings"
	"testing"
)

// foreign are the beginnings of names that are not ours.
var foreign = []string{"go_", "process_", "promhttp_", "http_server_", "target_info"}

// allowed are the labels that our metrics may have: each has few values, and none is an id.
var allowed = []string{
	"check", "direction", "kind", "le", "level", "method", "mode", "operation", "origin", "outcome", "place", "reason", "replica",
	"result", "source", "stage", "status", "stream", "target", "why",
}

// most is how many series a metric of one service may have here, with one source; buckets not counted.
const most = 40

// exported: what real services tell is what docs/metrics.md says, under the kind that it says, and with few labels.
func (s *stage) exported(t *testing.T) {
	known := map[string]instrument{}
	for _, i := range instruments(t) {
		known[i.Name] = i
	}
	seen := map[string]bool{}
	for _, service := range services {
		series := map[string]int{}
		for line := range strings.Lines(s.scrape(t, service, "text/plain")) {
			words := strings.Fields(line)
			if strings.HasPrefix(line, "# TYPE ") {
				name, kind := words[2], words[3]
				i, ok := known[name]
				if !ok && !slices.ContainsFunc(foreign, func(begin string) bool { return strings.HasPrefix(name, begin) }) {
					t.Errorf("%s tells %s, which no source declares", service, name)
				}
				if ok && i.Kind != kind {
					t.Errorf("%s is a %s, and declared as a %s", name, kind, i.Kind)
				}
				seen[name] = true
				continue
			}
			name, labels, _ := strings.Cut(line, "{")
			if !strings.HasPrefix(name, "bridge_") {
				continue
			}
			if series[name]++; series[name] > most && !strings.HasSuffix(name, "_bucket") {
				t.Errorf("%s has more than %d series of %s", service, most, name)
			}
			labels, _, _ = strings.Cut(labels, "}")
			for label := range strings.SplitSeq(labels, `",`) {
				if key, _, ok := strings.Cut(label, "="); ok && !slices.Contains(allowed, key) {
					t.Errorf("%s of %s has the label %s", name, service, key)
				}
			}
			if strings.Contains(labels, s.refused) {
				t.Errorf("%s of %s names a contract", name, service)
			}
		}
	}
	var unseen []string
	for name := range known {
		if !seen[name] {
			unseen = append(unseen, name)
		}
	}
	slices.Sort(unseen)
	t.Logf("%d of %d metrics of ours were told; not these, which need what did not happen: %v", len(known)-len(unseen), len(known), unseen)
	if len(unseen) > len(known)/3 {
		t.Errorf("%d of %d metrics were told by nobody: are they declared and never made?", len(unseen), len(known))
	}
}

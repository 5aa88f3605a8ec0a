package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
	"github.com/enneo-ai/enneo-bridge/services/reconciler"
)

const (
	// barWidth is in characters.
	barWidth = 24
	// plainEvery is the time between two lines of a source without a terminal.
	plainEvery = 10 * time.Second
)

// reconcileProgress shows how far the sources have come: as a bar on a terminal, in lines otherwise. It is safe for concurrent use.
type reconcileProgress struct {
	screen *terminal.Screen
	now    func() time.Time

	mu      sync.Mutex
	sources map[string]*sourceProgress
}

// sourceProgress is how far one source has come.
type sourceProgress struct {
	reconciler.Progress
	// since is when the listing of this kind began, told when the last line was written, and waited what it said it waits for.
	since, told time.Time
	waited      string
}

func newReconcileProgress(screen *terminal.Screen, now func() time.Time) *reconcileProgress {
	return &reconcileProgress{screen: screen, now: now, sources: map[string]*sourceProgress{}}
}

// note takes a report.
func (p *reconcileProgress) note(report reconciler.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	s := p.sources[report.Source]
	if s == nil {
		s = &sourceProgress{told: now}
		p.sources[report.Source] = s
	}
	if s.since.IsZero() || s.Mode != report.Mode || s.Kind != report.Kind {
		s.since = now
	}
	waits := report.Waiting != "" && s.waited != report.Waiting
	s.Progress = report
	switch {
	case report.Ended:
		delete(p.sources, report.Source)
		p.screen.Printf("%s\n", p.end(&report, now))
	case !p.screen.Live() && (waits || now.Sub(s.told) >= plainEvery):
		s.told, s.waited = now, cmp.Or(report.Waiting, s.waited)
		p.screen.Printf("%s\n", s.line(now))
	}
	lines := make([]string, 0, len(p.sources))
	for _, name := range slices.Sorted(maps.Keys(p.sources)) {
		lines = append(lines, p.sources[name].line(now))
	}
	p.screen.Status(strings.Join(lines, "   "))
}

// end is the summary of a source.
func (p *reconcileProgress) end(report *reconciler.Progress, now time.Time) string {
	took := now.Sub(report.Began).Round(100 * time.Millisecond)
	mark := p.screen.Good("✓")
	if report.Err != nil {
		mark = p.screen.Bad("✗")
	}
	text := fmt.Sprintf("%s %s (%s): %s, in %s", mark, report.Source, report.Mode, report.Tally, took)
	if report.Mode == "" {
		text = mark + " " + report.Source
	}
	if report.Err != nil {
		text += ": " + p.screen.Bad(report.Err.Error())
	}
	return text
}

// line is a bar with rate and time left, or how many and the rate if nobody knows how many there are.
func (s *sourceProgress) line(now time.Time) string {
	what := string(s.Kind)
	if what == "" {
		what = "key"
	}
	rate := 0.0
	if passed := now.Sub(s.since).Seconds(); passed > 0 {
		rate = float64(s.Listed) / passed
	}
	text := fmt.Sprintf("%s %s: %d %ss", s.Source, s.Mode, s.Listed, what)
	if s.Total > 0 {
		done := min(1, float64(s.Listed)/float64(s.Total))
		full := int(done * barWidth)
		text = fmt.Sprintf("%s %s: %s%s %3.0f %%, %d of %d %ss", s.Source, s.Mode,
			strings.Repeat("█", full), strings.Repeat("░", barWidth-full), done*100, s.Listed, s.Total, what)
	}
	text += fmt.Sprintf(", %.0f/s", rate)
	if left := s.Total - s.Listed; left > 0 && rate > 0 {
		text += fmt.Sprintf(", %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	if s.Waiting != "" {
		text += ", waiting for " + s.Waiting
	}
	return text
}

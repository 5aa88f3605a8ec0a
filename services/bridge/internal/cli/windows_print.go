package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/table"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/windows"
)

// printer writes a list of windows of any length.
type printer interface {
	window(w *windows.Window) error
	summary(s *listSummary) error
}

// windowStates are the states in the order of a summary.
var windowStates = []windows.State{ //nolint:gochecknoglobals // Read only.
	windows.StateOpen, windows.StateDue, windows.StateClaimed, windows.StatePaused, windows.StateCooling,
}

// pageRows is how many rows are aligned together.
const pageRows = 500

// tablePrinter writes for people, a page at a time.
type tablePrinter struct {
	out  io.Writer
	page table.Table
	rows int
}

func (p *tablePrinter) window(w *windows.Window) error {
	if p.rows == pageRows {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.page.Header = []string{"window", "state", "due in", "oldest\nevent", "events", "up to"}
	note, oldest := string(w.State()), ""
	if isOverdue(w) {
		note = "overdue"
	}
	due := rough(w.Claimable().Sub(w.Now))
	if !w.Claimable().After(w.Now) {
		due = until(w.Now, w.Claimable())
	}
	if !w.Oldest().IsZero() {
		oldest = until(w.Now, w.Oldest())
	}
	p.page.Row(w.Key.String(), note, due, oldest, strconv.FormatUint(w.Collapsed(), 10), w.Position.String())
	p.rows++
	return nil
}

func (p *tablePrinter) flush() error {
	text := p.page.String()
	p.page, p.rows = table.Table{}, 0
	return write(p.out, text)
}

func (p *tablePrinter) summary(s *listSummary) error {
	if p.rows > 0 {
		if err := p.flush(); err != nil {
			return err
		}
		if s.left > 0 {
			if err := write(p.out, fmt.Sprintf("and %d more\n", s.left)); err != nil {
				return err
			}
		}
		if err := write(p.out, "\n"); err != nil {
			return err
		}
	}
	return write(p.out, s.text())
}

// text is the summary for people.
func (s *listSummary) text() string {
	var b strings.Builder
	switch {
	case s.filtered:
		fmt.Fprintf(&b, "%d of %d windows", s.count, s.all)
	case s.count == 0:
		b.WriteString("no windows: nothing waits to be flushed")
	case s.count == 1:
		b.WriteString("1 window")
	default:
		fmt.Fprintf(&b, "%d windows", s.count)
	}
	separator := ": "
	for _, state := range windowStates {
		if n := s.byState[state]; n > 0 {
			fmt.Fprintf(&b, "%s%d %s", separator, n, state)
			separator = ", "
		}
	}
	if s.count > 0 {
		fmt.Fprintf(&b, "; %d overdue", s.overdue)
	}
	if s.oldest > 0 {
		fmt.Fprintf(&b, "; oldest event %s ago", rough(s.oldest))
	}
	b.WriteString("\n")
	if s.filling > 0 {
		fmt.Fprintf(&b, "Redis was emptied: %d of %d parts are still being filled from the event log\n", s.filling, s.shards)
	}
	if s.unreadable > 0 {
		fmt.Fprintf(&b, "not windows of enneo-bridge: %d entries; a debouncer removes them\n", s.unreadable)
	}
	return b.String()
}

// windowJSON is a window as --json shows it.
type windowJSON struct {
	Key          string        `json:"key"`
	State        windows.State `json:"state"`
	Overdue      bool          `json:"overdue"`
	DueAt        time.Time     `json:"due_at"`
	DueInSeconds float64       `json:"due_in_seconds"`
	FirstEventAt *time.Time    `json:"first_event_at,omitempty"`
	AgeSeconds   float64       `json:"age_seconds"`
	Events       uint64        `json:"events"`
	Position     positionJSON  `json:"position"`
	Claim        *claimJSON    `json:"claim,omitempty"`
	PausedUntil  *time.Time    `json:"paused_until,omitempty"`
	CoolsUntil   *time.Time    `json:"cools_until,omitempty"`
	RedisTime    time.Time     `json:"redis_time"`
}

type positionJSON struct {
	Epoch    uint64 `json:"epoch"`
	Sequence uint64 `json:"sequence"`
}

// claimJSON is what a debouncer has taken.
type claimJSON struct {
	Until    time.Time    `json:"until"`
	Events   uint64       `json:"events"`
	Position positionJSON `json:"position"`
}

func newWindowJSON(w *windows.Window) windowJSON {
	j := windowJSON{
		Key: w.Key.String(), State: w.State(), Overdue: isOverdue(w), DueAt: w.Claimable().UTC(),
		DueInSeconds: w.Claimable().Sub(w.Now).Seconds(), FirstEventAt: moment(w.Oldest()), AgeSeconds: age(w).Seconds(),
		Events: w.Collapsed(), Position: positionJSON(w.Position),
		PausedUntil: moment(w.PausedUntil), CoolsUntil: moment(w.CoolsUntil), RedisTime: w.Now.UTC(),
	}
	if w.Claim != nil {
		j.Claim = &claimJSON{Until: w.Claim.Until.UTC(), Events: w.Claim.Count, Position: positionJSON(w.Claim.Position)}
	}
	return j
}

// moment is nil for no time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// jsonPrinter writes one document, with each window on a line of its own as soon as it is known.
type jsonPrinter struct {
	out   io.Writer
	lines int
}

func (p *jsonPrinter) window(w *windows.Window) error {
	opening := ",\n    "
	if p.lines == 0 {
		opening = "{\n  \"windows\": [\n    "
	}
	p.lines++
	line, err := json.Marshal(newWindowJSON(w))
	if err != nil {
		return fmt.Errorf("write a window as JSON: %w", err)
	}
	return write(p.out, opening+string(line))
}

func (p *jsonPrinter) summary(s *listSummary) error {
	closing := "\n  ],\n  \"summary\": "
	if p.lines == 0 {
		closing = "{\n  \"windows\": [],\n  \"summary\": "
	}
	states := map[windows.State]int{}
	for _, state := range windowStates {
		states[state] = s.byState[state]
	}
	line, err := json.Marshal(struct {
		Windows       int                   `json:"windows"`
		States        map[windows.State]int `json:"states"`
		Overdue       int                   `json:"overdue"`
		OldestSeconds float64               `json:"oldest_event_age_seconds"`
		All           int                   `json:"all_windows"`
		Filling       int                   `json:"shards_being_filled"`
		Shards        int                   `json:"shards"`
		Unreadable    int                   `json:"unreadable"`
	}{s.count, states, s.overdue, s.oldest.Seconds(), s.all, s.filling, s.shards, s.unreadable})
	if err != nil {
		return fmt.Errorf("write the summary as JSON: %w", err)
	}
	return write(p.out, closing+string(line)+"\n}\n")
}

func write(out io.Writer, text string) error {
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

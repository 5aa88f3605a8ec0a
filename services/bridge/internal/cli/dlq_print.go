package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/position"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/table"
)

// letter is a dead letter for machines.
type letter struct {
	Name        string    `json:"name"`
	Key         string    `json:"key,omitempty"`
	Stage       string    `json:"stage"`
	Source      string    `json:"source"`
	Reason      string    `json:"reason"`
	Message     string    `json:"message"`
	Field       string    `json:"field,omitempty"`
	Attempts    uint32    `json:"attempts"`
	FirstAt     time.Time `json:"first_at,omitzero"`
	LastAt      time.Time `json:"last_at,omitzero"`
	Position    string    `json:"position,omitempty"`
	Status      uint32    `json:"status,omitempty"`
	Answer      string    `json:"answer,omitempty"`
	ContentType string    `json:"content_type,omitempty"`
	BodyBytes   int       `json:"body_bytes,omitempty"`
	// Profile is the one that was in use. Passing tells whether the cause may pass by itself; the letter is then replayed at
	// ReplayAt, and was Replays times before. With ByProfile it is replayed once its source has another profile.
	Profile   string    `json:"profile,omitempty"`
	Passing   bool      `json:"passing"`
	Replays   uint32    `json:"replays,omitempty"`
	ReplayAt  time.Time `json:"replay_at,omitzero"`
	ByProfile bool      `json:"by_profile"`
	// Replay is the command that does it; Drop is the only one for what cannot be replayed.
	Replay string `json:"replay,omitempty"`
	Drop   string `json:"drop,omitempty"`
}

func describe(l deadletter.Letter) letter {
	v := l.Value
	stage, about, _ := strings.Cut(l.Name, ".")
	source, _, _ := strings.Cut(about, ".")
	d := letter{Name: l.Name, Stage: stage, Source: source, Reason: l.Reason(), LastAt: l.StoredAt}
	if l.Unreadable {
		d.Message = "this is no dead letter of enneo-bridge; somebody else has written into the stream DEAD"
		d.Drop = "bridge dlq drop '" + l.Name + "' --because 'not ours'"
		return d
	}
	d.Message, d.Field, d.Attempts = v.GetMessage(), v.GetField(), v.GetAttempts()
	d.Status, d.Answer, d.ContentType, d.BodyBytes = v.GetStatus(), v.GetAnswer(), v.GetContentType(), len(v.GetBody())
	d.Profile, d.Passing, d.Replays = v.GetProfile(), v.GetPassing(), v.GetReplays()
	d.ByProfile, d.Replay = deadletter.ByProfile(v), "bridge dlq replay '"+l.Name+"'"
	if v.GetFirstAt() != nil && v.GetLastAt() != nil {
		d.FirstAt, d.LastAt = v.GetFirstAt().AsTime(), v.GetLastAt().AsTime()
	}
	if v.GetReplayAt() != nil {
		d.ReplayAt = v.GetReplayAt().AsTime()
	}
	if v.GetKey() != nil {
		d.Key = about
	}
	if p := position.FromProto(v.GetPosition()); !p.IsZero() {
		d.Position = p.String()
	}
	return d
}

// byItself says in few words when the letter is replayed without anybody's doing.
func (l *letter) byItself(now time.Time) string {
	switch {
	case l.ReplayAt.After(now):
		return until(now, l.ReplayAt)
	case !l.ReplayAt.IsZero():
		return "now"
	case l.ByProfile:
		return "new profile"
	default:
		return "–"
	}
}

// letterTable is the list for people.
func letterTable(letters []letter, total int, now time.Time) string {
	t := table.Table{Header: []string{"dead letter", "reason", "attempts", "failed first", "last", "replayed\nby itself"}}
	ago := func(at time.Time) string {
		if at.IsZero() {
			return "–"
		}
		return short(max(0, now.Sub(at)).Round(time.Second)) + " ago"
	}
	for _, l := range letters {
		t.Row(l.Name, l.Reason, strconv.FormatUint(uint64(l.Attempts), 10), ago(l.FirstAt), ago(l.LastAt), l.byItself(now))
	}
	text := t.String()
	if left := total - len(letters); left > 0 {
		text += fmt.Sprintf("and %d more; --limit shows them\n", left)
	}
	return text
}

// text is all of the letter, for people.
func (l *letter) text(now time.Time) string {
	var b strings.Builder
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-13s %s\n", name, value)
		}
	}
	number := func(n uint32) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(uint64(n), 10)
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339) + " (" + until(now, t) + ")"
	}
	fmt.Fprintf(&b, "%s\n\n", l.Name)
	row("stage", l.Stage)
	row("source", l.Source)
	row("key", l.Key)
	row("position", l.Position)
	row("reason", l.Reason)
	row("message", l.Message)
	row("field", l.Field)
	row("attempts", number(l.Attempts))
	row("failed first", at(l.FirstAt))
	row("failed last", at(l.LastAt))
	row("status", number(l.Status))
	row("last answer", l.Answer)
	if l.BodyBytes > 0 {
		row("body", fmt.Sprintf("%d bytes of %s; --body prints it", l.BodyBytes, l.ContentType))
	}
	row("profile", l.Profile)
	for i, way := range l.ways(now, at) {
		row([]string{"by itself", ""}[i], way)
	}
	row("replay", l.Replay)
	if l.Stage == deadletter.StageIngest && l.Replay != "" {
		row("", "with SOURCES and SOURCE_<NAME>_PROFILE as the ingestor has them")
	}
	row("drop", l.Drop)
	return b.String()
}

// ways are those, at most two, in which the letter is replayed without anybody's doing.
func (l *letter) ways(now time.Time, at func(time.Time) string) (ways []string) {
	soFar := countOf(int(l.Replays), "time") + " so far"
	switch {
	case l.ReplayAt.After(now):
		ways = append(ways, fmt.Sprintf("replayed at %s, since the cause may pass; %s", at(l.ReplayAt), soFar))
	case !l.ReplayAt.IsZero():
		ways = append(ways, fmt.Sprintf("due to be replayed since %s, unless a newer event of the key is on its way; %s", at(l.ReplayAt), soFar))
	}
	switch {
	case l.ByProfile && l.Profile == "":
		ways = append(ways, "replayed once a profile of "+l.Source+" finds an identifier")
	case l.ByProfile:
		ways = append(ways, "replayed once "+l.Source+" has another profile")
	case len(ways) == 0 && l.Replay != "":
		ways = append(ways, "never: mend the cause, then replay or drop it")
	}
	return ways
}

// printJSON writes a value as indented JSON.
func printJSON(cmd *cobra.Command, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("write as JSON: %w", err)
	}
	return printTo(cmd, "%s\n", text)
}

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
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
	// ReplayAt, and was Replays times before.
	Profile  string    `json:"profile,omitempty"`
	Passing  bool      `json:"passing"`
	Replays  uint32    `json:"replays,omitempty"`
	ReplayAt time.Time `json:"replay_at,omitzero"`
	Replay   string    `json:"replay"`
}

func describe(l deadletter.Letter) letter {
	v := l.Value
	stage, about, _ := strings.Cut(l.Name, ".")
	source, _, _ := strings.Cut(about, ".")
	d := letter{
		Name: l.Name, Stage: stage, Source: source, Reason: v.GetReason(), Message: v.GetMessage(), Field: v.GetField(),
		Attempts: v.GetAttempts(), Status: v.GetStatus(), Answer: v.GetAnswer(), ContentType: v.GetContentType(),
		BodyBytes: len(v.GetBody()), LastAt: l.StoredAt, Replay: "bridge dlq replay '" + l.Name + "'",
	}
	if v.GetFirstAt() != nil && v.GetLastAt() != nil {
		d.FirstAt, d.LastAt = v.GetFirstAt().AsTime(), v.GetLastAt().AsTime()
	}
	if stage != deadletter.StageIngest {
		d.Key = about
	}
	d.Profile, d.Passing, d.Replays = v.GetProfile(), v.GetPassing(), v.GetReplays()
	if v.GetReplayAt() != nil {
		d.ReplayAt = v.GetReplayAt().AsTime()
	}
	if p := position.FromProto(v.GetPosition()); !p.IsZero() {
		d.Position = p.String()
	}
	if l.Unreadable {
		d.Reason, d.Message, d.Replay = "unreadable", "this is no dead letter of enneo-bridge; somebody else has written into the stream DEAD", "bridge dlq drop '"+l.Name+"'"
	}
	return d
}

// byItself says when the letter is replayed without anybody's doing: after a pause, or once its source has another profile.
func (l *letter) byItself(now time.Time) string {
	switch {
	case !l.ReplayAt.IsZero():
		return until(now, l.ReplayAt)
	case l.Profile != "" && (l.Stage == deadletter.StageEnrich || l.Stage == deadletter.StageIngest):
		return "with a new profile"
	default:
		return "–"
	}
}

func newDLQList(env config.Environment) *cobra.Command {
	var f letterFilter
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use: "ls", Short: "List dead letters, the oldest first", Args: cobra.NoArgs,
		Example: "  bridge dlq ls --stage publish --since 24h\n  bridge dlq ls --source powercloud --reason unmappable --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter("", time.Now())
			if err != nil {
				return err
			}
			if limit < 0 {
				return fmt.Errorf("--limit: %d is negative", limit)
			}
			return withLetters(cmd, env, func(ctx context.Context, _ *bus.Bus, box *deadletter.Box) error {
				total, named := 0, []letter{}
				err := box.Each(ctx, filter, func(l deadletter.Letter) error {
					if total++; len(named) < limit {
						named = append(named, describe(l))
					}
					return nil
				})
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd, struct {
						Total   int      `json:"total"`
						Letters []letter `json:"letters"`
					}{total, named})
				}
				return printTo(cmd, "%s", letterTable(named, total, time.Now()))
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "most dead letters that are named")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func letterTable(letters []letter, total int, now time.Time) string {
	if total == 0 {
		return "no dead letters\n"
	}
	t := table.Table{Header: []string{"dead letter", "reason", "attempts", "failed first", "last", "replayed by itself"}}
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
		text += fmt.Sprintf("and %d more\n", left)
	}
	return text
}

func newDLQShow(env config.Environment) *cobra.Command {
	var asJSON, body bool
	cmd := &cobra.Command{
		Use: "show <name or key>", Short: "Show dead letters whole", Args: cobra.ExactArgs(1),
		Example: "  bridge dlq show powercloud.contract.VN-100001\n  bridge dlq show ingest.powercloud.body.3f0c… --body",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLetters(cmd, env, func(ctx context.Context, _ *bus.Bus, box *deadletter.Box) error {
				letters, err := chosen(ctx, box, deadletter.Filter{Name: args[0]})
				if err != nil {
					return err
				}
				described := make([]letter, len(letters))
				for i, l := range letters {
					described[i] = describe(l)
				}
				switch {
				case body:
					// As it was received: what a person wants to put into "bridge profile test".
					for _, l := range letters {
						if err := printTo(cmd, "%s", l.Value.GetBody()); err != nil {
							return err
						}
					}
					return nil
				case asJSON:
					return printJSON(cmd, described)
				}
				for i, d := range described {
					if i > 0 {
						if err := printTo(cmd, "\n"); err != nil {
							return err
						}
					}
					if err := printTo(cmd, "%s", d.text()); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&body, "body", false, "print only the body of an unrecognised webhook, which may hold personal data")
	cmd.MarkFlagsMutuallyExclusive("json", "body")
	return cmd
}

// text is the letter for people.
func (l *letter) text() string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-13s %s\n", name, value)
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
		return t.UTC().Format(time.RFC3339)
	}
	line("dead letter", l.Name)
	line("stage", l.Stage)
	line("source", l.Source)
	line("key", l.Key)
	line("position", l.Position)
	line("reason", l.Reason)
	line("message", l.Message)
	line("field", l.Field)
	line("attempts", number(l.Attempts))
	line("failed first", at(l.FirstAt))
	line("failed last", at(l.LastAt))
	line("status", number(l.Status))
	line("last answer", l.Answer)
	if l.BodyBytes > 0 {
		line("body", fmt.Sprintf("%d bytes of %s; --body prints it", l.BodyBytes, l.ContentType))
	}
	line("profile", l.Profile)
	switch {
	case !l.ReplayAt.IsZero():
		line("by itself", fmt.Sprintf("the cause may pass, so it is replayed at %s; that has happened %d times", at(l.ReplayAt), l.Replays))
	case l.byItself(time.Time{}) != "–":
		line("by itself", "replayed once the source has another profile")
	}
	line("replay", l.Replay)
	return b.String()
}

// printJSON writes a value as indented JSON.
func printJSON(cmd *cobra.Command, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("write as JSON: %w", err)
	}
	return printTo(cmd, "%s\n", text)
}

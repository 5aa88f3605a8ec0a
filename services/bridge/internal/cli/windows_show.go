package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/windows"
)

func newWindowsShow(env config.Environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show " + keyForm, Short: "Show all of one window", Args: cobra.ExactArgs(1),
		Long: `Shows everything that the window of a key holds, as one snapshot by the clock of Redis. The exit code is 1 if the key has no
window.

` + windowsFootnote,
		Example: `  bridge windows show powercloud.contract.VN-100001
  bridge windows show powercloud.contract.VN-100001 --json`,
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, args []string) error {
		k, err := parseKey(args[0])
		if err != nil {
			return err
		}
		w, closeRedis, err := openWindows(cmd.Context(), env)
		if err != nil {
			return err
		}
		defer closeRedis()
		found, err := w.Look(cmd.Context(), k)
		switch {
		case err != nil:
			return err
		case found == nil && asJSON:
			err = printTo(cmd, "null\n")
		case found == nil:
			err = printTo(cmd, "%s has no window: its events are flushed, or none has come.\n"+
				"Look whether any is open: bridge audit\n", k)
		case asJSON:
			var text []byte
			if text, err = json.MarshalIndent(newWindowJSON(found), "", "  "); err == nil {
				err = printTo(cmd, "%s\n", text)
			}
		default:
			err = printTo(cmd, "%s", windowText(found))
		}
		if err == nil && found == nil {
			return errFinding
		}
		return err
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// windowText is all of a window, for people.
func windowText(w *windows.Window) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-14s %s\n", name, fmt.Sprintf(format, args...))
	}
	when := func(t time.Time) string {
		return t.UTC().Format("2006-01-02 15:04:05.000") + " (" + until(w.Now, t) + ")"
	}
	fmt.Fprintf(&b, "%s\n\n", w.Key)
	row("state", "%s", stateText(w))
	row("holds up to", "%s (epoch:sequence of the event log)", w.Position)
	row("events", "%d", w.Collapsed())
	if !w.Oldest().IsZero() {
		row("oldest event", "%s", when(w.Oldest()))
	}
	traces := w.Open.TraceParents
	if w.Claim != nil {
		row("claimed", "%d events up to %s, due %s", w.Claim.Count, w.Claim.Position, when(w.Claim.Due))
		if w.Claim.Until.After(w.Now) {
			row("lease ends", "%s", when(w.Claim.Until))
		} else {
			row("lease ended", "%s", when(w.Claim.Until))
		}
		if len(w.Claim.TraceParents) > 0 {
			traces = w.Claim.TraceParents
		}
	}
	if !w.Open.First.IsZero() {
		if w.Claim == nil {
			row("due", "%s", when(w.Open.Due))
		} else {
			row("newer events", "%d since %s, due %s", w.Open.Count, when(w.Open.First), when(w.Open.Due))
		}
	}
	if w.PausedUntil.After(w.Now) {
		row("paused until", "%s, after a failed flush", when(w.PausedUntil))
	}
	if w.CoolsUntil.After(w.Now) {
		row("cools until", "%s, after an urgent event", when(w.CoolsUntil))
	}
	if w.Urgent {
		row("urgent", "no further event puts it off")
	}
	if len(traces) > 0 {
		// The flush goes on in the trace of the first event, and links to the others.
		row("trace", "%s", strings.Split(traces[0], "-")[1])
	}
	if w.Unscheduled {
		row("schedule", "missing: no debouncer sees it; \"bridge windows flush %s\" puts it back", w.Key)
	}
	row("Redis' clock", "%s UTC", w.Now.UTC().Format("2006-01-02 15:04:05.000"))
	return b.String()
}

// stateText is the state in words.
func stateText(w *windows.Window) string {
	switch w.State() {
	case windows.StateOpen:
		return "open, due " + until(w.Now, w.Claimable())
	case windows.StateDue:
		since := "due for " + rough(w.Now.Sub(w.Claimable()))
		if w.Claim != nil {
			return since + ", because the debouncer that claimed it is lost"
		}
		return since
	case windows.StateClaimed:
		return "claimed: a debouncer is flushing it"
	case windows.StatePaused:
		return "paused after a failed flush, due again " + until(w.Now, w.Claimable())
	case windows.StateCooling:
		return "cooling down, without events"
	}
	return string(w.State())
}

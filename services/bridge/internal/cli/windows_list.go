package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/windows"
)

// overdueAfter is how long a window may be due before it counts as overdue; debouncers that run take milliseconds.
const overdueAfter = time.Second

// listOptions are the flags of the list.
type listOptions struct {
	source, kind           string
	overdue, claimed, json bool
	limit                  int
}

func newWindowsList(env config.Environment) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use: "ls", Short: "List windows, the soonest due first", Args: cobra.NoArgs,
		Long: `Lists windows, and sums up all that the filters let through. It reads every window in small steps, so that the debouncers
are not held up. "due in" is when a window can be claimed next: its due, or the end of its lease, pause or cool-down. Times
are by the clock of Redis. Overdue is what could have been claimed for more than a second: no debouncer runs, or none
keeps up.

` + windowsFootnote,
		Example: `  bridge windows ls
  bridge windows ls --source powercloud --overdue
  bridge windows ls --limit 0 --json > windows.json   # all of them, in no order`,
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, _ []string) error {
		if err := o.validate(); err != nil {
			return err
		}
		w, closeRedis, err := openWindows(cmd.Context(), env)
		if err != nil {
			return err
		}
		defer closeRedis()
		return list(cmd.Context(), w, &o, cmd.OutOrStdout())
	})
	flags := cmd.Flags()
	flags.StringVar(&o.source, "source", "", "only windows of this source")
	flags.StringVar(&o.kind, "kind", "", "only windows of this kind: contract or customer")
	flags.BoolVar(&o.overdue, "overdue", false, "only windows that have been due for more than a second")
	flags.BoolVar(&o.claimed, "claimed", false, "only windows that a debouncer has claimed")
	flags.IntVar(&o.limit, "limit", 20, "most windows that are shown; 0 shows all, in no order")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func (o *listOptions) validate() error {
	if o.limit < 0 {
		return fmt.Errorf("--limit %d is negative", o.limit)
	}
	if o.kind != "" && o.kind != string(key.Contract) && o.kind != string(key.Customer) {
		return fmt.Errorf("--kind %q: %w", o.kind, key.ErrKind)
	}
	return validSource(o.source)
}

func (o *listOptions) wants(w *windows.Window) bool {
	return (o.source == "" || w.Key.Source == o.source) && (o.kind == "" || string(w.Key.Kind) == o.kind) &&
		(!o.overdue || isOverdue(w)) && (!o.claimed || w.Claim != nil)
}

func isOverdue(w *windows.Window) bool {
	return w.State() == windows.StateDue && w.Now.Sub(w.Claimable()) > overdueAfter
}

// list writes the windows and their sum. Of any number of windows it holds no more than the limit, or a page.
func list(ctx context.Context, w *windows.Windows, o *listOptions, out io.Writer) error {
	var p printer = &tablePrinter{out: out}
	if o.json {
		p = &jsonPrinter{out: out}
	}
	s := listSummary{filtered: o.source != "" || o.kind != "" || o.overdue || o.claimed}
	first := soonest{limit: o.limit}
	scanned, err := w.Each(ctx, func(one *windows.Window) error {
		s.all++
		if !o.wants(one) {
			return nil
		}
		s.add(one)
		if o.limit > 0 {
			first.offer(one)
			return nil
		}
		return p.window(one)
	})
	if err != nil {
		return err
	}
	if o.limit > 0 {
		first.trim()
		s.left = max(0, s.count-len(first.windows))
	}
	for i := range first.windows {
		if err := p.window(&first.windows[i]); err != nil {
			return err
		}
	}
	s.unreadable, s.filling, s.shards = scanned.Unreadable, scanned.Emptied, w.Shards()
	return p.summary(&s)
}

// listSummary is the sum of the windows that the filters let through.
type listSummary struct {
	all, count, left int
	byState          map[windows.State]int
	overdue          int
	oldest           time.Duration // age of the oldest event, by the clock of Redis
	filtered         bool
	unreadable       int
	filling, shards  int
}

func (s *listSummary) add(w *windows.Window) {
	if s.byState == nil {
		s.byState = map[windows.State]int{}
	}
	s.count++
	s.byState[w.State()]++
	if isOverdue(w) {
		s.overdue++
	}
	s.oldest = max(s.oldest, age(w))
}

// age is that of the window's oldest event, 0 without one.
func age(w *windows.Window) time.Duration {
	if w.Oldest().IsZero() {
		return 0
	}
	return w.Now.Sub(w.Oldest())
}

// soonest keeps the windows that can be claimed first.
type soonest struct {
	limit   int
	windows []windows.Window
	// full: what comes behind last need not be looked at.
	full bool
	last windows.Window
}

// compareDue orders by when a window can be claimed, and by key.
func compareDue(a, b windows.Window) int {
	return cmp.Or(a.Claimable().Compare(b.Claimable()), cmp.Compare(a.Key.String(), b.Key.String()))
}

// offer takes a window in if it may be among the first.
func (s *soonest) offer(w *windows.Window) {
	if s.full && compareDue(*w, s.last) > 0 {
		return
	}
	s.windows = append(s.windows, *w)
	if len(s.windows) >= 2*s.limit {
		s.trim()
	}
}

// trim sorts what was offered and lets go of what is not among the first. A window that the scan has met twice counts once,
// as it was met last.
func (s *soonest) trim() {
	newest := make(map[key.Key]windows.Window, len(s.windows))
	for _, w := range s.windows {
		newest[w.Key] = w
	}
	s.windows = slices.SortedFunc(maps.Values(newest), compareDue)
	if len(s.windows) >= s.limit {
		s.windows = s.windows[:s.limit]
		s.full, s.last = true, s.windows[s.limit-1]
	}
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/terminal"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/windows"
)

func newWindowsFlush(env config.Environment) *cobra.Command {
	var source string
	var yes bool
	cmd := &cobra.Command{
		Use: "flush {" + keyForm + " ... | --source NAME}", Short: "Make windows due now", Args: cobra.ArbitraryArgs,
		Long: `Makes windows due now, so that a debouncer flushes them at once; a pause after a failed flush ends. What a debouncer has
claimed it finishes first; events that came after the claim are due as soon as it has. Each flush costs one read of the
ERP, so flushing a whole source asks first. The exit code is 1 if a key has no window with events.

` + windowsFootnote,
		Example: `  bridge windows flush powercloud.contract.VN-100001 powercloud.customer.K-7
  bridge windows flush --source powercloud --yes`,
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, args []string) error {
		keys, err := parseKeys(args)
		if err != nil {
			return err
		}
		if (len(keys) == 0) == (source == "") {
			return errors.New("name either keys of the form " + keyForm + " or a --source")
		}
		if err := validSource(source); err != nil {
			return err
		}
		w, closeRedis, err := openWindows(cmd.Context(), env)
		if err != nil {
			return err
		}
		defer closeRedis()
		if source != "" {
			return flushSource(cmd, w, source, yes)
		}
		return flushKeys(cmd, w, keys)
	})
	cmd.Flags().StringVar(&source, "source", "", "every window of this source")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before a whole source is flushed")
	return cmd
}

func flushKeys(cmd *cobra.Command, w *windows.Windows, keys []key.Key) error {
	missed := false
	for part := range slices.Chunk(keys, windows.Batch) {
		answers, err := w.Flush(cmd.Context(), part)
		for i, answer := range answers {
			mark, text := flushedText(answer)
			if text == "" {
				continue // in the error
			}
			missed = missed || mark == "✗"
			if err := printTo(cmd, "%s %s: %s\n", mark, part[i], text); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	if missed {
		return errFinding
	}
	return nil
}

// flushedText says how a flush of one key ended; empty for one whose call failed.
func flushedText(answer windows.Flushed) (mark, text string) {
	switch answer {
	case windows.NoWindow:
		return "✗", "has no window; look whether an event of it is open: bridge audit"
	case windows.DueNow:
		return "✓", "is due now"
	case windows.DueNext:
		return "✓", "is being flushed; what came since is due as soon as that has ended"
	case windows.UnderWay:
		return "✓", "is being flushed already, and holds nothing newer"
	case windows.NoEvents:
		return "✗", "holds no events, it only cools down"
	}
	return "", ""
}

// flushSource flushes every window of a source, a batch at a time.
func flushSource(cmd *cobra.Command, w *windows.Windows, source string, yes bool) error {
	ctx := cmd.Context()
	if !yes {
		n := 0
		err := eachOf(ctx, w, source, func(key.Key) error { n++; return nil })
		if err != nil {
			return err
		}
		if n == 0 {
			return printTo(cmd, "%s has no windows with events\n", source)
		}
		if err := confirm(cmd, fmt.Sprintf("Flush %d windows of %s now? That is as many reads of the ERP.", n, source)); err != nil {
			return err
		}
	}
	var due, next, underWay int
	batch := make([]key.Key, 0, windows.Batch)
	send := func() error {
		answers, err := w.Flush(ctx, batch)
		for _, answer := range answers {
			switch answer {
			case windows.DueNow:
				due++
			case windows.DueNext:
				next++
			case windows.UnderWay:
				underWay++
			default: // Flushed or dropped since it was listed, or in the error.
			}
		}
		batch = batch[:0]
		return err
	}
	err := eachOf(ctx, w, source, func(k key.Key) error {
		if batch = append(batch, k); len(batch) < windows.Batch {
			return nil
		}
		return send()
	})
	if err == nil {
		err = send()
	}
	if err != nil {
		return fmt.Errorf("after %d windows were made due: %w", due+next, err)
	}
	return printTo(cmd, "✓ %s: %d windows due now, %d after their claim, %d being flushed already\n", source, due, next, underWay)
}

// eachOf visits every window of a source that has events.
func eachOf(ctx context.Context, w *windows.Windows, source string, visit func(key.Key) error) error {
	_, err := w.Each(ctx, func(one *windows.Window) error {
		if one.Key.Source != source || one.State() == windows.StateCooling {
			return nil
		}
		return visit(one.Key)
	})
	return err
}

// confirm asks the person at the terminal.
func confirm(cmd *cobra.Command, question string) error {
	sure, err := terminal.Ask(cmd.InOrStdin(), cmd.ErrOrStderr(), question)
	switch {
	case errors.Is(err, terminal.ErrNobody):
		return fmt.Errorf("%w; nothing was changed. Say --yes if you are sure", err)
	case err != nil:
		return err
	case !sure:
		return errors.New("not confirmed; nothing was changed")
	}
	return nil
}

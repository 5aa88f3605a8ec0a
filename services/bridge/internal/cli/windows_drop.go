package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/eventlog"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/ledger"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/windows"
)

// maxReason is the longest reason in characters.
const maxReason = 200

func newWindowsDrop(env config.Environment) *cobra.Command {
	var reason string
	var yes bool
	cmd := &cobra.Command{
		Use: "drop " + keyForm, Short: "Decide that the open events of a key need not be delivered", Args: cobra.ExactArgs(1),
		Long: `Settles the open events of a key, up to what its window holds, as dropped by an operator for the reason given, and removes
the window. They are not delivered to Enneo; "bridge audit" counts them as dropped. An event that comes meanwhile stays
open. A window that a debouncer has claimed is left alone. It asks first, unless --yes is said. The exit code is 1 if
nothing was dropped. The reason is kept with the key: no personal data, please.

` + windowsFootnote + ` NATS is found by NATS_URL and so on.`,
		Example: `  bridge windows drop powercloud.contract.VN-100001 --reason "test contract"
  bridge windows drop powercloud.contract.VN-100001 --reason "test contract" --yes`,
	}
	timeoutFlag(cmd, func(cmd *cobra.Command, args []string) error {
		k, err := parseKey(args[0])
		if err != nil {
			return err
		}
		reason = strings.TrimSpace(reason)
		if err := validReason("--reason", reason); err != nil {
			return err
		}
		w, closeRedis, err := openWindows(cmd.Context(), env)
		if err != nil {
			return err
		}
		defer closeRedis()
		books, closeBooks, err := openBooks(cmd, env)
		if err != nil {
			return err
		}
		defer closeBooks()
		if !yes {
			if err := confirmDrop(cmd, w, k); err != nil {
				return err
			}
		}
		dropped, found, err := w.Drop(cmd.Context(), books, k, reason)
		if err != nil {
			return err
		}
		done, text := droppedText(dropped, found)
		mark, finding := "✓", error(nil)
		if !done {
			mark, finding = "✗", errFinding
		}
		if err := printTo(cmd, "%s %s: %s\n", mark, k, text); err != nil {
			return err
		}
		return finding
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who ask later (required)")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// validReason checks what an operator gives as a reason with a flag.
func validReason(flag, reason string) error {
	switch {
	case reason == "":
		return fmt.Errorf("%s is missing: say why, for those who ask later; no personal data, please", flag)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return fmt.Errorf("%s has characters that cannot be printed; leave them out", flag)
	case utf8.RuneCountInString(reason) > maxReason:
		return fmt.Errorf("%s is longer than %d characters; shorten it", flag, maxReason)
	}
	return nil
}

// openBooks connects to the event log and the ledger. It creates no stream or bucket.
func openBooks(cmd *cobra.Command, env config.Environment) (windows.Books, func(), error) {
	ctx := cmd.Context()
	b, err := connect(ctx, cmd, env, "windows")
	if err != nil {
		return windows.Books{}, nil, err
	}
	books, err := booksOf(ctx, b, warnings(cmd))
	if err != nil {
		b.Close()
		return windows.Books{}, nil, err
	}
	return books, b.Close, nil
}

func booksOf(ctx context.Context, b *bus.Bus, logger *slog.Logger) (books windows.Books, err error) {
	if books.Log, err = eventlog.Open(ctx, b, logger); err != nil {
		return books, err
	}
	books.Ledger, err = ledger.Open(ctx, b)
	return books, err
}

// confirmDrop shows what would be dropped and asks. What cannot be dropped needs no answer: Drop says so.
func confirmDrop(cmd *cobra.Command, w *windows.Windows, k key.Key) error {
	found, err := w.Look(cmd.Context(), k)
	if err != nil {
		return err
	}
	if found == nil || found.State() == windows.StateClaimed || found.State() == windows.StateCooling {
		return nil
	}
	return confirm(cmd, fmt.Sprintf("%s holds events up to %s (%d), the oldest came %s. Settle them as dropped, so that they are not delivered to Enneo?",
		k, found.Position, found.Collapsed(), until(found.Now, found.Oldest())))
}

// droppedText says how a drop ended, and whether the events are settled.
func droppedText(dropped windows.Dropped, found *windows.Window) (done bool, text string) {
	switch dropped {
	case windows.DropNoWindow:
		return false, "has no window with events; look whether one is open: bridge audit"
	case windows.DropClaimed:
		return false, fmt.Sprintf("a debouncer is flushing it, so nothing was changed; if it is still there, try again %s, when its lease ends",
			until(found.Now, found.Claimable()))
	case windows.DropDone:
		return true, fmt.Sprintf("settled as dropped up to %s, and the window is gone", found.Position)
	case windows.DropNewer:
		return true, fmt.Sprintf("settled as dropped up to %s; a newer event came meanwhile and stays open in the window", found.Position)
	case windows.DropOvertaken:
		return true, fmt.Sprintf("settled as dropped up to %s; a debouncer has claimed the window meanwhile, and what it sends is dropped behind it", found.Position)
	case windows.DropFailed:
	}
	return false, "not known how it ended"
}

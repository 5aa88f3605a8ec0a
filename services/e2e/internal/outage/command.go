package outage

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/simclient"
	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// Command runs the outages that the arguments ask for, one after the other, and prints what each has cost.
func Command(ctx context.Context, arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("outage", flag.ContinueOnError)
	duration := flags.Duration("duration", 10*time.Minute, "how long each system is away")
	contracts := flags.Int("contracts", 1000, "how many contracts change")
	perSecond := flags.Float64("rate", 50, "changes per second, over all contracts")
	systems := flags.String("systems", simclient.Powercloud+","+simclient.Enneo, "what goes away, one after the other")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return fmt.Errorf("arguments: %w", err)
	}
	if *duration <= 0 || *contracts <= 0 || !(*perSecond > 0) {
		return errors.New("-duration, -contracts and -rate must be positive")
	}
	dir, err := os.MkdirTemp("", "enneo-bridge-outage-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	built, err := rig.Build(ctx, filepath.Join(dir, "bin"), "")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(*systems, ",") {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(at, 0o750); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
		report, err := Run(ctx, &Options{Dir: at, Binaries: built, System: name, Contracts: *contracts, Duration: *duration, Rate: *perSecond})
		if err == nil {
			err = errors.Join(report.Print(out), report.Check())
		}
		if err != nil {
			return fmt.Errorf("%s away: %w (logs: %s)", name, err, at)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the directory: %w", err)
	}
	return nil
}

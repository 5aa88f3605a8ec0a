package outage

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// ErrWrong says that a run has found something wrong; the report has been printed. Test with errors.Is.
var ErrWrong = errors.New("the run has found something wrong")

// Command builds everything, runs once as the arguments say, and prints the table.
func Command(ctx context.Context, arguments []string, out io.Writer) error {
	o := Options{Out: out}
	flags := flag.NewFlagSet("outage", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.DurationVar(&o.Dead, "duration", 10*time.Minute, "how long the ERP is dead, and then Enneo")
	flags.DurationVar(&o.Before, "before", time.Minute, "how long everything runs undisturbed before each outage")
	flags.IntVar(&o.Contracts, "contracts", 1000, "number of contracts")
	flags.DurationVar(&o.Every, "every", 5*time.Second, "how often each contract changes")
	flags.DurationVar(&o.Quiet, "quiet", 2*time.Second, "quiet period of the windows")
	flags.DurationVar(&o.MaxWait, "max-wait", 20*time.Second, "max wait of the windows")
	flags.StringVar(&o.Dir, "dir", "", "folder for logs and stores; a new one in the temporary folder by default")
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	var err error
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "enneo-bridge-outage-"); err != nil {
			return fmt.Errorf("make a directory for the run: %w", err)
		}
	}
	if o.Binaries, err = rig.Build(ctx, filepath.Join(o.Dir, "bin"), ""); err != nil {
		return err
	}
	report, err := Run(ctx, &o)
	if err != nil {
		return fmt.Errorf("run in %s: %w", o.Dir, err)
	}
	if err := report.Print(out); err != nil {
		return err
	}
	if len(report.Wrong()) > 0 {
		return ErrWrong
	}
	return nil
}

package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/rig"
)

// ErrWrong says that a run has found something wrong; the report has been printed.
var ErrWrong = errors.New("the run has found something wrong")

// Command builds everything, runs once as the arguments say, and prints the report.
func Command(ctx context.Context, arguments []string, out io.Writer) error {
	o := &Options{Out: out}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Uint64Var(&o.Seed, "seed", 0, "seed of plan, faults and traffic; 0 draws one")
	flags.DurationVar(&o.Duration, "duration", 4*time.Minute, "how long there is load; from 2m on the log is set back and the old version runs for a while")
	flags.IntVar(&o.Contracts, "contracts", DefaultContracts, "number of contracts")
	flags.StringVar(&o.Dir, "dir", "", "folder for logs and stores; a new one in the temporary folder by default")
	old := flags.String("old", "", "commit of the version that runs beside the new one for a while; none by default")
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	if o.Seed == 0 {
		o.Seed = 1 + rand.Uint64N(1_000_000) //nolint:gosec // not for secrets
	}
	var err error
	if o.Dir == "" {
		if o.Dir, err = tempDir(); err != nil {
			return err
		}
	}
	if err := o.build(ctx, *old); err != nil {
		return err
	}
	report, err := Run(ctx, o)
	if err != nil {
		return fmt.Errorf("run %s: %w", o.Dir, err)
	}
	if err := report.Print(out); err != nil {
		return err
	}
	if len(report.Wrong()) > 0 {
		return ErrWrong
	}
	return nil
}

// build builds the binaries under test and the old ones, if the clone has them.
func (o *Options) build(ctx context.Context, old string) (err error) {
	if o.Current, err = rig.Build(ctx, filepath.Join(o.Dir, "bin"), ""); err != nil {
		return err
	}
	if old == "" {
		o.OldMissing = "none was asked for"
		return nil
	}
	binaries, err := rig.BuildOld(ctx, filepath.Join(o.Dir, "old"), old)
	if err != nil {
		o.OldMissing = err.Error()
		if _, err := fmt.Fprintf(o.Out, "THE OLD VERSION %s CANNOT BE BUILT, going on without: %v\n", old, err); err != nil {
			return fmt.Errorf("say so: %w", err)
		}
		return nil
	}
	o.Old = &binaries
	return nil
}

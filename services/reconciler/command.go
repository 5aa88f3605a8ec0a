package reconciler

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/app"
)

// Command is Run with the options that the arguments of a command line name. Help and mistakes in them go to stderr.
func Command(args []string, stderr io.Writer) app.RunFunc {
	return func(ctx context.Context, env *app.Env) error {
		o, err := parse(args, stderr)
		switch {
		case errors.Is(err, flag.ErrHelp):
			return nil
		case err != nil:
			return failure(err)
		}
		return With(o)(ctx, env)
	}
}

func parse(args []string, stderr io.Writer) (Options, error) {
	var (
		o              Options
		sources, since string
	)
	flags := flag.NewFlagSet("reconciler", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&sources, "source", "", "only these sources, comma-separated")
	flags.StringVar(&since, "since", "", "list changes since this time (2026-11-24T10:00:00Z) or that long ago (48h) instead of the last run")
	flags.BoolVar(&o.Full, "full", false, "compare everything")
	flags.BoolVar(&o.DryRun, "dry-run", false, "change nothing, only count; bridge reconcile --dry-run shows what differs, which has no place in a log")
	flags.BoolVar(&o.AllowGone, "allow-gone", false, "tell everything gone that is missing, however much it is")
	flags.BoolVar(&o.Once, "once", false, "reconcile once in spite of RECONCILE_SCHEDULE")
	if err := flags.Parse(args); err != nil {
		return Options{}, fmt.Errorf("flags: %w", err)
	}
	if flags.NArg() > 0 {
		return Options{}, errors.New("flags: no arguments")
	}
	o.Sources = strings.FieldsFunc(sources, func(c rune) bool { return c == ',' || c == ' ' })
	var err error
	o.Since, err = ParseSince(since, time.Now())
	return o, err
}

// ParseSince reads a time (RFC 3339) or a duration before now; an empty text is the zero time.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	since, err := time.Parse(time.RFC3339, text)
	if err != nil || since.After(now) {
		return time.Time{}, fmt.Errorf("since: %q is no time in the past such as 2026-11-24T10:00:00Z, and no duration such as 48h", text)
	}
	return since, nil
}

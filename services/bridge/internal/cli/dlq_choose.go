package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/deadletter"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// timeFlag is a flag that names a time: absolute, or how long ago.
type timeFlag struct{ at time.Time }

var errTimeFlag = errors.New("write how long ago (90m, 24h), a day (2026-11-24, UTC) or a time (2026-11-24T09:30:00+01:00)")

// Set reads the flag.
func (f *timeFlag) Set(text string) error {
	if ago, err := time.ParseDuration(text); err == nil {
		if ago < 0 {
			return fmt.Errorf("it lies in the future; %w", errTimeFlag)
		}
		f.at = time.Now().Add(-ago)
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			f.at = at
			return nil
		}
	}
	return errTimeFlag
}

// String is empty for a flag that was not given.
func (f *timeFlag) String() string {
	if f.at.IsZero() {
		return ""
	}
	return f.at.UTC().Format(time.RFC3339)
}

// Type is what the help calls the value.
func (f *timeFlag) Type() string { return "time" }

// letterFilter are the flags that choose dead letters; what they say holds together.
type letterFilter struct {
	stage, source, reason string
	since, until          timeFlag
}

func (f *letterFilter) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.stage, "stage", "", "only of this stage: ingest, enrich or publish")
	flags.StringVar(&f.source, "source", "", "only of this source")
	flags.StringVar(&f.reason, "reason", "", "only with this reason, a word as bridge dlq ls shows it")
	flags.Var(&f.since, "since", "only those that failed last at this time or later: 24h (ago), 2026-11-24 or 2026-11-24T09:30:00Z")
	flags.Var(&f.until, "until", "only those that failed last before this time, in the same forms")
}

// filter checks the flags; name is the letter or key of the argument, if there is one.
func (f *letterFilter) filter(name string) (deadletter.Filter, error) {
	stages := []string{deadletter.StageIngest, deadletter.StageEnrich, deadletter.StagePublish}
	if f.stage != "" && !slices.Contains(stages, f.stage) {
		return deadletter.Filter{}, fmt.Errorf("--stage %q is none; use %s", f.stage, strings.Join(stages, ", "))
	}
	if err := validSource(f.source); err != nil {
		return deadletter.Filter{}, err
	}
	if !f.since.at.IsZero() && !f.until.at.IsZero() && !f.since.at.Before(f.until.at) {
		return deadletter.Filter{}, fmt.Errorf("--since %s is not before --until %s, so nothing can match; exchange them, or leave one out", &f.since, &f.until)
	}
	return deadletter.Filter{Stage: f.stage, Source: f.source, Reason: f.reason, Name: name, Since: f.since.at, Before: f.until.at}, nil
}

// isSet tells whether anything restricts the choice.
func (f *letterFilter) isSet() bool { return *f != letterFilter{} }

// nothing says that no letter was found.
func (f *letterFilter) nothing() string {
	if f.isSet() {
		return "no dead letter matches; without flags bridge dlq ls lists all\n"
	}
	return "no dead letters\n"
}

// letterChoice are the flags of a command that changes something.
type letterChoice struct {
	letterFilter

	all, yes bool
}

func (c *letterChoice) flags(cmd *cobra.Command) {
	c.letterFilter.flags(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "every dead letter")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask; without it, and without a name, it asks on a terminal and refuses elsewhere")
}

// filter checks the flags as letterFilter does, and that they choose something, and one thing.
func (c *letterChoice) filter(args []string) (deadletter.Filter, error) {
	name := argument(args)
	switch {
	case !c.all && name == "" && !c.isSet():
		return deadletter.Filter{}, errors.New("which dead letters? Name a letter or a key, choose by --stage, --source, --reason, --since and --until, or say --all")
	case c.all && (name != "" || c.isSet()):
		return deadletter.Filter{}, errors.New("--all means every dead letter; leave it out, or leave out the name and the flags that choose")
	}
	return c.letterFilter.filter(name)
}

// confirm asks whether as many letters are meant, unless one was named or --yes was said. What stands in the question is said
// where nobody can be asked as well.
func (c *letterChoice) confirm(cmd *cobra.Command, letters []deadletter.Letter, verb, consequence string) error {
	if c.yes || !c.all && !c.isSet() {
		return nil
	}
	many := fmt.Sprintf("%s (%s)", countOf(len(letters), "dead letter"), countByStage(letters))
	if err := confirm(cmd, fmt.Sprintf("%s %s? %s", verb, many, consequence)); err != nil {
		return fmt.Errorf("%s: %w", many, err)
	}
	return nil
}

// countByStage is for example "2 enrich, 1 publish".
func countByStage(letters []deadletter.Letter) string {
	counts := map[string]int{}
	var stages []string
	for _, l := range letters {
		stage, _, _ := strings.Cut(l.Name, ".")
		if counts[stage]++; counts[stage] == 1 {
			stages = append(stages, stage)
		}
	}
	slices.Sort(stages)
	for i, stage := range stages {
		stages[i] = fmt.Sprintf("%d %s", counts[stage], stage)
	}
	return strings.Join(stages, ", ")
}

// countOf is a number with a noun whose plural ends with s.
func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// chosen collects the letters that match, and fails if a name was given and there is none.
func chosen(ctx context.Context, box *deadletter.Box, filter deadletter.Filter) ([]deadletter.Letter, error) {
	var letters []deadletter.Letter
	err := box.Each(ctx, filter, func(l deadletter.Letter) error {
		letters = append(letters, l)
		return nil
	})
	if err == nil && len(letters) == 0 && filter.Name != "" {
		err = missing(filter.Name)
	}
	return letters, err
}

// missing says that there is no letter of a name, and what may have been meant.
func missing(name string) error {
	about, prefix := name, ""
	if stage, rest, ok := strings.Cut(name, "."); ok && strings.Count(rest, ".") >= 2 {
		about, prefix = rest, stage+"."
	}
	for _, text := range []string{name, about} {
		parts := strings.SplitN(text, ".", 3)
		if _, err := key.Parse(text); err == nil || len(parts) < 3 {
			continue // It is written as it has to be, or like nothing.
		}
		if meant := likely(parts[0], parts[1], parts[2]); meant != "" && meant != text {
			if text == name {
				prefix = ""
			}
			return fmt.Errorf("no dead letter %s that matches; did you mean %s%s? See bridge dlq ls", name, prefix, meant)
		}
	}
	return fmt.Errorf("no dead letter %s that matches; see bridge dlq ls", name)
}

// oneName lets at most one name stand behind a command, and at least the given number.
func oneName(least int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return fmt.Errorf("%d names are given, but only one can be; choose several with --stage, --source, --reason, --since and --until", len(args))
		case len(args) < least:
			return errors.New("which dead letter? Name a letter or a key; bridge dlq ls lists them")
		default:
			return nil
		}
	}
}

// argument is the only argument of a command, "" without one.
func argument(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

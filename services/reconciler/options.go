package reconciler

import (
	"errors"
	"fmt"
	"time"

	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// Options are what is asked of one run.
type Options struct {
	// Sources narrows to these; all if empty.
	Sources []string
	// Full compares everything, where the ERP can list it.
	Full bool
	// Since replaces the stored cursor, unless it is zero.
	Since time.Time
	// DryRun changes nothing and only tells what differs.
	DryRun bool
	// AllowGone tells everything gone that is missing, however much it is.
	AllowGone bool
	// Once reconciles at once even if there is a schedule.
	Once bool
	// Report hears of the progress of each source now and then, and once more when it has ended; nil for nobody. It must be safe
	// for concurrent use.
	Report func(Progress)
	// Differ hears of each key that differs; nil for nobody. It must be safe for concurrent use.
	Differ func(Difference)
}

// once tells whether the options ask for a run now.
func (o *Options) once() bool {
	return o.Once || o.DryRun || o.Full || o.AllowGone || len(o.Sources) > 0 || !o.Since.IsZero()
}

// check refuses options that contradict each other.
func (o *Options) check() error {
	if o.Full && !o.Since.IsZero() {
		return errors.New("--full compares everything and --since a part: give one of them")
	}
	return nil
}

// Errors of a run; test with errors.Is.
var (
	ErrBusy        = errors.New("another process reconciles this source")
	ErrTooManyGone = errors.New("too much would be deleted; look at it with --dry-run, then repeat with --allow-gone")
	ErrFailures    = errors.New("some contracts or customers could not be compared; each has an event or a line in the log")
)

// The exit codes.
const (
	exitFailures    = 1
	exitFailure     = 2
	exitBusy        = 3
	exitTooManyGone = 4
)

// exit is an error with an exit code.
type exit struct {
	error
	code int
}

// ExitCode is the code that a process ends with.
func (e *exit) ExitCode() int { return e.code }

// Unwrap returns the cause.
func (e *exit) Unwrap() error { return e.error }

func failure(err error) error { return &exit{error: err, code: exitFailure} }

// verdict is the end of a run of several sources: the worst of them counts.
func verdict(errs []error) error {
	code := 0
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, ErrBusy):
			code = max(code, exitBusy)
		case errors.Is(err, ErrTooManyGone):
			code = max(code, exitTooManyGone)
		case errors.Is(err, ErrFailures):
			code = max(code, exitFailures)
		default:
			return failure(errors.Join(errs...))
		}
	}
	if code == 0 {
		return nil
	}
	return &exit{error: errors.Join(errs...), code: code}
}

// Mode is how a source is reconciled.
type Mode string

// The modes.
const (
	Changed Mode = "changed"
	Full    Mode = "full"
	Reread  Mode = "reread"
)

// Tally counts what a run has found. Seen = New + Changed + Unchanged + Live + Failed, and what a listing calls removed.
type Tally struct {
	// Seen were listed or, without a listing, chosen to be read again.
	Seen int
	// New are not known yet, Changed differ from what is known (or may, if the listing does not show it), Unchanged do not.
	New, Changed, Unchanged int
	// Gone are known, and missing or called removed.
	Gone int
	// Live have a newer event, which carries them over.
	Live int
	// Failed could not be compared.
	Failed int
	// Pages is the number of requests for lists.
	Pages int
}

// Progress is how far the run of a source has come.
type Progress struct {
	Source string
	Mode   Mode
	// Kind is what is being listed.
	Kind key.Kind
	Tally
	// Listed of Total items of this kind; Total is 0 if it is not known.
	Listed, Total int
	// Waiting says for what, empty if for nothing.
	Waiting string
	Began   time.Time
	// Ended: this is the last word about the source, and Err how it ended.
	Ended bool
	Err   error
}

// Difference is a key that differs.
type Difference struct {
	Key key.Key
	// What is "new", "changed" or "gone".
	What string
	// Fields are the names of what differs, if that is known; values are personal data.
	Fields []string
}

// String is one line for people.
func (t Tally) String() string {
	return fmt.Sprintf("%d seen: %d new, %d changed, %d unchanged, %d with a newer event; %d gone, %d failed; %d pages",
		t.Seen, t.New, t.Changed, t.Unchanged, t.Live, t.Gone, t.Failed, t.Pages)
}

// Package cli is the command line of enneo-bridge.
//
// # Exit codes
//
// 0: all is well. 1: the command worked, and found something: a claim of the demo that did not hold, an event that is open
// for too long. 2: the command could not do its work. bridge reconcile has more of them, which its help lists.
//
// # Concurrency
//
// Main may be called several times at once; the commands share nothing.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// The exit codes.
const (
	exitOK      = 0
	exitFinding = 1
	exitFailure = 2
)

// errFinding ends a command that has said already what it found.
var errFinding = errors.New("found something")

// Main runs a command and returns its exit code. SIGINT and SIGTERM stop it in order, and a second one at once.
func Main(args []string, env config.Environment, stdout, stderr io.Writer) int {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	// From the first signal on signals do again what they do by default, which is to kill.
	defer context.AfterFunc(ctx, restore)()
	return run(ctx, args, env, stdout, stderr)
}

func run(ctx context.Context, args []string, env config.Environment, stdout, stderr io.Writer) int {
	root := newRoot(env)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	coded, hasCode := errors.AsType[interface {
		error
		ExitCode() int
	}](err)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFinding):
		return exitFinding
	case hasCode:
		_, _ = fmt.Fprintf(stderr, "bridge: %v\n", err)
		return coded.ExitCode()
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		_, _ = fmt.Fprintln(stderr, "bridge: interrupted")
		return exitFailure
	default:
		// Nobody is left to be told if even this cannot be written.
		_, _ = fmt.Fprintf(stderr, "bridge: %v\n", err)
		return exitFailure
	}
}

func newRoot(env config.Environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "bridge",
		Short: "Carries contract changes from ERPs into Enneo: try it, see it, audit it",
		Args:  cobra.NoArgs,
		RunE:  help,
		// An error is told once, by run, and a wrong flag does not need the whole manual.
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(newDev(env), newDemo(env), newAudit(env), newDLQ(env), newWindows(env),
		newPause(env), newResume(env), newBrake(env), newSource(env), newResync(env), newReconcile(env), newDryRun(env), newProfile(), newConfig(), newVersion())
	return root
}

// help is what a command without work of its own does; that it runs makes a wrong word behind it an error.
func help(cmd *cobra.Command, _ []string) error {
	if err := cmd.Help(); err != nil {
		return fmt.Errorf("write the help: %w", err)
	}
	return nil
}

package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

// Main is the main function of the service called name. It ends on SIGINT and SIGTERM, at once on the second of them,
// and with one error in the log if Run returns one; the exit code is that of its ExitCode method if an error in its chain has
// one, 1 otherwise.
func Main(name string, run RunFunc) {
	if err := process(name, run); err != nil {
		os.Exit(exitCode(err))
	}
}

func exitCode(err error) int {
	if coded, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return coded.ExitCode()
	}
	return 1
}

func process(name string, run RunFunc) error {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	// From the first signal on signals do again what they do by default, which is to kill.
	defer context.AfterFunc(ctx, restore)()
	err := Run(ctx, name, config.OS(), os.Stderr, nil, run)
	if err != nil {
		// The telemetry with its logger has ended, or has never begun.
		// What is wrong with a configuration is told in one go, a line each; as a list it stays readable in JSON.
		slog.New(slog.NewJSONHandler(os.Stderr, nil)).ErrorContext(ctx, "service failed",
			slog.String("service", name), slog.Any("errors", strings.Split(err.Error(), "\n")))
	}
	return err
}

// buildVersion is the version that the Go toolchain has stamped into the program: a tag, a pseudo-version, or the
// revision of the repository. It is "unknown" for a program built without.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return "unknown"
}

package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const module = "github.com/enneo-ai/enneo-bridge/services"

// services are the commands that a world may need, and newer those of them that an old version may not have.
var (
	services = []string{"ingestor", "debouncer", "enricher", "publisher", "simulator"}
	newer    = []string{"reconciler", "lookup"}
)

// natsServer is the import path of the server's own command: the version is the one that the services are tested with.
const natsServer = "github.com/nats-io/nats-server/v2"

// Binaries are built commands.
type Binaries struct{ dir string }

// Path is the file of the command called name.
func (b Binaries) Path(name string) string { return filepath.Join(b.dir, name) }

// Build builds the commands of this working copy and nats-server into dir. tags are build tags, comma-separated, or empty.
// It has to be called from a folder of the workspace.
func Build(ctx context.Context, dir, tags string) (Binaries, error) {
	if err := build(ctx, "", dir, tags, append(servicePackages(slices.Concat(services, newer)), natsServer)); err != nil {
		return Binaries{}, err
	}
	return Binaries{dir: dir}, nil
}

// Prebuilt takes commands that stand in dir already, and builds nats-server beside them.
func Prebuilt(ctx context.Context, dir string) (Binaries, error) {
	if err := build(ctx, "", dir, "", []string{natsServer}); err != nil {
		return Binaries{}, err
	}
	return Binaries{dir: dir}, nil
}

func servicePackages(names []string) []string {
	var packages []string
	for _, name := range names {
		packages = append(packages, module+"/"+name+"/cmd/"+name)
	}
	return packages
}

// build runs go build in the folder in, the current one if that is empty.
func build(ctx context.Context, in, dir, tags string, packages []string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make a directory for binaries: %w", err)
	}
	arguments := append([]string{"build", "-buildvcs=false", "-tags", tags, "-o", dir + string(filepath.Separator)}, packages...)
	cmd := exec.CommandContext(ctx, "go", arguments...) //nolint:gosec // the caller is a test or the chaos suite
	cmd.Dir = in
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", strings.Join(packages, " "), err, out)
	}
	return nil
}

// BuildOld builds the commands of the services as they were at a commit of this repository, into dir. It fails if the
// clone does not have the commit.
func BuildOld(ctx context.Context, dir, commit string) (Binaries, error) {
	root, err := output(ctx, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return Binaries{}, err
	}
	if _, err := output(ctx, "git", "rev-parse", "--verify", "--end-of-options", commit+"^{commit}"); err != nil {
		return Binaries{}, err
	}
	source := filepath.Join(dir, "source")
	if err := os.MkdirAll(source, 0o750); err != nil {
		return Binaries{}, fmt.Errorf("make a directory for the old source: %w", err)
	}
	archive := filepath.Join(dir, "source.tar")
	if _, err := output(ctx, "git", "-C", root, "archive", "--output", archive, commit); err != nil {
		return Binaries{}, err
	}
	if _, err := output(ctx, "tar", "-x", "-f", archive, "-C", source); err != nil {
		return Binaries{}, err
	}
	if err := build(ctx, filepath.Join(source, "services"), dir, "", servicePackages(services)); err != nil {
		return Binaries{}, err
	}
	return Binaries{dir: dir}, nil
}

func output(ctx context.Context, name string, arguments ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput() //nolint:gosec // as in build
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, arguments[0], err, text)
	}
	return text, nil
}

package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// serveStandIn makes the base image that needs no registry of others, and serves it until the function is called.
func (b *builder) serveStandIn(ctx context.Context, out io.Writer) (func() error, error) {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("ask Go for its folder: %w", err)
	}
	zones := filepath.Join(strings.TrimSpace(string(goroot)), "lib", "time", "zoneinfo.zip")
	made, digest, err := standIn(b.platforms, zones, trustedHere())
	if err != nil {
		return nil, err
	}
	r, err := serve(ctx, made)
	if err != nil {
		return nil, err
	}
	b.base = r.reference(digest)
	_, _ = fmt.Fprintf(out, "base image: a stand-in without a registry, %s; -base=%s takes that of .ko.yaml\n", digest, pinned)
	return r.close, nil
}

// repeat builds an image again from a copy of the repository in another folder, and compares the digests.
func (b *builder) repeat(ctx context.Context, first built) (err error) {
	dir, err := os.MkdirTemp("", "images-again-")
	if err != nil {
		return fmt.Errorf("make a directory for a second build: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if !b.stamped() {
		return nil // Go would find the commit in the copy, and has not found it here.
	}
	again := &builder{root: filepath.Join(dir, "source"), out: filepath.Join(dir, "out"), platforms: b.platforms, base: b.base}
	if err := copyRepository(ctx, b.root, again.root); err != nil {
		return err
	}
	second, err := again.build(ctx, first.artifact)
	if err != nil {
		return err
	}
	if second.digest != first.digest {
		return fmt.Errorf("%s is not reproducible: %s here, and %s from another folder", first.Image, first.digest, second.digest)
	}
	return nil
}

// copyRepository copies the files that git knows or would take, with what git remembers of them, so that a build finds the
// same commit and the same changes to it.
func copyRepository(ctx context.Context, from, to string) error {
	list := func(arguments ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, "git", arguments...) //nolint:gosec // constant arguments
		cmd.Dir = from
		said, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("git %s: %w", arguments[0], err)
		}
		return said, nil
	}
	gitDir, err := list("rev-parse", "--absolute-git-dir")
	if err != nil {
		return err
	}
	names, err := list("ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	for name := range bytes.SplitSeq(bytes.TrimRight(names, "\x00"), []byte{0}) {
		if err := copyFile(filepath.Join(from, string(name)), filepath.Join(to, string(name))); err != nil {
			return err
		}
	}
	// Go recognises a repository by a folder, so a file that names it, as in a linked working tree, would not do.
	if err := os.Symlink(string(bytes.TrimSpace(gitDir)), filepath.Join(to, ".git")); err != nil {
		return fmt.Errorf("link the copy to its repository: %w", err)
	}
	return nil
}

func copyFile(from, to string) error {
	stat, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted, and not committed yet
	}
	if err != nil {
		return fmt.Errorf("copy a file: %w", err)
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy a file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return fmt.Errorf("copy a file: %w", err)
	}
	//nolint:gosec // names of the repository's own files
	if err := os.WriteFile(to, content, stat.Mode().Perm()); err != nil {
		return fmt.Errorf("copy a file: %w", err)
	}
	return nil
}

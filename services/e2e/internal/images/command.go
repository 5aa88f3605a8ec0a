package images

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// pinned as the value of -base means the base image of .ko.yaml, from its registry.
const pinned = "pinned"

// options are what the command line asks for.
type options struct {
	root, out string
	platforms []string
	only      []string
	base      string
	start     bool
	repeat    bool
}

// built is an image with what was found out about it.
type built struct {
	artifact
	*layout
}

// Command builds, inspects and runs the images that the arguments ask for, and prints a table of them.
func Command(ctx context.Context, arguments []string, out io.Writer) error {
	o, err := parse(arguments)
	if err != nil || o == nil {
		return err
	}
	all, err := artifacts(o.root)
	if err != nil {
		return err
	}
	if len(o.only) > 0 {
		all = slices.DeleteFunc(all, func(a artifact) bool { return !slices.Contains(o.only, a.service()) })
		if len(all) != len(o.only) {
			return fmt.Errorf("-only: skaffold.yaml has no image for one of %q", o.only)
		}
	}
	b := &builder{root: o.root, out: o.out, platforms: o.platforms}
	if o.base != pinned {
		closing, err := b.serveStandIn(ctx, out)
		if err != nil {
			return err
		}
		defer func() { _ = closing() }()
	}
	if !b.stamped() {
		_, _ = fmt.Fprintln(out, "not a plain clone: Go does not find the commit, so programs do not say it, and no image is built again to compare")
	}
	scratch, err := os.MkdirTemp("", "images-")
	if err != nil {
		return fmt.Errorf("make a directory for unpacked images: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	return o.buildAll(ctx, b, all, scratch, out)
}

func parse(arguments []string) (*options, error) {
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	out := flags.String("out", "tmp/images", "the folder for the images, each in OCI layout, and for the bills of materials")
	platforms := flags.String("platforms", "linux/amd64,linux/arm64", "for which platforms")
	only := flags.String("only", "", "only the images of these services, comma-separated")
	base := flags.String("base", "", `"pinned": on the base image of .ko.yaml, from its registry; empty: on a stand-in that needs none`)
	start := flags.Bool("start", runtime.GOOS == "linux", "whether to run the pipeline from the images of this platform")
	repeat := flags.Bool("repeat", true, "whether to build the first image again elsewhere, to compare digests")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, nil // help was asked for, and given
		}
		return nil, fmt.Errorf("arguments: %w", err)
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	folder, err := filepath.Abs(*out)
	if err != nil {
		return nil, fmt.Errorf("find the folder for images: %w", err)
	}
	o := &options{root: root, out: folder, platforms: strings.Split(*platforms, ","), base: *base, start: *start, repeat: *repeat}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	if o.base != "" && o.base != pinned {
		return nil, fmt.Errorf(`-base=%s: must be "pinned" or empty`, o.base)
	}
	return o, nil
}

// buildAll does the work; the names of unpacked images below scratch are those of services and platforms.
func (o *options) buildAll(ctx context.Context, b *builder, all []artifact, scratch string, out io.Writer) error {
	began := time.Now()
	var images []built
	for _, a := range all {
		l, err := b.build(ctx, a)
		if err != nil {
			return err
		}
		for _, i := range l.images {
			if err := b.look(a, i, scratch); err != nil {
				return fmt.Errorf("%s for %s: %w", a.Image, i.platform, err)
			}
		}
		images = append(images, built{artifact: a, layout: l})
	}
	took := time.Since(began)
	if o.repeat {
		if err := b.repeat(ctx, images[0]); err != nil {
			return err
		}
	}
	var times map[string]time.Duration
	if o.start {
		var err error
		if times, err = o.startAll(ctx, all, scratch, b.stamped()); err != nil {
			return err
		}
	}
	return report(out, images, times, took)
}

// look unpacks and inspects an image.
func (b *builder) look(a artifact, i *image, scratch string) error {
	root := filepath.Join(scratch, a.service()+"-"+i.platform.Architecture)
	if err := i.unpack(root); err != nil {
		return err
	}
	return i.inspect(root, a.service(), b.sbom(a, i.platform), b.stamped())
}

// startAll runs the pipeline from the images that were unpacked for this machine.
func (o *options) startAll(ctx context.Context, all []artifact, scratch string, stamped bool) (map[string]time.Duration, error) {
	if !slices.Contains(o.platforms, runtime.GOOS+"/"+runtime.GOARCH) {
		return nil, fmt.Errorf("-start: no image for %s/%s was asked for", runtime.GOOS, runtime.GOARCH)
	}
	programs, logs := filepath.Join(scratch, "programs"), filepath.Join(o.out, "run")
	if err := errors.Join(os.MkdirAll(programs, 0o750), os.RemoveAll(logs), os.MkdirAll(logs, 0o750)); err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	var services []string
	for _, a := range all {
		unpacked := filepath.Join(scratch, a.service()+"-"+runtime.GOARCH, binaryFolder, a.service())
		if err := os.Symlink(unpacked, filepath.Join(programs, a.service())); err != nil {
			return nil, fmt.Errorf("name a program: %w", err)
		}
		services = append(services, a.service())
	}
	if !slices.Contains(services, simulator) {
		return nil, errors.New("-start needs the image of the simulator: the others talk to it")
	}
	return run(ctx, programs, logs, services, stamped)
}

// report prints what was built.
func report(out io.Writer, images []built, times map[string]time.Duration, took time.Duration) error {
	const mega = 1 << 20
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "image\tplatform\tdigest\tcompressed\tunpacked\tready after")
	for _, b := range images {
		ready := ""
		if t, found := times[b.service()]; found {
			ready = t.Round(time.Millisecond).String()
		}
		_, _ = fmt.Fprintf(w, "%s\tall\t%s\t\t\t%s\n", b.Image, b.digest, ready)
		for _, i := range b.images {
			_, _ = fmt.Fprintf(w, "\t%s\t%s\t%.1f MiB\t%.1f MiB\t\n", i.platform, i.digest, float64(i.packed)/mega, float64(i.unpacked)/mega)
		}
	}
	_, _ = fmt.Fprintf(w, "%d images built and inspected in %s\n", len(images), took.Round(time.Second))
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

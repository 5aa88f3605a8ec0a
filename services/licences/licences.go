// Package licences lists the modules of others that the commands of enneo-bridge consist of, with the licence of each, and
// refuses those with a licence that nobody has accepted.
//
// # Concurrency
//
// Everything here may be called by any number of goroutines.
package licences

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// architectures are those of the images; a module may be needed for one of them alone.
var architectures = []string{"amd64", "arm64"}

// intro is the head of the page.
const intro = `# Licences

Every module of others that a command consists of, for linux/amd64 and linux/arm64. Written by ` + "`make generate`" + `, which fails
for a licence that is unknown or refused (SSPL, BUSL, AGPL, GPL and others, see ` + "`services/licences/classify.go`" + `); the Go
standard library and runtime have BSD-3-Clause. The bill of materials of each image is made with it (` + "`make images`" + `).

`

// module is a module that a command consists of.
type module struct{ path, version, dir, licence string }

// Command prints the page about the packages that the arguments name.
func Command(ctx context.Context, packages []string, out io.Writer) error {
	modules, err := modulesOf(ctx, packages)
	if err != nil {
		return err
	}
	if len(modules) == 0 {
		return errors.New("the packages consist of no modules of others")
	}
	var errs []error
	for i := range modules {
		if modules[i].licence, err = licenceOf(modules[i].dir); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", modules[i].path, modules[i].version, err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return page(out, modules)
}

// modulesOf lists the modules of others behind packages, in the order of their paths.
func modulesOf(ctx context.Context, packages []string) ([]module, error) {
	const format = `{{with .Module}}{{if not .Main}}{{.Path}}{{"\t"}}{{.Version}}{{"\t"}}{{.Dir}}{{end}}{{end}}`
	var all []module
	for _, architecture := range architectures {
		//nolint:gosec // the packages are those of the command line
		cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-f", format}, packages...)...)
		cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH="+architecture, "CGO_ENABLED=0")
		var problem bytes.Buffer
		cmd.Stderr = &problem
		listed, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("list modules: %w\n%s", err, problem.Bytes())
		}
		for line := range strings.Lines(string(listed)) {
			if fields := strings.Split(strings.TrimSpace(line), "\t"); len(fields) == 3 {
				all = append(all, module{path: fields[0], version: fields[1], dir: fields[2]})
			}
		}
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return slices.CompactFunc(all, func(a, b module) bool { return a.path == b.path }), nil
}

// licenceOf names the licence in a module's folder. Several files have to be accepted each.
func licenceOf(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("look for a licence: %w", err)
	}
	var found []string
	for _, entry := range entries {
		if entry.IsDir() || !isLicence(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return "", fmt.Errorf("read the licence: %w", err)
		}
		id, err := classify(text)
		if err != nil {
			return "", fmt.Errorf("%s: %w", entry.Name(), err)
		}
		for one := range strings.SplitSeq(id, " AND ") {
			if !slices.Contains(found, one) {
				found = append(found, one)
			}
		}
	}
	if len(found) == 0 {
		return "", errors.New("there is no licence")
	}
	return strings.Join(found, " AND "), nil
}

func isLicence(name string) bool {
	name = strings.ToLower(name)
	if name == "license-logo" {
		return false // Of a picture on a module's page, which is part of no program.
	}
	for _, start := range []string{"license", "licence", "copying", "unlicense"} {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}

func page(out io.Writer, modules []module) error {
	var text strings.Builder
	text.WriteString(intro + "| module | version | licence |\n| --- | --- | --- |\n")
	for _, m := range modules {
		_, _ = fmt.Fprintf(&text, "| `%s` | %s | %s |\n", m.path, m.version, m.licence)
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print the page: %w", err)
	}
	return nil
}

// Package services_test holds the rules of the repository's structure.
package services_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/enneo-ai/enneo-bridge/"

// composers put services together, in one process or, in tests, with what configures them; they are the only ones that may
// import services.
var composers = []string{"bridge", "e2e", "manifests"}

// file is a Go file of the repository.
type file struct {
	path    string // from the repository's root, for example "services/ingestor/auth.go"
	dir     string
	test    bool
	pkg     string
	doc     bool
	imports []string
}

// files parses every Go file that people wrote.
func files(t *testing.T) []file {
	t.Helper()
	var all []file
	for _, root := range []string{"libs", "proto", "services"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && (entry.Name() == "gen" || entry.Name() == "testdata") {
				return filepath.SkipDir
			}
			if !strings.HasSuffix(path, ".go") {
				return nil
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
			if err != nil {
				return err
			}
			all = append(all, describe(strings.TrimPrefix(filepath.ToSlash(path), "../"), parsed))
			return nil
		})
		if err != nil {
			t.Fatalf("read %s: %v", root, err)
		}
	}
	if len(all) < 50 {
		t.Fatalf("found %d Go files, expected the whole repository", len(all))
	}
	return all
}

func describe(path string, parsed *ast.File) file {
	f := file{
		path: path, dir: filepath.ToSlash(filepath.Dir(path)), test: strings.HasSuffix(path, "_test.go"),
		pkg: parsed.Name.Name, doc: parsed.Doc != nil,
	}
	for _, spec := range parsed.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			f.imports = append(f.imports, name)
		}
	}
	return f
}

// serviceOf is the service that a folder or import path below services belongs to, "" for none.
func serviceOf(path string) string {
	rest, ok := strings.CutPrefix(path, "services/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func TestAServiceImportsNoOtherService(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		own := serviceOf(f.dir)
		if own == "" || slices.Contains(composers, own) {
			continue
		}
		for _, name := range f.imports {
			other := serviceOf(strings.TrimPrefix(name, module))
			// Tests of any service may talk to the simulated systems.
			if other == "" || other == own || f.test && other == "simulator" {
				continue
			}
			t.Errorf("%s imports %s: what two services need belongs into libs, what they tell each other into proto", f.path, name)
		}
	}
}

func TestLibsAndProtoImportNoService(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		for _, name := range f.imports {
			switch {
			case strings.HasPrefix(f.dir, "services"):
			case strings.HasPrefix(name, module+"services"):
				t.Errorf("%s imports %s", f.path, name)
			case strings.HasPrefix(f.dir, "proto") && strings.HasPrefix(name, module+"libs"):
				t.Errorf("%s imports %s", f.path, name)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, f := range files(t) {
		if !f.test {
			documented[f.dir] = documented[f.dir] || f.doc
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package in %s has no doc comment", dir)
		}
	}
}

func TestMainIsOneLine(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if f.pkg != "main" || f.test || serviceOf(f.dir) == "bridge" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", f.path))
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(string(text), "\n"); lines > 30 {
			t.Errorf("%s has %d lines; a command only names its Run", f.path, lines)
		}
	}
}

// TestGoWorkAndModulesAgree makes sure that a module in go.work is also replaced where it is required: go mod tidy does
// not look at go.work.
func TestGoWorkAndModulesAgree(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]string{
		"../libs/go.mod":     {module + "proto => ../proto"},
		"../services/go.mod": {module + "libs => ../libs", module + "proto => ../proto"},
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range want {
			if !strings.Contains(string(text), line) {
				t.Errorf("%s does not say %q", path, line)
			}
		}
	}
}

// Package profile knows how one make of ERP is spoken to: where its operations are, where identifiers stand in its
// webhooks, what means success and "gone", and how its answers map to Enneo's structures.
//
// A profile is a YAML file. Three are built in (powercloud, lynqtech, generic); any other is a file. Expressions in it are
// CEL (https://cel.dev), type-checked when the profile is loaded and bounded in cost when they run. The schema, field by
// field, stands in schema.go; the helper functions that expressions may use in functions.go.
//
// A loaded profile never changes and is safe for concurrent use. No error of this package holds a value out of an answer
// or a webhook: they name fields, and lines of the profile.
package profile

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/jsonptr"
	"github.com/enneo-ai/enneo-bridge/libs/key"
)

// MaxFile is the largest profile file in bytes.
const MaxFile = 1 << 20

//go:embed builtin/*.yaml
var builtin embed.FS

// Errors of Load; test with errors.Is.
var (
	ErrUnknown = errors.New("no such built-in profile, and no such file")
	ErrFile    = errors.New("profile file is longer than 1 MiB")
)

// Profile is one loaded profile.
type Profile struct {
	name, version, description string
	ref                        string
	accept                     string
	auth                       Auth
	operations                 map[Operation]*operation

	success, gone *expression
	data          []jsonptr.Pointer
	mapping       map[key.Kind][]field
	webhook       webhook
}

// Builtin lists the names of the built-in profiles, sorted.
func Builtin() []string {
	entries, err := builtin.ReadDir("builtin")
	if err != nil {
		panic("read embedded profiles: " + err.Error()) // The folder is part of the binary.
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Load reads a built-in profile by its name, or a profile file by its path, and compiles it. The error names every
// mistake with file, line and field.
func Load(nameOrFile string) (*Profile, error) {
	if slices.Contains(Builtin(), nameOrFile) {
		file := nameOrFile + ".yaml"
		text, err := builtin.ReadFile(path.Join("builtin", file))
		if err != nil {
			return nil, fmt.Errorf("read built-in profile %s: %w", nameOrFile, err)
		}
		return Parse(file, text)
	}
	f, err := os.Open(nameOrFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("profile %q (built in are %s): %w", nameOrFile, strings.Join(Builtin(), ", "), ErrUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("open profile: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	return Parse(nameOrFile, text)
}

// Parse compiles the text of a profile; file is the name that errors show.
func Parse(file string, text []byte) (*Profile, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("%s: %w", file, ErrFile)
	}
	raw, err := decode(file, text)
	if err != nil {
		return nil, err
	}
	c := compiler{file: file}
	p := c.profile(raw)
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	p.ref = p.name + "@" + p.version + "-" + hex.EncodeToString(sum[:6])
	return p, nil
}

// Name is the profile's own name.
func (p *Profile) Name() string { return p.name }

// Version is the version its author gave it.
func (p *Profile) Version() string { return p.version }

// Description is one or two sentences for people.
func (p *Profile) Description() string { return p.description }

// Ref is "<name>@<version>-<hash>"; it changes with every change of the file.
func (p *Profile) Ref() string { return p.ref }

// Accept is the media type to ask for.
func (p *Profile) Accept() string { return p.accept }

// Auth says how requests are authenticated.
func (p *Profile) Auth() Auth { return p.auth }

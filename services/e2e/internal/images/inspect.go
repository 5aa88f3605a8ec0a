package images

import (
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// binaryFolder is where ko puts the program.
const binaryFolder = "ko-app"

// machines are the ELF machines of the architectures that images are built for.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// inspect looks at an image that is unpacked below root: whether it starts the service, as a user without rights, from a
// program without needs that says, if stamped, from which commit it was built. It returns everything that is wrong.
func (i *image) inspect(root, service, sbom string, stamped bool) error {
	var wrong []error
	claim := func(holds bool, format string, values ...any) {
		if !holds {
			wrong = append(wrong, fmt.Errorf(format, values...))
		}
	}
	c := i.config.Config
	claim(c.User == nonrootUser, "its user is %q, want %s: Kubernetes can only tell a number from root", c.User, nonrootUser)
	claim(slices.Equal(c.Entrypoint, []string{"/" + binaryFolder + "/" + service}), "its entry point is %q", c.Entrypoint)
	program := filepath.Join(root, binaryFolder, service)
	wrong = append(wrong, i.inspectProgram(program)...)
	info, err := readBuildInfo(program)
	if err != nil {
		return errors.Join(append(wrong, err)...)
	}
	claim(info.Path == module+"/"+service+"/cmd/"+service, "the program is %s", info.Path)
	for key, want := range map[string]string{
		"CGO_ENABLED": "0", "-trimpath": "true", "GOOS": i.platform.OS, "GOARCH": i.platform.Architecture,
	} {
		claim(setting(info, key) == want, "the program was built with %s=%q, want %q", key, setting(info, key), want)
	}
	claim(!stamped || setting(info, "vcs.revision") != "", "the program does not say from which commit it was built")
	for _, file := range []string{"etc/passwd", caFile, filepath.Join(zoneFolder, "Europe", "Berlin")} {
		_, err := os.Stat(filepath.Join(root, file))
		claim(err == nil, "the image has no /%s", file)
	}
	wrong = append(wrong, compareSBOM(info, sbom)...)
	return errors.Join(wrong...)
}

// inspectProgram checks that the program can be run by anybody, for the right machine, without an interpreter or libraries.
func (i *image) inspectProgram(program string) (wrong []error) {
	stat, err := os.Stat(program)
	if err != nil {
		return []error{fmt.Errorf("find the program: %w", err)}
	}
	if mode := stat.Mode().Perm(); mode&0o555 != 0o555 || mode&0o022 != 0 {
		wrong = append(wrong, fmt.Errorf("the program's mode is %s: everybody has to be able to run it, and nobody else to change it", mode))
	}
	file, err := elf.Open(program)
	if err != nil {
		return append(wrong, fmt.Errorf("open the program: %w", err))
	}
	defer func() { _ = file.Close() }()
	if want := machines[i.platform.Architecture]; file.Machine != want {
		wrong = append(wrong, fmt.Errorf("the program is for %s, want %s", file.Machine, want))
	}
	libraries, err := file.ImportedLibraries()
	if err != nil || len(libraries) > 0 {
		wrong = append(wrong, errors.Join(err, fmt.Errorf("the program needs libraries: %q", libraries)))
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			wrong = append(wrong, errors.New("the program needs an interpreter"))
		}
	}
	return wrong
}

func readBuildInfo(program string) (*debug.BuildInfo, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("read how the program was built: %w", err)
	}
	return info, nil
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// compareSBOM checks that the bill of materials, in SPDX, names every module that the program holds, with its version.
func compareSBOM(info *debug.BuildInfo, file string) (wrong []error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return []error{fmt.Errorf("read the bill of materials: %w", err)}
	}
	var bill struct {
		Packages []struct {
			Name    string `json:"name"`
			Version string `json:"versionInfo"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		return []error{fmt.Errorf("read the bill of materials %s: %w", file, err)}
	}
	listed := map[string]bool{}
	for _, p := range bill.Packages {
		listed[p.Name] = true
		listed[p.Name+"@"+p.Version] = true
	}
	for _, m := range info.Deps {
		// Modules of this repository have no version of their own.
		name := m.Path + "@" + m.Version
		if strings.HasPrefix(m.Path, repositoryPath) {
			name = m.Path
		}
		if !listed[name] {
			wrong = append(wrong, fmt.Errorf("the bill of materials does not name %s", name))
		}
	}
	return wrong
}

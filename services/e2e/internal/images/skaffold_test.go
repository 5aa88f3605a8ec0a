package images

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// root is the repository.
const root = "../../../.."

// noImage are commands that are no part of an installation.
var noImage = []string{"bench", "chaos", "images", "licences", "manifests", "outage", "sift"}

// skaffoldConfig is what the tests look at in skaffold.yaml.
type skaffoldConfig struct {
	Build     buildConfig     `yaml:"build"`
	Manifests manifestsConfig `yaml:"manifests"`
	Forwards  []forward       `yaml:"portForward"`
	Profiles  []struct {
		Name      string          `yaml:"name"`
		Build     buildConfig     `yaml:"build"`
		Manifests manifestsConfig `yaml:"manifests"`
		Forwards  []forward       `yaml:"portForward"`
		Patches   []any           `yaml:"patches"`
	} `yaml:"profiles"`
}

type buildConfig struct {
	Artifacts []koArtifact `yaml:"artifacts"`
}

type koArtifact struct {
	Image string `yaml:"image"`
	KO    struct {
		Main         string   `yaml:"main"`
		Dir          string   `yaml:"dir"`
		FromImage    string   `yaml:"fromImage"`
		Env          []string `yaml:"env"`
		Flags        []string `yaml:"flags"`
		Ldflags      []string `yaml:"ldflags"`
		Dependencies struct {
			Paths []string `yaml:"paths"`
		} `yaml:"dependencies"`
	} `yaml:"ko"`
}

type manifestsConfig struct {
	Kustomize struct {
		Paths []string `yaml:"paths"`
	} `yaml:"kustomize"`
}

type forward struct {
	Type      string `yaml:"resourceType"`
	Name      string `yaml:"resourceName"`
	Namespace string `yaml:"namespace"`
	Port      int    `yaml:"port"`
	LocalPort int    `yaml:"localPort"`
}

func readRoot(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readSkaffold(t *testing.T) (c skaffoldConfig) {
	t.Helper()
	if err := yaml.Unmarshal(readRoot(t, "skaffold.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func names(artifacts []koArtifact) (all []string) {
	for _, a := range artifacts {
		all = append(all, a.Image)
	}
	return all
}

func TestSkaffoldYAMLFitsSkaffoldsOwnSchema(t *testing.T) {
	t.Parallel()
	schema := skaffoldSchema(t)
	if err := validate(t, schema, readRoot(t, "skaffold.yaml")); err != nil {
		t.Error(err)
	}
	wrong := bytes.Replace(readRoot(t, "skaffold.yaml"), []byte("main:"), []byte("mian:"), 1)
	if validate(t, schema, wrong) == nil {
		t.Error("the schema takes a key that does not exist")
	}
}

func skaffoldSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "skaffold-v4beta14.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	document, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("skaffold.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("skaffold.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

func TestEveryCommandOfAnInstallationHasAnImage(t *testing.T) {
	t.Parallel()
	found, err := filepath.Glob(filepath.Join(root, "services", "*", "cmd", "*", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, file := range found {
		if name := filepath.Base(filepath.Dir(file)); !slices.Contains(noImage, name) {
			want = append(want, prefix+name+" ./services/"+name+"/cmd/"+name)
		}
	}
	for _, a := range readSkaffold(t).Build.Artifacts {
		got = append(got, a.Image+" "+a.KO.Main)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images in skaffold.yaml (-commands +images):\n%s", diff)
	}
}

// TestKOYAMLAloneSaysHowImagesAreBuilt keeps what would make an image of Skaffold differ from one of make images out of
// skaffold.yaml. Only the profile for debugging may, by name, and only the flags of the linker.
func TestKOYAMLAloneSaysHowImagesAreBuilt(t *testing.T) {
	t.Parallel()
	c := readSkaffold(t)
	lists := map[string][]koArtifact{"": c.Build.Artifacts}
	for _, p := range c.Profiles {
		lists[p.Name] = p.Build.Artifacts
		if len(p.Patches) > 0 {
			t.Errorf("the profile %s patches by path: name the artifacts instead, as an index hits another one once the list changes", p.Name)
		}
	}
	all := names(c.Build.Artifacts)
	for profile, artifacts := range lists {
		for _, a := range artifacts {
			if !slices.Contains(all, a.Image) {
				t.Errorf("profile %q builds %s, which is not in the list of images", profile, a.Image)
			}
			if a.KO.Main != "./services/"+strings.TrimPrefix(a.Image, prefix)+"/cmd/"+strings.TrimPrefix(a.Image, prefix) {
				t.Errorf("profile %q builds %s from %s", profile, a.Image, a.KO.Main)
			}
			if a.KO.Dir != "" || a.KO.FromImage != "" || len(a.KO.Env)+len(a.KO.Flags) > 0 || len(a.KO.Ldflags) > 0 != (profile == "debug") {
				t.Errorf("profile %q builds %s in another way than .ko.yaml says: %+v", profile, a.Image, a.KO)
			}
			for _, path := range a.KO.Dependencies.Paths {
				if _, err := os.Stat(filepath.Join(root, path)); err != nil {
					t.Errorf("%s is built again when %s changes, which is not there", a.Image, path)
				}
			}
		}
	}
	if diff := cmp.Diff(all, names(lists["debug"])); diff != "" {
		t.Errorf("images of the profile debug (-all +debug):\n%s", diff)
	}
	withoutSimulator := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name == prefix+simulator })
	if diff := cmp.Diff(withoutSimulator, names(lists["prod"])); diff != "" {
		t.Errorf("images of the profile prod (-want +got):\n%s", diff)
	}
}

func TestTheBaseImageIsPinnedByDigest(t *testing.T) {
	t.Parallel()
	var c struct {
		Base string `yaml:"defaultBaseImage"`
	}
	if err := yaml.Unmarshal(readRoot(t, ".ko.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	_, digest, _ := strings.Cut(c.Base, "@sha256:")
	if len(digest) != 64 {
		t.Errorf("the base image %q has no digest", c.Base)
	}
}

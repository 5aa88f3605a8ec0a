package images

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// rendered is an overlay as Skaffold deploys it.
type rendered struct {
	// images are those of all containers.
	images []string
	// services are the ports of the Services, as namespace/name:port.
	services []string
}

func render(t *testing.T, overlay string) (r rendered) {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), root+"/"+overlay)
	if err != nil {
		t.Fatalf("render %s: %v", overlay, err)
	}
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		var object any
		if err := yaml.Unmarshal(text, &object); err != nil {
			t.Fatal(err)
		}
		r.images = append(r.images, imagesIn(object)...)
		if !resource.GetGvk().IsSelected(&resid.Gvk{Kind: "Service"}) {
			continue
		}
		var service struct {
			Spec struct {
				Ports []struct {
					Port int `yaml:"port"`
				} `yaml:"ports"`
			} `yaml:"spec"`
		}
		if err := yaml.Unmarshal(text, &service); err != nil {
			t.Fatal(err)
		}
		for _, port := range service.Spec.Ports {
			r.services = append(r.services, fmt.Sprintf("%s/%s:%d", resource.GetNamespace(), resource.GetName(), port.Port))
		}
	}
	return r
}

// imagesIn collects every field called image that holds a text.
func imagesIn(object any) (all []string) {
	switch o := object.(type) {
	case map[string]any:
		for key, value := range o {
			if name, isText := value.(string); isText && key == "image" {
				all = append(all, name)
				continue
			}
			all = append(all, imagesIn(value)...)
		}
	case []any:
		for _, value := range o {
			all = append(all, imagesIn(value)...)
		}
	}
	return all
}

// foreign is an image of others with a version that does not move with each release: a digest, or major, minor and patch.
var foreign = regexp.MustCompile(`@sha256:[0-9a-f]{64}$|:v?\d+\.\d+\.\d+[\w.-]*$`)

func TestWhatSkaffoldDeploysIsWhatItBuilds(t *testing.T) {
	t.Parallel()
	c := readSkaffold(t)
	type deployment struct {
		paths     []string
		artifacts []koArtifact
		forwards  []forward
	}
	deployments := map[string]deployment{"": {c.Manifests.Kustomize.Paths, c.Build.Artifacts, c.Forwards}}
	for _, p := range c.Profiles {
		// What a profile does not set stays as it is.
		d := deployments[""]
		if len(p.Manifests.Kustomize.Paths) > 0 {
			d.paths = p.Manifests.Kustomize.Paths
		}
		if len(p.Build.Artifacts) > 0 {
			d.artifacts = p.Build.Artifacts
		}
		if len(p.Forwards) > 0 {
			d.forwards = p.Forwards
		}
		deployments[p.Name] = d
	}
	for profile, d := range deployments {
		if len(d.paths) == 0 {
			t.Errorf("profile %q deploys nothing", profile)
		}
		var all rendered
		for _, path := range d.paths {
			r := render(t, path)
			all.images, all.services = append(all.images, r.images...), append(all.services, r.services...)
		}
		built := names(d.artifacts)
		for _, image := range all.images {
			switch ours := strings.HasPrefix(image, prefix); {
			case ours && !slices.Contains(built, image):
				t.Errorf("profile %q deploys %s and does not build it", profile, image)
			case !ours && !foreign.MatchString(image):
				t.Errorf("profile %q deploys %s, whose version is not pinned", profile, image)
			}
		}
		local := map[int]bool{}
		for _, f := range d.forwards {
			if want := fmt.Sprintf("%s/%s:%d", f.Namespace, f.Name, f.Port); f.Type != "service" || !slices.Contains(all.services, want) {
				t.Errorf("profile %q forwards to %s %s, which is not deployed", profile, f.Type, want)
			}
			if local[f.LocalPort] {
				t.Errorf("profile %q forwards port %d twice", profile, f.LocalPort)
			}
			local[f.LocalPort] = true
		}
	}
}

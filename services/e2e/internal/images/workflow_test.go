package images

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// workflow is what the tests look at in a workflow of the forge.
type workflow struct {
	Jobs map[string]struct {
		Uses     string `yaml:"uses"`
		Strategy struct {
			Matrix struct {
				Service []string `yaml:"service"`
			} `yaml:"matrix"`
		} `yaml:"strategy"`
		Steps []struct {
			Uses string            `yaml:"uses"`
			Run  string            `yaml:"run"`
			Env  map[string]string `yaml:"env"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

func readWorkflow(t *testing.T, name string) (w workflow) {
	t.Helper()
	if err := yaml.Unmarshal(readRoot(t, filepath.Join(".github", "workflows", name)), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTheWorkflowRunsWhatHasToPassBeforeAMerge(t *testing.T) {
	t.Parallel()
	var runs, needsDatabase bool
	for _, step := range readWorkflow(t, "ci.yml").Jobs["check"].Steps {
		if step.Run == "bash .ci/run" {
			runs, needsDatabase = true, step.Env["VULNERABILITIES"] == "required"
		}
	}
	if !runs || !needsDatabase {
		t.Error("ci.yml does not run .ci/run, or takes a database of vulnerabilities that is away for a success")
	}
	if release := readWorkflow(t, "release.yml"); release.Jobs["ci"].Uses != "./.github/workflows/ci.yml" {
		t.Error("a release does not depend on the checks")
	}
}

func TestTheReleaseBuildsEveryImage(t *testing.T) {
	t.Parallel()
	var want []string
	for _, a := range readSkaffold(t).Build.Artifacts {
		want = append(want, strings.TrimPrefix(a.Image, prefix))
	}
	got := slices.Clone(readWorkflow(t, "release.yml").Jobs["image"].Strategy.Matrix.Service)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images of release.yml (-skaffold.yaml +release.yml):\n%s", diff)
	}
}

func TestActionsArePinnedByCommit(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`)
	for _, name := range []string{"ci.yml", "release.yml"} {
		steps := 0
		for job, j := range readWorkflow(t, name).Jobs {
			for _, step := range j.Steps {
				if step.Uses == "" {
					continue
				}
				steps++
				if !pinned.MatchString(step.Uses) {
					t.Errorf("%s, job %s: %q can be moved by its owner; name the commit", name, job, step.Uses)
				}
			}
		}
		if steps == 0 {
			t.Errorf("%s uses no actions: the test reads it wrongly", name)
		}
	}
}

package manifests_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/enneo-ai/enneo-bridge/services/manifests"
	"github.com/enneo-ai/enneo-bridge/services/manifests/internal/rules"
)

const root = "../../deploy/k8s"

// tree is deploy/k8s as it is on disk, by path.
var tree = sync.OnceValues(func() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	return files, err
})

// build renders an overlay of deploy/k8s with some files more, or other ones.
func build(t *testing.T, overlay string, more map[string]string) []byte {
	t.Helper()
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	memory := filesys.MakeFsInMemory()
	write := func(name string, text []byte) {
		if err := memory.WriteFile("/k8s/"+name, text); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		write(name, text)
	}
	for name, text := range more {
		write(name, []byte(text))
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/k8s/"+overlay)
	if err != nil {
		t.Fatalf("render %s: %v", overlay, err)
	}
	text, err := rendered.AsYaml()
	if err != nil {
		t.Fatalf("render %s: %v", overlay, err)
	}
	return text
}

// read decodes what was rendered.
func read(t *testing.T, text []byte) *rules.Set {
	t.Helper()
	set, err := rules.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// combination is an overlay that a platform team might write.
type combination struct {
	// dir is the overlay's folder below overlays, name what it is made of.
	dir, name  string
	components []string
	sources    []string
	replicas   int
	// external: NATS and Redis are outside. secrets: the overlay makes its own.
	external, secrets bool
}

// files are the overlay's files by path.
func (c *combination) files(t *testing.T) map[string]string {
	t.Helper()
	var k strings.Builder
	k.WriteString("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: bridge-test\nresources: [../../base]\ncomponents:\n")
	for _, name := range c.components {
		fmt.Fprintf(&k, "  - ../../components/%s\n", name)
	}
	files := map[string]string{}
	if slices.Contains(c.components, "scaling") {
		k.WriteString("patches:\n  - path: scaling-triggers.yaml\n")
		monitor := "nats-headless.bridge-test.svc:8222"
		if c.external {
			monitor = "nats.example.com:8222"
		}
		text, err := manifests.Triggers(c.sources, monitor)
		if err != nil {
			t.Fatal(err)
		}
		files["overlays/"+c.dir+"/scaling-triggers.yaml"] = string(text)
	}
	fmt.Fprintf(&k, "configMapGenerator:\n  - name: bridge\n    behavior: merge\n    envs: [sources.env]\n    literals: [STREAM_REPLICAS=%d]\n", c.replicas)
	k.WriteString("  - name: bridge-enneo\n    behavior: merge\n    literals: ['ENNEO_BASE_URL=https://enneo.example.com/api/mind']\n")
	if c.secrets {
		k.WriteString("secretGenerator:\n")
		for name, literals := range secrets {
			fmt.Fprintf(&k, "  - name: %s\n    literals: [%s]\n", name, literals)
		}
	}
	sources := "SOURCES=" + strings.Join(c.sources, ",") + "\n"
	for i, name := range c.sources {
		prefix := "SOURCE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
		sources += fmt.Sprintf("%[1]sPROFILE=%[2]s\n%[1]sHOST=https://%[2]s.example.com\n%[1]sAPI_USER=user\n%[1]sENNEO_ID=%[3]d-{id}\n", prefix, name, i)
	}
	files["overlays/"+c.dir+"/sources.env"] = sources
	files["overlays/"+c.dir+"/kustomization.yaml"] = k.String()
	return files
}

// secrets are made-up values for all secrets, for the sources powercloud and lynqtech.
var secrets = map[string]string{
	"bridge-nats":     "'NATS_URL=nats://nats:4222'",
	"nats-auth":       "NATS_USER=user, NATS_PASSWORD=made-up",
	"bridge-redis":    "'REDIS_URL=redis://redis:6379'",
	"redis-auth":      "REDIS_PASSWORD=made-up",
	"bridge-webhooks": "SOURCE_POWERCLOUD_WEBHOOK_SECRET=made-up, SOURCE_LYNQTECH_WEBHOOK_SECRET=made-up",
	"bridge-erp":      "SOURCE_POWERCLOUD_API_PASSWORD=made-up, SOURCE_POWERCLOUD_HASH=made-up, SOURCE_LYNQTECH_API_KEY=made-up",
	"bridge-enneo":    "token=made-up",
	"bridge-lookup":   "LOOKUP_TOKEN=made-up",
}

// combinations are all ways to run NATS, with and without scaling and network policies; what is independent of them is
// there in every other one.
func combinations() (all []combination) {
	i := 0
	for _, nats := range []string{"nats-single", "nats-cluster", ""} {
		for _, scaled := range []bool{false, true} {
			for _, closed := range []bool{false, true} {
				c := combination{replicas: 1, external: nats == "", sources: []string{"powercloud", "lynqtech"}}
				with := func(component string, present bool) {
					if present {
						c.components = append(c.components, component)
						c.name += "+" + strings.ReplaceAll(component, "/", "-")
					}
				}
				if nats == "nats-cluster" {
					c.replicas = 3
				}
				c.secrets = i%2 == 0
				simulated := i%4 < 2
				with(nats, nats != "")
				with("redis", nats != "")
				with("simulator", simulated)
				with("scaling", scaled)
				with("external-secrets", !c.secrets)
				with("ingress", i%3 == 0)
				with("monitoring", exists("monitoring") && i%2 == 1)
				with("tracing", exists("tracing") && i%3 == 1)
				with("network-policies", closed)
				with("network-policies/external", closed && nats == "")
				with("network-policies/nats", closed && nats != "")
				with("network-policies/nats-cluster", closed && nats == "nats-cluster")
				with("network-policies/redis", closed && nats != "")
				with("network-policies/simulator", closed && simulated)
				c.dir = fmt.Sprintf("test-%d", i)
				all = append(all, c)
				i++
			}
		}
	}
	return all
}

func exists(component string) bool {
	_, err := os.Stat(filepath.Join(root, "components", component, "kustomization.yaml"))
	return err == nil
}

func TestEveryOverlayAndCombinationKeepsTheRules(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	check := func(name, dir string, more map[string]string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := read(t, build(t, "overlays/"+dir, more))
			for _, problem := range append(rules.Check(set, rules.All()), configuration(t, set)...) {
				t.Error(problem)
			}
		})
	}
	overlays, err := os.ReadDir(filepath.Join(root, "overlays"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range overlays {
		check(o.Name(), o.Name(), nil)
	}
	for _, c := range combinations() {
		for _, name := range c.components {
			used[name] = true
		}
		check(c.name, c.dir, c.files(t))
	}
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	for path := range files {
		component, ok := strings.CutPrefix(filepath.ToSlash(filepath.Dir(path)), "components/")
		if ok && filepath.Base(path) == "kustomization.yaml" && !used[component] {
			t.Errorf("no combination has the component %s", component)
		}
	}
}

func TestGeneratedTriggersAreUpToDate(t *testing.T) {
	t.Parallel()
	overlays, err := filepath.Glob(filepath.Join(root, "overlays", "*", "scaling-triggers.yaml"))
	if err != nil || len(overlays) == 0 {
		t.Fatalf("no overlay has triggers (%v)", err)
	}
	for _, path := range overlays {
		there, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Dir(path))); err != nil {
			t.Fatal(err)
		}
		if err := manifests.WriteTriggers(dir, ""); err != nil {
			t.Fatal(err)
		}
		again, err := os.ReadFile(filepath.Join(dir, filepath.Base(path)))
		if err != nil {
			t.Fatal(err)
		}
		if string(there) != string(again) {
			t.Errorf("%s is not what make generate writes", path)
		}
	}
}

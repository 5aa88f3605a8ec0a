package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEverythingThatIsWrongWithAnImageIsNamed looks into an image with a real program in which nothing else is right. That a
// right one passes is what make images shows.
func TestEverythingThatIsWrongWithAnImageIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, binaryFolder, "ingestor")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, repositoryPath+"/services/licences/cmd/licences")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build a program: %v\n%s", err, out)
	}
	if err := os.Chmod(program, 0o770); err != nil {
		t.Fatal(err)
	}
	bill := filepath.Join(dir, "bill.spdx.json")
	if err := os.WriteFile(bill, []byte(`{"packages": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	i := &image{platform: platformOf{OS: runtime.GOOS, Architecture: "riscv64"}}
	i.config.Config.User = "nonroot"
	err := i.inspect(dir, "ingestor", bill, true)
	if err == nil {
		t.Fatal("nothing is wrong with it")
	}
	wanted := []string{
		`its user is "nonroot"`, "its entry point is", "the program's mode", "the program is for", "the program is " + module + "/licences",
		"-trimpath", "GOARCH", "from which commit", "no /etc/passwd", "no /" + caFile, "no /" + filepath.Join(zoneFolder, "Europe", "Berlin"),
	}
	for _, want := range wanted {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not named: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("named:\n%v", err)
	}
}

func TestABillOfMaterialsHasToNameEveryModule(t *testing.T) {
	t.Parallel()
	bill := filepath.Join(t.TempDir(), "bill.spdx.json")
	text := `{"packages": [{"name": "example.com/old", "versionInfo": "v1.0.0"}, {"name": "example.com/good", "versionInfo": "v1.2.3"},
		{"name": "` + repositoryPath + `/libs", "versionInfo": "(devel)"}]}`
	if err := os.WriteFile(bill, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	info := &debug.BuildInfo{Deps: []*debug.Module{
		{Path: "example.com/old", Version: "v2.0.0"},
		{Path: "example.com/good", Version: "v1.2.3"},
		{Path: "example.com/missing", Version: "v1.0.0"},
		{Path: repositoryPath + "/libs", Version: "v0.0.0"},
	}}
	var named []string
	for _, problem := range compareSBOM(info, bill) {
		named = append(named, problem.Error())
	}
	want := []string{
		"the bill of materials does not name example.com/old@v2.0.0", "the bill of materials does not name example.com/missing@v1.0.0",
	}
	if diff := cmp.Diff(want, named); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

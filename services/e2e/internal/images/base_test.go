package images

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// zones writes a zoneinfo.zip with two zones.
func zones(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range []string{"Europe/Berlin", "America/New_York"} {
		file, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(file, "rules of "+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "zoneinfo.zip")
	if err := os.WriteFile(name, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// writeLayout writes one manifest or index of a store as a folder in OCI layout.
func writeLayout(t *testing.T, s *store, digest string) string {
	t.Helper()
	dir := t.TempDir()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, content := range s.content {
		if err := os.WriteFile(filepath.Join(blobs, name[len("sha256:"):]), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(index{SchemaVersion: 2, Manifests: []descriptor{{MediaType: s.mediaTypes[digest], Digest: digest}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheStandInIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	platforms := []string{"linux/amd64", "linux/arm64"}
	file := zones(t)
	_, first, err := standIn(platforms, file, []byte("certificates"))
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := standIn(platforms, file, []byte("certificates"))
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := standIn(platforms, file, []byte("other certificates"))
	if err != nil {
		t.Fatal(err)
	}
	if first != second || first == other {
		t.Errorf("digests %s and %s for the same content, %s for another one", first, second, other)
	}
}

func TestTheStandInHasWhatProgramsLookFor(t *testing.T) {
	t.Parallel()
	made, digest, err := standIn([]string{"linux/amd64", "linux/arm64"}, zones(t), []byte("certificates"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := openLayout(writeLayout(t, made, digest))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.images) != 2 || l.images[1].platform.String() != "linux/arm64" || l.images[1].config.Config.User != nonrootUser {
		t.Fatalf("images: %+v", l.images)
	}
	dir := t.TempDir()
	if err := l.images[0].unpack(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"etc/passwd": passwd, caFile: "certificates", zoneFolder + "/Europe/Berlin": "rules of Europe/Berlin",
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			t.Errorf("/%s holds %q, %v, want %q", name, got, err, want)
		}
	}
	for _, folder := range []string{"tmp", "home/nonroot"} {
		if stat, err := os.Stat(filepath.Join(dir, folder)); err != nil || !stat.IsDir() {
			t.Errorf("/%s is no folder: %v", folder, err)
		}
	}
	plain, err := baseLayer(zones(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if end := plain[len(plain)-1024:]; !bytes.Equal(end, make([]byte, 1024)) {
		t.Error("the layer does not end with two empty blocks: other readers of tar files refuse it")
	}
}

func TestTheRegistryHandsOutWhatTheStandInConsistsOf(t *testing.T) {
	t.Parallel()
	made, digest, err := standIn([]string{"linux/amd64"}, zones(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := serve(t.Context(), made)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	for path, want := range map[string]int{
		"/v2/": http.StatusOK, "/v2/base/manifests/" + digest: http.StatusOK, "/v2/base/manifests/latest": http.StatusNotFound,
		"/v2/other/manifests/" + digest: http.StatusNotFound,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s is answered %d, want %d", path, answer.StatusCode, want)
		}
	}
}

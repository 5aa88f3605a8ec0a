package images

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// packed is a layout with one image of one layer with the entries.
func packed(t *testing.T, entries ...tar.Header) string {
	t.Helper()
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, entry := range entries {
		if err := w.WriteHeader(&entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := compress(plain.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	s := &store{content: map[string][]byte{}, mediaTypes: map[string]string{}}
	var c imageConfig
	c.OS, c.Architecture = "linux", "amd64"
	sum := sha256.Sum256(plain.Bytes())
	c.RootFS.DiffIDs = []string{"sha256:" + hex.EncodeToString(sum[:])}
	described, err := s.addJSON(configType, c)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.addJSON(manifestType, manifest{Config: described, Layers: []descriptor{s.add(layerType, layer)}})
	if err != nil {
		t.Fatal(err)
	}
	return writeLayout(t, s, m.Digest)
}

func unpackFrom(t *testing.T, dir string) error {
	t.Helper()
	l, err := openLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l.images[0].unpack(filepath.Join(t.TempDir(), "root"))
}

func TestLayersThatReachBeyondTheirFolderAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []tar.Header
		want    string
	}{
		"a file below a link that leads out": {
			entries: []tar.Header{{Typeflag: tar.TypeSymlink, Name: "out", Linkname: "/"}, {Typeflag: tar.TypeReg, Name: "out/file"}},
			want:    "out/file",
		},
		"a device":                      {entries: []tar.Header{{Typeflag: tar.TypeChar, Name: "null"}}, want: "null"},
		"the rights of somebody else":   {entries: []tar.Header{{Typeflag: tar.TypeReg, Name: "su", Mode: 0o4755}}, want: "rights"},
		"a path upwards stays below it": {entries: []tar.Header{{Typeflag: tar.TypeReg, Name: "../../file", Mode: 0o644}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := unpackFrom(t, packed(t, c.entries...))
			if c.want == "" && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
		})
	}
}

func TestABlobThatIsNotWhatItsDigestSaysIsRefused(t *testing.T) {
	t.Parallel()
	dir := packed(t, tar.Header{Typeflag: tar.TypeReg, Name: "file", Mode: 0o644})
	l, err := openLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	other, err := compress(make([]byte, 1024))
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(l.images[0].layers[0].Digest, "sha256:"))
	if err := os.WriteFile(blob, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.images[0].unpack(t.TempDir()); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("got %v, want an error about the digest", err)
	}
}

package images

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	// maxManifest bounds manifests, configurations and indices in bytes; they take a few kilobytes.
	maxManifest = 4 << 20
	// maxUnpacked bounds the unpacked layers of one image in bytes. The largest has about 80 MiB.
	maxUnpacked = 1 << 30
)

// image is the image of one platform in a layout.
type image struct {
	platform platformOf
	digest   string
	config   imageConfig
	layers   []descriptor
	dir      string // of the layout
	// packed and unpacked are the sizes of all layers in bytes; unpacked is known after unpack.
	packed, unpacked int64
}

// layout is what a folder in OCI image layout holds: one index with an image for each platform.
type layout struct {
	digest string
	images []*image
}

// openLayout reads the index, the manifests and the configurations, and checks their digests.
func openLayout(dir string) (*layout, error) {
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, fmt.Errorf("read an image layout: %w", err)
	}
	var top, all index
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, fmt.Errorf("read the index of %s: %w", dir, err)
	}
	if len(top.Manifests) != 1 {
		return nil, fmt.Errorf("%s holds %d images, want 1", dir, len(top.Manifests))
	}
	l := &layout{digest: top.Manifests[0].Digest}
	all.Manifests = top.Manifests
	if top.Manifests[0].MediaType == indexType {
		if err := readJSON(dir, top.Manifests[0], &all); err != nil {
			return nil, err
		}
	}
	for _, described := range all.Manifests {
		i := &image{digest: described.Digest, dir: dir}
		var m manifest
		if err := readJSON(dir, described, &m); err != nil {
			return nil, err
		}
		if err := readJSON(dir, m.Config, &i.config); err != nil {
			return nil, err
		}
		i.layers = m.Layers
		i.platform = platformOf{OS: i.config.OS, Architecture: i.config.Architecture}
		for _, layer := range m.Layers {
			i.packed += layer.Size
		}
		if len(i.layers) != len(i.config.RootFS.DiffIDs) {
			return nil, fmt.Errorf("%s for %s has %d layers and %d digests of unpacked ones",
				dir, i.platform, len(i.layers), len(i.config.RootFS.DiffIDs))
		}
		l.images = append(l.images, i)
	}
	return l, nil
}

// openBlob opens a blob; the digest of what is read from it is compared by check, once everything is read.
func openBlob(dir string, d descriptor) (content io.Reader, check, closing func() error, err error) {
	algorithm, sum, _ := strings.Cut(d.Digest, ":")
	if algorithm != "sha256" || len(sum) != 2*sha256.Size || !filepath.IsLocal(sum) {
		return nil, nil, nil, fmt.Errorf("digest %q is not a sha256", d.Digest)
	}
	file, err := os.Open(filepath.Join(dir, "blobs", "sha256", sum))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("open a blob: %w", err)
	}
	hash := sha256.New()
	content = io.TeeReader(file, hash)
	check = func() error {
		if _, err := io.Copy(io.Discard, content); err != nil {
			return fmt.Errorf("read %s: %w", d.Digest, err)
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
			return fmt.Errorf("the content of %s has the digest %s", d.Digest, got)
		}
		return nil
	}
	return content, check, file.Close, nil
}

func readJSON(dir string, d descriptor, into any) (err error) {
	content, check, closing, err := openBlob(dir, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	text, err := io.ReadAll(io.LimitReader(content, maxManifest))
	if err != nil {
		return fmt.Errorf("read %s: %w", d.Digest, err)
	}
	if err := check(); err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s, a %s: %w", d.Digest, d.MediaType, err)
	}
	return nil
}

// unpack writes the files of all layers below dir, and checks the digests of the layers, packed and unpacked.
func (i *image) unpack(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("unpack an image: %w", err)
	}
	// Nothing that a layer says leads out of a Root.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack an image: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	i.unpacked = 0
	for n, layer := range i.layers {
		if err := i.unpackLayer(root, layer, i.config.RootFS.DiffIDs[n]); err != nil {
			return fmt.Errorf("unpack layer %s: %w", layer.Digest, err)
		}
	}
	return nil
}

func (i *image) unpackLayer(root *os.Root, layer descriptor, diff string) (err error) {
	content, check, closing, err := openBlob(i.dir, layer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	plain, err := gzip.NewReader(content)
	if err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	hash := sha256.New()
	counted := io.TeeReader(io.LimitReader(plain, maxUnpacked), hash)
	entries := tar.NewReader(counted)
	for {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read an entry: %w", err)
		}
		if err := writeEntry(root, entry, entries); err != nil {
			return err
		}
		i.unpacked += entry.Size
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		return fmt.Errorf("read to the end: %w", err)
	}
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != diff {
		return fmt.Errorf("unpacked it has the digest %s, want %s", got, diff)
	}
	return check()
}

func writeEntry(root *os.Root, entry *tar.Header, content io.Reader) error {
	name := filepath.FromSlash(strings.TrimPrefix(path.Clean("/"+entry.Name), "/"))
	if name == "" {
		return nil
	}
	mode := entry.FileInfo().Mode()
	if mode&(os.ModeSetuid|os.ModeSetgid) != 0 {
		return fmt.Errorf("%s runs with the rights of somebody else", entry.Name)
	}
	var err error
	switch entry.Typeflag {
	case tar.TypeDir:
		// Whoever unpacks has to be able to write into folders that belong to others in the image.
		err = root.MkdirAll(name, 0o750)
	case tar.TypeReg:
		err = writeFile(root, name, mode.Perm()|0o400, content)
	case tar.TypeSymlink:
		if err = root.MkdirAll(filepath.Dir(name), 0o750); err == nil {
			err = root.Symlink(entry.Linkname, name)
		}
	default:
		return fmt.Errorf("%s is of type %q, and neither a file, nor a folder, nor a link", entry.Name, entry.Typeflag)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", entry.Name, err)
	}
	return nil
}

func writeFile(root *os.Root, name string, mode os.FileMode, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return err //nolint:wrapcheck // writeEntry says which entry
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

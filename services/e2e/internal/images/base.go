package images

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// The files of a base image that programs look for, with the paths of Debian and so of distroless.
const (
	caFile      = "etc/ssl/certs/ca-certificates.crt"
	zoneFolder  = "usr/share/zoneinfo"
	nonrootUser = "65532"
)

const (
	passwd = "root:x:0:0:root:/root:/sbin/nologin\n" +
		"nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n" +
		"nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
	group = "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"
)

// machineCAs are where Linux distributions and macOS keep the certificates that they trust.
var machineCAs = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// store is the content of a registry: blobs and manifests by digest, with their media types.
type store struct {
	content    map[string][]byte
	mediaTypes map[string]string
}

func (s *store) add(mediaType string, content []byte) descriptor {
	sum := sha256.Sum256(content)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	s.content[digest], s.mediaTypes[digest] = content, mediaType
	return descriptor{MediaType: mediaType, Digest: digest, Size: int64(len(content))}
}

func (s *store) addJSON(mediaType string, v any) (descriptor, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, fmt.Errorf("encode %s: %w", mediaType, err)
	}
	return s.add(mediaType, text), nil
}

// standIn makes a base image for the platforms, and returns where it is and the digest of its index. zones is Go's
// zoneinfo.zip; ca are the certificates, which may be empty.
func standIn(platforms []string, zones string, ca []byte) (*store, string, error) {
	s := &store{content: map[string][]byte{}, mediaTypes: map[string]string{}}
	plain, err := baseLayer(zones, ca)
	if err != nil {
		return nil, "", err
	}
	packed, err := compress(plain)
	if err != nil {
		return nil, "", err
	}
	layer := s.add(layerType, packed)
	diff := sha256.Sum256(plain)
	all := index{SchemaVersion: 2, MediaType: indexType}
	for _, platform := range platforms {
		goos, arch, _ := strings.Cut(platform, "/")
		var c imageConfig
		c.OS, c.Architecture = goos, arch
		c.Config.User, c.Config.WorkingDir = nonrootUser, "/home/nonroot"
		c.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE=/" + caFile}
		c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{"sha256:" + hex.EncodeToString(diff[:])}
		described, err := s.addJSON(configType, c)
		if err != nil {
			return nil, "", err
		}
		m, err := s.addJSON(manifestType, manifest{
			SchemaVersion: 2, MediaType: manifestType, Config: described, Layers: []descriptor{layer},
		})
		if err != nil {
			return nil, "", err
		}
		m.Platform = &platformOf{OS: goos, Architecture: arch}
		all.Manifests = append(all.Manifests, m)
	}
	described, err := s.addJSON(indexType, all)
	return s, described.Digest, err
}

// baseLayer is the stand-in's only layer, as a tar file that is the same for the same content.
func baseLayer(zones string, ca []byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	made := map[string]bool{}
	folder := func(name string, mode int64, owner int) error {
		made[name] = true
		return writeHeader(w, &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Uid: owner, Gid: owner})
	}
	add := func(name string, mode int64, content []byte) error {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if !made[dir] {
				// The order of folders does not matter to those who unpack them.
				if err := folder(dir, 0o755, 0); err != nil {
					return err
				}
			}
		}
		if err := writeHeader(w, &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err := w.Write(content)
		return asTar(err)
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{
		{"etc/passwd", []byte(passwd)},
		{"etc/group", []byte(group)},
		{"etc/nsswitch.conf", []byte("hosts: files dns\n")},
		{caFile, ca},
	} {
		if err := add(file.name, 0o644, file.content); err != nil {
			return nil, err
		}
	}
	if err := folder("home", 0o755, 0); err != nil {
		return nil, err
	}
	if err := folder("home/nonroot", 0o700, 65532); err != nil {
		return nil, err
	}
	if err := folder("tmp", 0o1777, 0); err != nil {
		return nil, err
	}
	if err := addZones(zones, add); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, asTar(err)
	}
	return out.Bytes(), nil
}

func writeHeader(w *tar.Writer, h *tar.Header) error {
	h.Format = tar.FormatUSTAR
	return asTar(w.WriteHeader(h))
}

func asTar(err error) error {
	if err != nil {
		return fmt.Errorf("write a layer: %w", err)
	}
	return nil
}

// addZones adds the time zones that came with Go.
func addZones(file string, add func(name string, mode int64, content []byte) error) error {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("open Go's time zones: %w", err)
	}
	defer func() { _ = archive.Close() }()
	entries := slices.Clone(archive.File)
	slices.SortFunc(entries, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	for _, entry := range entries {
		if entry.FileInfo().IsDir() {
			continue
		}
		content, err := readEntry(entry)
		if err != nil {
			return err
		}
		//nolint:gosec // Go's own archive, and a name in a layer and not on this machine
		if err := add(path.Join(zoneFolder, entry.Name), 0o644, content); err != nil {
			return err
		}
	}
	return nil
}

func readEntry(entry *zip.File) ([]byte, error) {
	opened, err := entry.Open()
	if err != nil {
		return nil, fmt.Errorf("open the time zone %s: %w", entry.Name, err)
	}
	defer func() { _ = opened.Close() }()
	content, err := io.ReadAll(io.LimitReader(opened, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the time zone %s: %w", entry.Name, err)
	}
	return content, nil
}

func compress(plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("compress a layer: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress a layer: %w", err)
	}
	return out.Bytes(), nil
}

// trustedHere returns the CA certificates of this machine. A machine without any is one without TLS to the outside.
func trustedHere() []byte {
	for _, file := range machineCAs {
		if content, err := os.ReadFile(file); err == nil {
			return content
		}
	}
	return nil
}

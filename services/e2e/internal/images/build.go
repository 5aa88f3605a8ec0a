package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

const (
	repositoryPath = "github.com/enneo-ai/enneo-bridge"
	module         = repositoryPath + "/services"
	// prefix stands before the name of a service in the name of its image.
	prefix = "enneo-bridge-"
)

// artifact is an image that skaffold.yaml builds.
type artifact struct {
	Image string `yaml:"image"`
	KO    struct {
		Main string `yaml:"main"`
	} `yaml:"ko"`
}

func (a artifact) service() string { return strings.TrimPrefix(a.Image, prefix) }

// artifacts are those of skaffold.yaml, which is the list of the images that there are.
func artifacts(root string) ([]artifact, error) {
	text, err := os.ReadFile(filepath.Join(root, "skaffold.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read the list of images: %w", err)
	}
	var config struct {
		Build struct {
			Artifacts []artifact `yaml:"artifacts"`
		} `yaml:"build"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("read the list of images: %w", err)
	}
	if len(config.Build.Artifacts) == 0 {
		return nil, errors.New("skaffold.yaml builds no images")
	}
	return config.Build.Artifacts, nil
}

// builder builds images with ko.
type builder struct {
	root, out string
	platforms []string
	// base replaces the base image of .ko.yaml unless it is empty.
	base string
}

// stamped tells whether Go finds the commit: it does not know linked working trees.
func (b *builder) stamped() bool {
	stat, err := os.Stat(filepath.Join(b.root, ".git"))
	return err == nil && stat.IsDir()
}

// layout is the folder of an image.
func (b *builder) layout(a artifact) string { return filepath.Join(b.out, a.Image) }

// sbom is the file with the bill of materials of an image.
func (b *builder) sbom(a artifact, p platformOf) string {
	return filepath.Join(b.out, "sbom", fmt.Sprintf("%s-%s-%s.spdx.json", a.service(), p.OS, p.Architecture))
}

func (b *builder) build(ctx context.Context, a artifact) (*layout, error) {
	if err := os.RemoveAll(b.layout(a)); err != nil {
		return nil, fmt.Errorf("remove the image that was there: %w", err)
	}
	//nolint:gosec // the arguments are those of skaffold.yaml
	cmd := exec.CommandContext(ctx, "ko", "build", "--push=false", "--oci-layout-path="+b.layout(a),
		"--platform="+strings.Join(b.platforms, ","), "--sbom=spdx", "--sbom-dir="+filepath.Join(b.out, "sbom"), a.KO.Main)
	cmd.Dir = b.root
	cmd.Env = append(cmd.Environ(), "KOCACHE=", "KO_DOCKER_REPO=nowhere.invalid")
	if b.base != "" {
		cmd.Env = append(cmd.Env, "KO_DEFAULTBASEIMAGE="+b.base)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ko build %s: %w\n%s", a.KO.Main, err, said.Bytes())
	}
	return openLayout(b.layout(a))
}

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/enneo-ai/enneo-bridge/services/bench/internal/child"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/contest"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/procfs"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/report"
	"github.com/enneo-ai/enneo-bridge/services/bench/internal/servers"
)

// natsServer is the main package of the server that the tests use as a library.
const natsServer = "github.com/nats-io/nats-server/v2"

// run is one run of the command.
type run struct {
	*options
	// root is the repository, dir a directory for stores on the repository's disk, bin the binaries.
	root, dir, bin string
	stderr         io.Writer
}

// newRun builds the binaries.
func newRun(ctx context.Context, o *options, stderr io.Writer) (*run, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	base := filepath.Join(root, "tmp", "bench")
	if err := os.MkdirAll(base, 0o750); err != nil {
		return nil, fmt.Errorf("directory for stores: %w", err)
	}
	// Below the repository and not in the system's temporary directory, which may be memory: a sync would cost nothing.
	dir, err := os.MkdirTemp(base, "run-")
	if err != nil {
		return nil, fmt.Errorf("directory for stores: %w", err)
	}
	r := &run{options: o, root: root, dir: dir, bin: o.bin, stderr: stderr}
	if r.bin == "" {
		r.bin = filepath.Join(base, "bin")
		err = r.build(ctx)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *run) close() { _ = os.RemoveAll(r.dir) }

// repository is the nearest directory upwards that has a go.work.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("find the repository: no go.work here or above")
		}
		dir = above
	}
}

func (r *run) build(ctx context.Context) error {
	r.progress("building the services and nats-server")
	args := []string{"build", "-o", r.bin + string(filepath.Separator), natsServer}
	for _, name := range []string{"ingestor", "debouncer", "enricher", "publisher", "reconciler", "simulator"} {
		args = append(args, "./services/"+name+"/cmd/"+name)
	}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // our own packages
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

func (r *run) progress(format string, args ...any) {
	// Progress that cannot be shown is no reason to stop.
	_, _ = fmt.Fprintf(r.stderr, time.Now().Format(time.TimeOnly)+"  "+format+"\n", args...)
}

// times scales a number of events or windows.
func (r *run) times(n int) int { return max(1, int(float64(n)*r.scale)) }

// start starts a service and waits until it is ready.
func (r *run) start(ctx context.Context, name string, env map[string]string) (*child.Process, error) {
	all := map[string]string{"ADMIN_ADDR": "127.0.0.1:0", "LISTEN_ADDR": "127.0.0.1:0"}
	maps.Copy(all, env)
	if r.profile {
		all["PPROF_ENABLED"] = "true"
	}
	p, err := child.Start(ctx, filepath.Join(r.bin, name), nil, all)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (r *run) startNATS(ctx context.Context, sync bool) (*servers.NATS, error) {
	return servers.StartNATS(ctx, filepath.Join(r.bin, "nats-server"), r.dir, sync)
}

// takeProfile starts a CPU profile of a service if profiles are wanted; call what it returns to wait for its end.
func (r *run) takeProfile(ctx context.Context, p *child.Process, name string, seconds int) (wait func() error) {
	if !r.profile {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		path := filepath.Join(r.root, "tmp", "bench", name+".pprof")
		file, err := os.Create(path)
		if err != nil {
			done <- fmt.Errorf("profile: %w", err)
			return
		}
		err = p.Profile(ctx, seconds, file)
		r.progress("profile of %s: go tool pprof -top %s", p.Name, path)
		done <- errors.Join(err, file.Close())
	}()
	return func() error { return <-done }
}

// machine says on what all of this is measured.
func (r *run) machine(ctx context.Context) *report.Table {
	t := &report.Table{Title: "Machine", Header: []string{"what", "value"}}
	t.Row("CPU", fmt.Sprintf("%s, %d usable", processor(), runtime.NumCPU()))
	t.Row("system", runtime.GOOS+"/"+runtime.GOARCH)
	t.Row("time", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	t.Row("Go", runtime.Version())
	t.Row("nats-server", version(ctx, filepath.Join(r.bin, "nats-server"), "--version"))
	t.Row("redis-server", version(ctx, "redis-server", "--version"))
	t.Row("node", version(ctx, "node", "--version"))
	t.Row("BullMQ", r.bullVersion())
	return t
}

// bullVersion is the version of the peer that scripts/bench pins.
func (r *run) bullVersion() string {
	text, err := os.ReadFile(filepath.Join(r.root, "scripts", "bench", "package.json"))
	if err != nil {
		return "missing"
	}
	var manifest struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return "unknown"
	}
	return manifest.Dependencies["bullmq"]
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, " \t:\n")
		}
	}
	return "unknown"
}

func version(ctx context.Context, program, flag string) string {
	out, err := exec.CommandContext(ctx, program, flag).Output() //nolint:gosec // programs of this package
	if err != nil {
		return "missing"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.Join(strings.Fields(line)[:min(3, len(strings.Fields(line)))], " ")
}

// meter measures what processes use between start and stop.
type meter struct {
	pids   map[string]int
	before map[string]procfs.Usage
}

// startMeter begins; the map holds the process ids by the name under which they are told.
func startMeter(pids map[string]int) *meter {
	m := &meter{pids: pids, before: map[string]procfs.Usage{}}
	for name, pid := range pids {
		procfs.ResetPeak(pid)
		m.before[name] = procfs.Read(pid)
	}
	return m
}

// stop adds what was used to an outcome.
func (m *meter) stop(o *contest.Outcome) {
	o.CPU, o.Peak = map[string]time.Duration{}, map[string]int64{}
	for name, pid := range m.pids {
		used := procfs.Read(pid).Since(m.before[name])
		o.CPU[name], o.Peak[name] = used.CPU, used.Peak
	}
}

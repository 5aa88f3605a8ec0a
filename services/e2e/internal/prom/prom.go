// Package prom starts a real Prometheus, which scrapes services and is asked what it has seen.
//
// # Concurrency
//
// A Server is safe for concurrent use.
package prom

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// ErrMissing is the error when Prometheus is not installed; test with errors.Is.
var ErrMissing = errors.New("prometheus and promtool are not in PATH; scripts/ensure-prometheus.sh installs them")

// Every is the scrape interval: a rate has its samples within a second or two.
const Every = 250 * time.Millisecond

const startTimeout = time.Minute

// Target is a service to be scraped, with the labels that the PodMonitor gives it.
type Target struct {
	// Address is host:port of the admin server.
	Address string
	Labels  map[string]string
}

// Server is a running Prometheus. Make one with Start, and Stop it.
type Server struct {
	url string
	cmd *exec.Cmd
}

var listening = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// Start starts a Prometheus in dir, which has to exist, and waits until it listens. rules is the file of its rules.
func Start(ctx context.Context, dir, rules string, targets []Target) (*Server, error) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, errors.Join(ErrMissing, err)
	}
	file := filepath.Join(dir, "prometheus.json")
	if err := os.WriteFile(file, configuration(rules, targets), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration of prometheus: %w", err)
	}
	// Not bound to the context: it ends with Stop.
	cmd := exec.Command(binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), //nolint:noctx,gosec // see above
		"--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage")
	printed, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start prometheus: %w", err)
	}
	address := make(chan string, 1)
	go func() {
		defer close(address)
		for lines := bufio.NewScanner(printed); lines.Scan(); {
			if found := listening.FindStringSubmatch(lines.Text()); found != nil {
				address <- found[1]
			}
		}
	}()
	s := &Server{cmd: cmd}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case at, ok := <-address:
		if !ok {
			s.Stop()
			return nil, errors.New("prometheus has ended before it listened")
		}
		s.url = "http://" + at
		// What it prints later is read and dropped, or it would block.
		go func() {
			for range address {
				continue
			}
		}()
		return s, nil
	case <-ctx.Done():
		s.Stop()
		return nil, fmt.Errorf("wait for prometheus: %w", ctx.Err())
	}
}

// Stop kills the server.
func (s *Server) Stop() {
	// It fails only if the process is gone already.
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// configuration is YAML, of which JSON is a part.
func configuration(rules string, targets []Target) []byte {
	type static struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	statics := make([]static, len(targets))
	for i, t := range targets {
		statics[i] = static{[]string{t.Address}, t.Labels}
	}
	text, err := json.Marshal(map[string]any{
		"global": map[string]string{
			"scrape_interval": Every.String(), "scrape_timeout": Every.String(), "evaluation_interval": time.Second.String(),
		},
		"rule_files": []string{rules},
		"scrape_configs": []map[string]any{{
			"job_name": "bridge", "static_configs": statics, "honor_labels": false, "scrape_interval": Every.String(),
		}},
	})
	if err != nil {
		panic(err) // maps of strings
	}
	return text
}

// Sample is one series of an instant query.
type Sample struct {
	Metric map[string]string `json:"metric"`
	// Value is the time and the value as text.
	Value [2]any `json:"value"`
}

// Query evaluates an expression now.
func (s *Server) Query(ctx context.Context, expr string) ([]Sample, error) {
	var data struct {
		Result []Sample `json:"result"`
	}
	return data.Result, s.get(ctx, "/api/v1/query", url.Values{"query": {expr}}, &data)
}

// Values are the values of a label among the series that match.
func (s *Server) Values(ctx context.Context, label, match string) ([]string, error) {
	var values []string
	err := s.get(ctx, "/api/v1/label/"+url.PathEscape(label)+"/values", url.Values{"match[]": {match}}, &values)
	return values, err
}

// Exemplars are the labels of the exemplars of an expression in the last hour.
func (s *Server) Exemplars(ctx context.Context, expr string) ([]map[string]string, error) {
	now := time.Now()
	var series []struct {
		Exemplars []struct {
			Labels map[string]string `json:"labels"`
		} `json:"exemplars"`
	}
	err := s.get(ctx, "/api/v1/query_exemplars", url.Values{
		"query": {expr}, "start": {now.Add(-time.Hour).Format(time.RFC3339)}, "end": {now.Add(time.Minute).Format(time.RFC3339)},
	}, &series)
	var labels []map[string]string
	for _, one := range series {
		for _, exemplar := range one.Exemplars {
			labels = append(labels, exemplar.Labels)
		}
	}
	return labels, err
}

// Rule is a rule as Prometheus has evaluated it.
type Rule struct {
	Name, Health, LastError string
}

// Rules are all rules that were evaluated.
func (s *Server) Rules(ctx context.Context) ([]Rule, error) {
	var data struct {
		Groups []struct{ Rules []Rule }
	}
	err := s.get(ctx, "/api/v1/rules", nil, &data)
	var rules []Rule
	for _, group := range data.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules, err
}

func (s *Server) get(ctx context.Context, path string, query url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("ask prometheus: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask prometheus: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("ask prometheus: %w", err)
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("ask prometheus: %s: %w", resp.Status, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("prometheus refuses %s: %s", query, answer.Error)
	}
	return nil
}

// Tool runs promtool in a directory and returns what it has printed.
func Tool(ctx context.Context, dir string, arguments ...string) (string, error) {
	binary, err := exec.LookPath("promtool")
	if err != nil {
		return "", errors.Join(ErrMissing, err)
	}
	cmd := exec.CommandContext(ctx, binary, arguments...) //nolint:gosec // the caller is a test
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("promtool %s: %w", strings.Join(arguments, " "), err)
	}
	return string(out), err
}

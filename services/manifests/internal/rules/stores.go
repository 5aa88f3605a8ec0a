package rules

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/conf"
)

// stores: NATS syncs before it acknowledges and knows all its servers, Redis keeps what it holds and throws nothing away,
// and streams have no more replicas than NATS has servers.
func stores(s *Set) (errs []error) {
	servers := 0
	for _, w := range s.Workloads {
		switch w.Name {
		case "nats":
			servers = int(*w.Replicas)
			for _, err := range natsServer(s.Files(w, nothing)["/etc/nats/nats.conf"], servers) {
				errs = append(errs, fmt.Errorf("%s: %w", w, err))
			}
		case "redis":
			config := "\n" + s.Files(w, nothing)["/etc/redis/redis.conf"]
			for _, line := range []string{"appendonly yes", "maxmemory-policy noeviction", "maxmemory "} {
				if !strings.Contains(config, "\n"+line) {
					errs = append(errs, fmt.Errorf("%s: its configuration lacks %q", w, line))
				}
			}
		}
	}
	for _, w := range s.Workloads {
		if !isOurs(w.Name) || servers == 0 {
			continue
		}
		env := s.Env(&w.Pod.Spec.Containers[0], nothing)
		if n, err := strconv.Atoi(env["STREAM_REPLICAS"]); err == nil && n > servers {
			errs = append(errs, fmt.Errorf("%s: STREAM_REPLICAS is %d, with %d servers", w, n, servers))
		}
		if monitors := strings.Count(env["NATS_MONITOR_URL"], "http"); monitors > 0 && monitors != servers {
			errs = append(errs, fmt.Errorf("%s: NATS_MONITOR_URL names %d of %d servers", w, monitors, servers))
		}
	}
	return errs
}

// natsServer checks the configuration of a NATS server that is one of so many.
func natsServer(config string, servers int) (errs []error) {
	// The variables come from the pod; their values do not matter here.
	config = "POD_NAME: nats-0\nNATS_USER: user\nNATS_PASSWORD: password\n" + config
	read, err := conf.Parse(config)
	if err != nil {
		return []error{fmt.Errorf("read nats.conf: %w", err)}
	}
	jetstream, _ := read["jetstream"].(map[string]any)
	if jetstream["sync_interval"] != "always" {
		errs = append(errs, fmt.Errorf("acknowledges before it syncs (jetstream.sync_interval)"))
	}
	if jetstream["max_file_store"] == nil {
		errs = append(errs, fmt.Errorf("has no limit below its volume (jetstream.max_file_store)"))
	}
	if read["authorization"] == nil {
		errs = append(errs, fmt.Errorf("lets everybody in (authorization)"))
	}
	if servers == 1 {
		return errs
	}
	cluster, _ := read["cluster"].(map[string]any)
	routes, _ := cluster["routes"].([]any)
	for i := range servers {
		want := fmt.Sprintf("nats://nats-%d.nats-headless:6222", i)
		found := false
		for _, route := range routes {
			found = found || route == want
		}
		if !found {
			errs = append(errs, fmt.Errorf("has no route to %s", want))
		}
	}
	return errs
}

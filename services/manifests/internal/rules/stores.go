package rules

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
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
	// The variables come from the pod; their values do not matter here, and one that is not used would be an unknown field.
	for name, value := range map[string]string{"POD_NAME": "nats-0", "NATS_USER": "user", "NATS_PASSWORD": "password"} {
		if strings.Contains(config, "$"+name) {
			config = name + ": " + value + "\n" + config
		}
	}
	var o server.Options
	if err := o.ProcessConfigString(config); err != nil {
		return []error{fmt.Errorf("nats-server refuses nats.conf: %w", err)}
	}
	for problem, wrong := range map[string]bool{
		"acknowledges before it syncs (jetstream.sync_interval)":             !o.JetStream || !o.SyncAlways,
		"has no limit below its volume (jetstream.max_file_store)":           o.JetStreamMaxStore <= 0,
		"lets everybody in (authorization)":                                  o.Username == "" || o.Password == "",
		"does not tell what an acknowledgement is worth (http on port 8222)": o.HTTPPort != 8222,
		"has a name of its own at each start (server_name)":                  o.ServerName != "nats-0",
	} {
		if wrong {
			errs = append(errs, errors.New(problem))
		}
	}
	if servers == 1 {
		return errs
	}
	if !o.Cluster.NoAdvertise {
		// KEDA takes addresses that are advertised for names below the one that it was given.
		errs = append(errs, errors.New("advertises addresses of pods (cluster.no_advertise)"))
	}
	for i := range servers {
		want := fmt.Sprintf("nats://nats-%d.nats-headless:6222", i)
		if !slices.ContainsFunc(o.Routes, func(u *url.URL) bool { return u.String() == want }) {
			errs = append(errs, fmt.Errorf("has no route to %s", want))
		}
	}
	return errs
}

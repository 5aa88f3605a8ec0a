package manifests_test

import (
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/services/manifests/internal/rules"
)

// TestEveryRuleFindsItsMistake breaks a rendered overlay in one place, and wants that rule to say so.
func TestEveryRuleFindsItsMistake(t *testing.T) {
	t.Parallel()
	text := map[string]string{"dev": string(build(t, "overlays/dev", nil)), "prod": string(build(t, "overlays/prod", nil))}
	told := map[string]bool{}
	for _, tc := range []struct {
		overlay, rule string
		// The first old becomes new, from the first after on.
		after, old, new string
		want            string
	}{
		{"dev", "restricted", "name: ingestor\n", "runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot != true"},
		{"dev", "restricted", "name: ingestor\n", "          type: RuntimeDefault", "          type: Unconfined", "seccompProfile"},
		{"dev", "restricted", "name: redis\n", "            - ALL", "            - NET_RAW", "unrestricted capabilities"},
		{"dev", "restricted", "", "pod-security.kubernetes.io/enforce: restricted", "pod-security.kubernetes.io/enforce: baseline", "Namespace/enneo-bridge"},
		{"dev", "containers", "name: ingestor\n", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "the root is not read only"},
		{"dev", "containers", "name: ingestor\n", "          limits:\n            cpu: \"1\"\n", "          limits:\n", "no request or no limit of cpu"},
		{"dev", "containers", "name: ingestor\n", "            memory: 256Mi", "            memory: 32Mi", "requests more memory than its limit"},
		{"dev", "containers", "name: ingestor\n", "        readinessProbe:\n          failureThreshold: 2\n          httpGet:\n            path: /readyz\n            port: admin\n          periodSeconds: 5\n          timeoutSeconds: 3\n", "", "no readiness probe"},
		{"dev", "containers", "name: reconciler\n", "livenessProbe:", "startupProbe:", "no liveness probe"},
		{"dev", "containers", "name: ingestor\n", "path: /readyz\n            port: admin", "path: /readyz\n            port: metrics", "which the container does not name"},
		{"dev", "containers", "name: ingestor\n", "resource: limits.memory", "resource: limits.cpu", "GOMEMLIMIT does not follow"},
		{"dev", "accounts", "name: ingestor\n", "automountServiceAccountToken: false", "automountServiceAccountToken: true", "a token of the API is mounted"},
		{"dev", "accounts", "", "automountServiceAccountToken: false\nkind: ServiceAccount", "kind: ServiceAccount", "a token of the API is mounted"},
		{"dev", "accounts", "name: ingestor\n", "enableServiceLinks: false", "enableServiceLinks: true", "enableServiceLinks"},
		{"dev", "accounts", "name: ingestor\n", "serviceAccountName: ingestor", "serviceAccountName: default", "has no ServiceAccount of its own name"},
		{"dev", "companions", "kind: Service\n", "  selector:\n    app.kubernetes.io/name: ingestor", "  selector:\n    app.kubernetes.io/name: lookup", "Deployment/ingestor: no Service"},
		{"dev", "companions", "kind: PodDisruptionBudget\n", "app.kubernetes.io/name: ingestor\n  unhealthy", "app.kubernetes.io/name: lookup\n  unhealthy", "Deployment/ingestor: no PodDisruptionBudget"},
		{"dev", "images", "", "image: enneo-bridge-ingestor", "image: enneo-bridge-enricher", "neither enneo-bridge-ingestor nor pinned"},
		{"dev", "images", "", "image: nats:2.15.2-alpine", "image: nats:latest", `"nats:latest"`},
		{"dev", "images", "", "image: redis:7.2.11-alpine", "image: redis", `"redis"`},
		{"dev", "termination", "name: ingestor\n", "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 45", "less than the 50s"},
		{"dev", "termination", "", "SHUTDOWN_TIMEOUT: 25s", "SHUTDOWN_TIMEOUT: 60s", "Deployment/debouncer: terminationGracePeriodSeconds is 45s"},
		{"dev", "termination", "name: ingestor\n", "seconds: 10", "seconds: 1", "preStop sleeps 1s"},
		{"dev", "rollout", "name: ingestor\n", "maxUnavailable: 0", "maxUnavailable: 1", "an old pod may go"},
		{"dev", "rollout", "name: ingestor\n", "    rollingUpdate:\n      maxSurge: 1\n      maxUnavailable: 0", "    type: Recreate", "is recreated"},
		{"dev", "cron", "", "concurrencyPolicy: Forbid", "concurrencyPolicy: Allow", "concurrencyPolicy is not Forbid"},
		{"dev", "cron", "", "      activeDeadlineSeconds: 21600\n", "", "activeDeadlineSeconds is not set"},
		{"dev", "cron", "", "  startingDeadlineSeconds: 300\n", "", "startingDeadlineSeconds is not set"},
		{"dev", "references", "kind: Secret\n", "name: bridge-webhooks-", "name: other-", "needs the Secret bridge-webhooks-"},
		{"prod", "references", "kind: ExternalSecret\n", "    name: bridge-redis\n", "    name: other\n", "needs the Secret bridge-redis"},
		{"dev", "references", "name: publisher\n", "- mountPath: /etc/enneo-bridge/enneo\n          name: enneo\n", "- mountPath: /etc/enneo-bridge/enneo\n          name: other\n", "mounts other, which is no volume"},
		{"dev", "references", "name: reconciler\n", "sizeLimit: 512Mi", "medium: Memory", "has no sizeLimit"},
		{"dev", "selectors", "kind: Deployment\n", "  selector:\n    matchLabels:\n      app.kubernetes.io/name: ingestor", "  selector:\n    matchLabels:\n      app.kubernetes.io/name: other", "does not match its own pods"},
		{"dev", "selectors", "kind: Service\n", "targetPort: http", "targetPort: web", "leads to web, which Deployment/ingestor does not have"},
		{"dev", "selectors", "kind: Service\n", "port: 8080", "port: 80", "is 80, and 8080 in the pod"},
		{"dev", "selectors", "kind: PodDisruptionBudget\n", "app.kubernetes.io/name: ingestor\n  unhealthy", "app.kubernetes.io/name: other\n  unhealthy", "covers the pods of 0 workloads"},
		{"prod", "backends", "kind: Ingress\n", "              name: http", "              name: web", `leads to port "web" of ingestor`},
		{"prod", "backends", "kind: Ingress\n", "              name: http", "              name: admin", "shows the admin port"},
		{"prod", "policies", "name: default-deny\n", "  - Egress\n", "", "no NetworkPolicy denies by default"},
		{"prod", "policies", "name: scrape\n", "port: 9090", "port: 9091", "none of its pods has the port 9091"},
		{"prod", "policies", "name: scrape\n", "      - ingestor\n", "      - ingester\n", "no pod has app.kubernetes.io/name=ingester"},
		{"prod", "reach", "name: to-nats\n", "      - ingestor\n", "", "Deployment/ingestor: no policy lets it out to port 4222"},
		{"prod", "reach", "name: nats\n  namespace: enneo-bridge\nspec:\n  ingress:", "          - enricher\n", "", "no policy lets Deployment/enricher in to port 4222"},
		{"prod", "reach", "name: dns\n", "podSelector: {}", "podSelector:\n    matchLabels:\n      app.kubernetes.io/name: ingestor", "Deployment/debouncer: no policy lets it out to port 53"},
		{"prod", "scaling", "kind: HorizontalPodAutoscaler\n", "    name: ingestor", "    name: enricher", "as HorizontalPodAutoscaler/ingestor does"},
		{"prod", "scaling", "kind: HorizontalPodAutoscaler\n", "    name: ingestor", "    name: other", "which is not there"},
		{"prod", "scaling", "kind: Deployment\n", "spec:\n", "spec:\n  replicas: 2\n", "whose replicas are fixed as well"},
		{"prod", "scaling", "kind: ScaledObject\n", "minReplicaCount: 2", "minReplicaCount: 0", "want at least one"},
		{"prod", "triggers", "kind: ScaledObject\n", "consumer: debouncer-powercloud", "consumer: debouncer-other", "which the debouncer does not have"},
		{"prod", "triggers", "", "SOURCES: powercloud,lynqtech", "SOURCES: powercloud,lynqtech,generic", "does not ask for the consumer debouncer-generic"},
		{"prod", "triggers", "kind: ScaledObject\n", "stream: EVENTS", "stream: DUE", "is a consumer of EVENTS, not of DUE"},
		{"prod", "triggers", "kind: ScaledObject\n", "account: $G", "acount: $G", "knows no field acount"},
		{"prod", "triggers", "kind: ScaledObject\n", "natsServerMonitoringEndpoint: nats-headless.enneo-bridge.svc", "natsServerMonitoringEndpoint: nats-headless.other.svc", "where no such Service is"},
		{"prod", "stores", "", "sync_interval: always", `sync_interval: "2m"`, "acknowledges before it syncs"},
		{"prod", "stores", "", "      nats://nats-2.nats-headless:6222\n", "", "has no route to nats://nats-2.nats-headless:6222"},
		{"prod", "stores", "", "no_advertise: true", "no_advertise: false", "advertises addresses of pods"},
		{"prod", "stores", "", "max_file_store: 9GB", "max_file_stor: 9GB", "nats-server refuses nats.conf"},
		{"dev", "stores", "", "http: 0.0.0.0:8222", "http: 0.0.0.0:8223", "http on port 8222"},
		{"dev", "stores", "", "server_name: $POD_NAME", "server_name: nats", "has a name of its own"},
		{"prod", "stores", "", "maxmemory-policy noeviction", "maxmemory-policy allkeys-lru", "noeviction"},
		{"prod", "stores", "", "STREAM_REPLICAS: \"3\"", "STREAM_REPLICAS: \"5\"", "STREAM_REPLICAS is 5, with 3 servers"},
		{"dev", "monitors", "", "", monitor("ServiceMonitor", "endpoints", "metrics"), `finds nothing with a port "metrics"`},
		{"dev", "monitors", "", "", monitor("PodMonitor", "podMetricsEndpoints", "metrics"), `finds nothing with a port "metrics"`},
	} {
		told[tc.rule] = true
		broken := breakAt(t, text[tc.overlay], tc.after, tc.old, tc.new)
		set, err := rules.Read([]byte(broken))
		if err != nil {
			t.Errorf("%s: %q for %q: %v", tc.rule, tc.new, tc.old, err)
			continue
		}
		var found []string
		for _, r := range rules.All() {
			if r.Name != tc.rule {
				continue
			}
			for _, err := range r.Check(set) {
				found = append(found, err.Error())
			}
		}
		if !strings.Contains(strings.Join(found, "\n"), tc.want) || len(found) == 0 {
			t.Errorf("%s: with %q for %q it finds %q, want %q", tc.rule, tc.new, tc.old, found, tc.want)
		}
	}
	for _, r := range rules.All() {
		if !told[r.Name] {
			t.Errorf("no mistake was made for the rule %s", r.Name)
		}
	}
}

// breakAt replaces the first old behind the first after, both of which have to be there.
func breakAt(t *testing.T, text, after, old, replacement string) string {
	t.Helper()
	from := strings.Index(text, after)
	if from < 0 {
		t.Fatalf("the manifests do not hold %q", after)
	}
	at := strings.Index(text[from:], old)
	if at < 0 {
		t.Fatalf("the manifests do not hold %q behind %q", old, after)
	}
	return text[:from+at] + replacement + text[from+at+len(old):]
}

// monitor is a document that tells Prometheus to scrape everything of ours at a port.
func monitor(kind, list, port string) string {
	return "apiVersion: monitoring.coreos.com/v1\nkind: " + kind + "\nmetadata:\n  name: all\nspec:\n  selector:\n    matchLabels:\n" +
		"      app.kubernetes.io/part-of: enneo-bridge\n  " + list + ":\n    - port: " + port + "\n---\n"
}

func TestMonitorsThatFindTheAdminPortKeepTheRules(t *testing.T) {
	t.Parallel()
	text := string(build(t, "overlays/dev", nil))
	for kind, list := range map[string]string{"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"} {
		set := read(t, []byte(monitor(kind, list, "admin")+text))
		for _, problem := range rules.Check(set, rules.All()) {
			t.Error(problem)
		}
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	text := string(build(t, "overlays/prod", nil))
	for _, tc := range []struct{ after, old, new, want string }{
		{"kind: Deployment\n", "spec:\n", "spec:\n  replica: 2\n", `unknown field "spec.replica"`},
		{"kind: NetworkPolicy\n", "podSelector:", "podselector:", `unknown field "spec.podselector"`},
		{"kind: Deployment\n", "periodSeconds: 10", "periodSeconds: ten", "cannot unmarshal string"},
		{"kind: ScaledObject\n", "minReplicaCount", "minReplicas", "additional properties 'minReplicas' not allowed"},
		{"kind: ScaledObject\n", "pollingInterval: 15", "pollingInterval: often", "want integer"},
		{"kind: ExternalSecret\n", "secretStoreRef", "storeRef", "additional properties 'storeRef' not allowed"},
		{"", "apiVersion: apps/v1", "apiVersion: apps/v1beta1", "no kind"},
		{"kind: Service\n", "metadata:\n", "metadata:\n  name: twice\n", "already set"},
	} {
		_, err := rules.Read([]byte(breakAt(t, text, tc.after, tc.old, tc.new)))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q for %q: %v, want %q", tc.new, tc.old, err, tc.want)
		}
	}
}

func TestMistakesInTheConfigurationAreFound(t *testing.T) {
	t.Parallel()
	text := map[string]string{"dev": string(build(t, "overlays/dev", nil)), "prod": string(build(t, "overlays/prod", nil))}
	for _, tc := range []struct{ overlay, old, new, want string }{
		{"dev", "LOG_LEVEL: info", "LOGLEVEL: info", "Deployment/ingestor: LOGLEVEL: is set, and nobody reads it"},
		{"dev", "LOG_LEVEL: info", "LOG_LEVEL: loud", "Deployment/debouncer: LOG_LEVEL"},
		{"dev", "  ENNEO_BASE_URL: http://simulator:8070/enneo/api/mind\n", "", "Deployment/publisher: ENNEO_BASE_URL"},
		{"dev", "  ENNEO_MODE: import", "  ENNEO_MODE: export", "Deployment/publisher: ENNEO_MODE"},
		{"dev", "DEBOUNCE_MAX_WAIT: 10s", "DEBOUNCE_MAX_WAIT: 1s", "SOURCE_POWERCLOUD_QUIET_PERIOD"},
		{"dev", "SOURCE_POWERCLOUD_RATE", "SOURCE_POWERCLOUD_RATES", "SOURCE_POWERCLOUD_RATES"},
		{"dev", "  SOURCE_POWERCLOUD_HOST: http://simulator:8070/powercloud\n", "", "Deployment/enricher: SOURCE_POWERCLOUD_HOST"},
		{"dev", "SOURCE_POWERCLOUD_WEBHOOK_SECRET: ", "SOURCE_POWERCLOUD_WEBHOOK_SECRET_PREVIOUS: ", "Deployment/ingestor: SOURCE_POWERCLOUD_WEBHOOK_SECRET"},
		{"dev", "SOURCES: powercloud", "SOURCES: powercloud,generic", "SOURCE_GENERIC_"},
		{"dev", "value: /etc/enneo-bridge/enneo/token", "value: /etc/enneo-bridge/token", "Deployment/publisher: ENNEO_TOKEN_FILE"},
		{"prod", "SOURCE_LYNQTECH_ENNEO_ID: L-{id}", "SOURCE_LYNQTECH_ENNEO_ID: P-{id}", "Deployment/publisher: "},
		{"prod", "secretKey: SOURCE_LYNQTECH_API_KEY", "secretKey: SOURCE_LYNQTECH_KEY", "CronJob/reconciler: SOURCE_LYNQTECH_KEY"},
	} {
		set := read(t, []byte(breakAt(t, text[tc.overlay], "", tc.old, tc.new)))
		var found strings.Builder
		for _, problem := range configuration(t, set) {
			found.WriteString(problem.Err.Error() + "\n")
		}
		if !strings.Contains(found.String(), tc.want) {
			t.Errorf("%q for %q finds %q, want %q", tc.new, tc.old, found.String(), tc.want)
		}
	}
}

package rules

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// restricted: pods keep to the restricted pod security standard, by the code that the API server itself uses, and the
// namespace refuses others.
func restricted(s *Set) (errs []error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []error{fmt.Errorf("make an evaluator: %w", err)}
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, w := range s.Workloads {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &w.Pod.ObjectMeta, &w.Pod.Spec))
		if !result.Allowed {
			errs = append(errs, fmt.Errorf("%s: %s: %s", w, result.ForbiddenReason(), result.ForbiddenDetail()))
		}
	}
	return append(errs, each(s, func(o *Object, _ *corev1.Namespace) []error {
		if o.Labels[api.EnforceLevelLabel] != string(api.LevelRestricted) {
			return []error{fmt.Errorf("%s: %s is not %s", o, api.EnforceLevelLabel, api.LevelRestricted)}
		}
		return nil
	})...)
}

// containers: each has requests, limits, probes, a root that is read only, and a memory limit that Go knows.
func containers(s *Set) (errs []error) {
	for _, w := range s.Workloads {
		for i := range w.Pod.Spec.Containers {
			c := &w.Pod.Spec.Containers[i]
			for _, err := range container(w, c) {
				errs = append(errs, fmt.Errorf("%s, container %s: %w", w, c.Name, err))
			}
		}
		if len(w.Pod.Spec.InitContainers) > 0 {
			errs = append(errs, fmt.Errorf("%s: init containers are not among what is checked", w))
		}
	}
	return errs
}

var (
	errRoot   = errors.New("the root is not read only")
	errGoMem  = errors.New("GOMEMLIMIT does not follow limits.memory")
	errLive   = errors.New("no liveness probe")
	errReady  = errors.New("no readiness probe")
	errStart  = errors.New("no startup probe")
	errTokens = errors.New("a token of the API is mounted")
	errLinks  = errors.New("enableServiceLinks is not false")
)

func container(w *Workload, c *corev1.Container) (errs []error) {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
		if request.IsZero() || limit.IsZero() {
			errs = append(errs, fmt.Errorf("no request or no limit of %s", name))
		}
		if request.Cmp(limit) > 0 {
			errs = append(errs, fmt.Errorf("requests more %s than its limit", name))
		}
	}
	if sc := c.SecurityContext; sc == nil || sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem {
		errs = append(errs, errRoot)
	}
	if c.LivenessProbe == nil {
		errs = append(errs, errLive)
	}
	// Nobody waits for a run of a CronJob to be ready.
	if w.Selector != nil {
		if c.ReadinessProbe == nil {
			errs = append(errs, errReady)
		}
		if c.StartupProbe == nil {
			errs = append(errs, errStart)
		}
	}
	if isOurs(w.Name) && !slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool {
		return v.Name == "GOMEMLIMIT" && v.ValueFrom != nil && v.ValueFrom.ResourceFieldRef != nil && v.ValueFrom.ResourceFieldRef.Resource == "limits.memory"
	}) {
		errs = append(errs, errGoMem)
	}
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if probe != nil && probe.HTTPGet != nil && !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.StrVal }) {
			errs = append(errs, fmt.Errorf("a probe asks port %q, which the container does not name", probe.HTTPGet.Port.String()))
		}
	}
	return errs
}

// accounts: each workload has an account of its own, without access to the API.
func accounts(s *Set) (errs []error) {
	for _, w := range s.Workloads {
		spec := &w.Pod.Spec
		if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
			errs = append(errs, fmt.Errorf("%s: %w", w, errTokens))
		}
		if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
			errs = append(errs, fmt.Errorf("%s: %w", w, errLinks))
		}
		if spec.ServiceAccountName != w.Name || s.find("ServiceAccount", w.Name) == nil {
			errs = append(errs, fmt.Errorf("%s: has no ServiceAccount of its own name, but %q", w, spec.ServiceAccountName))
		}
	}
	return append(errs, each(s, func(o *Object, a *corev1.ServiceAccount) []error {
		if a.AutomountServiceAccountToken == nil || *a.AutomountServiceAccountToken {
			return []error{fmt.Errorf("%s: %w", o, errTokens)}
		}
		return nil
	})...)
}

// companions: each workload has a Service and a PodDisruptionBudget.
func companions(s *Set) (errs []error) {
	for _, w := range s.Workloads {
		if !selected(s, w, func(o runtime.Object) map[string]string {
			if service, ok := o.(*corev1.Service); ok {
				return service.Spec.Selector
			}
			return nil
		}) {
			errs = append(errs, fmt.Errorf("%s: no Service selects its pods", w))
		}
		if !selected(s, w, func(o runtime.Object) map[string]string {
			if budget, ok := o.(*policyv1.PodDisruptionBudget); ok {
				return budget.Spec.Selector.MatchLabels
			}
			return nil
		}) {
			errs = append(errs, fmt.Errorf("%s: no PodDisruptionBudget covers its pods", w))
		}
	}
	return errs
}

func selected(s *Set, w *Workload, selector func(runtime.Object) map[string]string) bool {
	return slices.ContainsFunc(s.Objects, func(o *Object) bool {
		labels := selector(o.Typed)
		return len(labels) > 0 && contains(w.Pod.Labels, labels)
	})
}

// pinned is an image of somebody else's, by an exact version or a digest.
var (
	pinned  = regexp.MustCompile(`^[a-z0-9./-]+(:v?\d+\.\d+\.\d+[a-z0-9.-]*)?(@sha256:[0-9a-f]{64})?$`)
	version = regexp.MustCompile(`[:@]`)
)

// images: each is one of ours, whose tag is set by whoever deploys, or pinned.
func images(s *Set) (errs []error) {
	for _, w := range s.Workloads {
		for i := range w.Pod.Spec.Containers {
			image := w.Pod.Spec.Containers[i].Image
			own := isOurs(w.Name) && image == "enneo-bridge-"+w.Name
			if !own && (!pinned.MatchString(image) || !version.MatchString(image)) {
				errs = append(errs, fmt.Errorf("%s: the image %q is neither enneo-bridge-%s nor pinned to an exact version", w, image, w.Name))
			}
		}
	}
	return errs
}

package rules

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// beyondShutdown is what a process of ours needs after SHUTDOWN_TIMEOUT, see libs/app: 5 s for the last spans, 5 s for the
// admin server, and some to spare.
const beyondShutdown = 15 * time.Second

// leastPause is how long a pod that goes still has to answer: endpoints and proxies need their seconds.
const leastPause = 5 * time.Second

// serving are the services that others send requests to.
var serving = map[string]bool{"ingestor": true, "lookup": true}

// termination: the grace period covers preStop, SHUTDOWN_TIMEOUT and what comes after; who serves requests goes on
// serving while the endpoints change.
func termination(s *Set) (errs []error) {
	for _, w := range s.Workloads {
		if !isOurs(w.Name) {
			continue
		}
		c := &w.Pod.Spec.Containers[0]
		shutdown, pause := 25*time.Second, time.Duration(0)
		if value := s.Env(c, nothing)["SHUTDOWN_TIMEOUT"]; value != "" {
			parsed, err := time.ParseDuration(value)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: SHUTDOWN_TIMEOUT: %w", w, err))
				continue
			}
			shutdown = parsed
		}
		if c.Lifecycle != nil && c.Lifecycle.PreStop != nil && c.Lifecycle.PreStop.Sleep != nil {
			pause = time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
		}
		if serving[w.Name] && pause < leastPause {
			errs = append(errs, fmt.Errorf("%s: preStop sleeps %s, less than the %s that endpoints need to change", w, pause, leastPause))
		}
		var grace time.Duration
		if seconds := w.Pod.Spec.TerminationGracePeriodSeconds; seconds != nil {
			grace = time.Duration(*seconds) * time.Second
		}
		if need := pause + shutdown + beyondShutdown; grace < need {
			errs = append(errs, fmt.Errorf("%s: terminationGracePeriodSeconds is %s, less than the %s of preStop, SHUTDOWN_TIMEOUT and the end", w, grace, need))
		}
	}
	return errs
}

// rollout: a new pod is ready before an old one goes, and pods are spread.
func rollout(s *Set) []error {
	return each(s, func(o *Object, d *appsv1.Deployment) (errs []error) {
		if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
			// Only what stands in for others may be away for a while.
			if o.Name != "simulator" {
				errs = append(errs, fmt.Errorf("%s: is recreated, with a gap", o))
			}
			return errs
		}
		rolling := d.Spec.Strategy.RollingUpdate
		if rolling == nil || rolling.MaxUnavailable == nil || rolling.MaxUnavailable.IntVal != 0 || rolling.MaxUnavailable.StrVal != "" {
			errs = append(errs, fmt.Errorf("%s: an old pod may go before a new one is ready (maxUnavailable)", o))
		}
		if isOurs(o.Name) && len(d.Spec.Template.Spec.TopologySpreadConstraints) == 0 {
			errs = append(errs, fmt.Errorf("%s: nothing spreads its pods", o))
		}
		return errs
	})
}

// cron: runs do not overlap, end, and are not repeated for ever.
func cron(s *Set) []error {
	return each(s, func(o *Object, c *batchv1.CronJob) (errs []error) {
		job := &c.Spec.JobTemplate.Spec
		for what, wrong := range map[string]bool{
			"concurrencyPolicy is not Forbid": c.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent,
			"startingDeadlineSeconds is not set: after 100 missed runs it would never start again": c.Spec.StartingDeadlineSeconds == nil,
			"activeDeadlineSeconds is not set: a run that hangs would block all others":            job.ActiveDeadlineSeconds == nil,
			"backoffLimit is not set: a run that cannot succeed would be repeated six times":       job.BackoffLimit == nil,
			"restartPolicy is not Never, so podFailurePolicy does not work":                        job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever,
			"podFailurePolicy is not set: exit codes 3 and 4 do not pass by trying again":          job.PodFailurePolicy == nil,
			"no history limits": c.Spec.FailedJobsHistoryLimit == nil || c.Spec.SuccessfulJobsHistoryLimit == nil,
		} {
			if wrong {
				errs = append(errs, fmt.Errorf("%s: %s", o, what))
			}
		}
		return errs
	})
}

package rules

import (
	"fmt"
	"regexp"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// hashed is a name with the hash of its content, so that a change of it rolls the pods.
var hashed = regexp.MustCompile(`-[0-9a-z]{10}$`)

// references: each ConfigMap and Secret that a pod needs is made by somebody, and a changed ConfigMap rolls the pods.
func references(s *Set) (errs []error) {
	for _, w := range s.Workloads {
		need := func(kind, name string) {
			if s.find(kind, name) == nil && (kind != "Secret" || len(s.promised(name)) == 0) {
				errs = append(errs, fmt.Errorf("%s: needs the %s %s, which nobody makes", w, kind, name))
			}
			if kind == "ConfigMap" && !hashed.MatchString(name) {
				errs = append(errs, fmt.Errorf("%s: the name of the ConfigMap %s has no hash, so a change of it does not roll the pods", w, name))
			}
		}
		volumes := map[string]bool{}
		for _, v := range w.Pod.Spec.Volumes {
			volumes[v.Name] = true
			if v.ConfigMap != nil {
				need("ConfigMap", v.ConfigMap.Name)
			}
			if v.Secret != nil {
				need("Secret", v.Secret.SecretName)
			}
			if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
				errs = append(errs, fmt.Errorf("%s: the volume %s has no sizeLimit", w, v.Name))
			}
		}
		if set, ok := w.Typed.(*appsv1.StatefulSet); ok {
			for i := range set.Spec.VolumeClaimTemplates {
				volumes[set.Spec.VolumeClaimTemplates[i].Name] = true
			}
			if s.find("Service", set.Spec.ServiceName) == nil {
				errs = append(errs, fmt.Errorf("%s: its serviceName %s is no Service", w, set.Spec.ServiceName))
			}
		}
		for i := range w.Pod.Spec.Containers {
			c := &w.Pod.Spec.Containers[i]
			for _, from := range c.EnvFrom {
				if from.ConfigMapRef != nil {
					need("ConfigMap", from.ConfigMapRef.Name)
				}
				if from.SecretRef != nil {
					need("Secret", from.SecretRef.Name)
				}
			}
			for _, v := range c.Env {
				if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
					need("Secret", v.ValueFrom.SecretKeyRef.Name)
				}
			}
			for _, mount := range c.VolumeMounts {
				if !volumes[mount.Name] {
					errs = append(errs, fmt.Errorf("%s: mounts %s, which is no volume", w, mount.Name))
				}
			}
		}
	}
	return errs
}

// selectors: whatever selects pods selects some, and the ports that it means are there.
func selectors(s *Set) (errs []error) {
	for _, w := range s.Workloads {
		if w.Selector != nil && !contains(w.Pod.Labels, w.Selector.MatchLabels) {
			errs = append(errs, fmt.Errorf("%s: its selector does not match its own pods", w))
		}
		for _, spread := range w.Pod.Spec.TopologySpreadConstraints {
			if !contains(w.Pod.Labels, spread.LabelSelector.MatchLabels) {
				errs = append(errs, fmt.Errorf("%s: spreads pods that are not its own", w))
			}
		}
	}
	errs = append(errs, each(s, func(o *Object, service *corev1.Service) (errs []error) {
		pods, err := s.pods(&metav1.LabelSelector{MatchLabels: service.Spec.Selector})
		if err != nil || len(pods) != 1 || len(service.Spec.Selector) == 0 {
			return []error{fmt.Errorf("%s: selects the pods of %d workloads, want one", o, len(pods))}
		}
		for _, port := range service.Spec.Ports {
			if number := portNamed(pods[0], port.TargetPort); number == 0 {
				errs = append(errs, fmt.Errorf("%s: its port %s leads to %s, which %s does not have", o, port.Name, port.TargetPort.String(), pods[0]))
			} else if number != port.Port {
				errs = append(errs, fmt.Errorf("%s: its port %s is %d, and %d in the pod", o, port.Name, port.Port, number))
			}
		}
		return errs
	})...)
	return append(errs, each(s, func(o *Object, budget *policyv1.PodDisruptionBudget) []error {
		if pods, err := s.pods(budget.Spec.Selector); err != nil || len(pods) != 1 {
			return []error{fmt.Errorf("%s: covers the pods of %d workloads, want one", o, len(pods))}
		}
		return nil
	})...)
}

// portNamed is the number of a container's port by its name or number, 0 if there is none.
func portNamed(w *Workload, port intstr.IntOrString) int32 {
	for i := range w.Pod.Spec.Containers {
		for _, p := range w.Pod.Spec.Containers[i].Ports {
			if p.Name == port.StrVal && port.Type == intstr.String || p.ContainerPort == port.IntVal && port.Type == intstr.Int {
				return p.ContainerPort
			}
		}
	}
	return 0
}

// backends: an Ingress leads to ports of Services, and never to the admin port.
func backends(s *Set) []error {
	return each(s, func(o *Object, ingress *networkingv1.Ingress) (errs []error) {
		if len(ingress.Spec.TLS) == 0 {
			errs = append(errs, fmt.Errorf("%s: secrets and personal data would travel without TLS", o))
		}
		for _, rule := range ingress.Spec.Rules {
			for _, path := range rule.HTTP.Paths {
				backend := path.Backend.Service
				service, _ := typed[*corev1.Service](s.find("Service", backend.Name))
				if service == nil || !slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == backend.Port.Name }) {
					errs = append(errs, fmt.Errorf("%s: leads to port %q of %s, which is not there", o, backend.Port.Name, backend.Name))
				}
				if backend.Port.Name == "admin" {
					errs = append(errs, fmt.Errorf("%s: shows the admin port of %s", o, backend.Name))
				}
			}
		}
		return errs
	})
}

func typed[T any](o *Object) (T, bool) {
	var none T
	if o == nil {
		return none, false
	}
	v, ok := o.Typed.(T)
	return v, ok
}

// monitors: what Prometheus is told to scrape is there: a ServiceMonitor finds Services with its port, a PodMonitor pods.
func monitors(s *Set) (errs []error) {
	for _, o := range s.Objects {
		if o.Kind != "ServiceMonitor" && o.Kind != "PodMonitor" {
			continue
		}
		spec, _ := o.Raw["spec"].(map[string]any)
		selector, err := asSelector(spec["selector"])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o, err))
			continue
		}
		list := map[string]string{"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"}[o.Kind]
		endpoints, _ := spec[list].([]any)
		for _, endpoint := range endpoints {
			endpoint, _ := endpoint.(map[string]any)
			port, _ := endpoint["port"].(string)
			found, err := s.offering(o.Kind, selector, port)
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s: %w", o, err))
			case found == 0:
				errs = append(errs, fmt.Errorf("%s: finds nothing with a port %q", o, port))
			}
		}
	}
	return errs
}

// offering counts the Services or workloads that a selector matches and that have a port of that name.
func (s *Set) offering(kind string, selector *metav1.LabelSelector, port string) (n int, err error) {
	matcher, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return 0, fmt.Errorf("read a selector: %w", err)
	}
	if kind == "PodMonitor" {
		pods, err := s.pods(selector)
		for _, w := range pods {
			if portNamed(w, intstr.FromString(port)) != 0 {
				n++
			}
		}
		return n, err
	}
	for _, o := range s.Objects {
		service, ok := o.Typed.(*corev1.Service)
		if ok && matcher.Matches(labelSet(o.Labels)) && slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == port }) {
			n++
		}
	}
	return n, nil
}

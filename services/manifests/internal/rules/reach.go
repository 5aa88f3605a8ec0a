package rules

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// edge is a connection that a workload cannot do without.
type edge struct {
	from, to *Workload
	port     int32
}

// edges are the connections that follow from what the workloads read from their environment, and from who is there.
func (s *Set) edges() (all []edge) {
	named := func(name string) *Workload {
		for _, w := range s.Workloads {
			if w.Name == name {
				return w
			}
		}
		return nil
	}
	nats, redis, simulator := named("nats"), named("redis"), named("simulator")
	add := func(from, to *Workload, port int32) {
		if to != nil {
			all = append(all, edge{from, to, port})
		}
	}
	for _, w := range s.Workloads {
		env := s.Env(&w.Pod.Spec.Containers[0], func(string) string { return "1" })
		if env["NATS_URL"] != "" {
			add(w, nats, 4222)
		}
		if env["NATS_MONITOR_URL"] != "" {
			add(w, nats, 8222)
		}
		if env["REDIS_URL"] != "" {
			add(w, redis, 6379)
		}
		switch w.Name {
		case "enricher", "publisher", "lookup", "reconciler":
			add(w, simulator, 8070)
		case "nats":
			if w.Replicas != nil && *w.Replicas > 1 {
				add(w, w, 6222)
			}
		}
	}
	return all
}

// reach: with network policies, both ends of each necessary connection allow it, and names can be resolved.
func reach(s *Set) (errs []error) {
	var all []*networkingv1.NetworkPolicy
	_ = each(s, func(_ *Object, p *networkingv1.NetworkPolicy) []error {
		all = append(all, p)
		return nil
	})
	if len(all) == 0 {
		return nil
	}
	for _, e := range s.edges() {
		if !allowed(all, e, networkingv1.PolicyTypeEgress) {
			errs = append(errs, fmt.Errorf("%s: no policy lets it out to port %d of %s", e.from, e.port, e.to))
		}
		if !allowed(all, e, networkingv1.PolicyTypeIngress) {
			errs = append(errs, fmt.Errorf("%s: no policy lets %s in to port %d", e.to, e.from, e.port))
		}
	}
	for _, w := range s.Workloads {
		if !resolves(all, w) {
			errs = append(errs, fmt.Errorf("%s: no policy lets it out to port 53", w))
		}
	}
	return errs
}

// allowed tells whether a policy of one end allows the connection.
func allowed(policies []*networkingv1.NetworkPolicy, e edge, direction networkingv1.PolicyType) bool {
	self, other := e.from, e.to
	if direction == networkingv1.PolicyTypeIngress {
		self, other = e.to, e.from
	}
	for _, p := range policies {
		if !matches(&p.Spec.PodSelector, self) {
			continue
		}
		for _, rule := range rulesOf(p, direction) {
			for _, port := range rule.ports {
				if port.Port == nil || portNamed(e.to, *port.Port) != e.port {
					continue
				}
				for i := range rule.peers {
					if peer := &rule.peers[i]; peer.PodSelector != nil && peer.NamespaceSelector == nil && matches(peer.PodSelector, other) {
						return true
					}
				}
			}
		}
	}
	return false
}

func resolves(policies []*networkingv1.NetworkPolicy, w *Workload) bool {
	for _, p := range policies {
		if !matches(&p.Spec.PodSelector, w) {
			continue
		}
		for _, rule := range rulesOf(p, networkingv1.PolicyTypeEgress) {
			for _, port := range rule.ports {
				if port.Port != nil && port.Port.IntVal == 53 {
					return true
				}
			}
		}
	}
	return false
}

// policyRule is a rule of either direction.
type policyRule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func rulesOf(p *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) (all []policyRule) {
	if direction == networkingv1.PolicyTypeIngress {
		for _, rule := range p.Spec.Ingress {
			all = append(all, policyRule{rule.From, rule.Ports})
		}
		return all
	}
	for _, rule := range p.Spec.Egress {
		all = append(all, policyRule{rule.To, rule.Ports})
	}
	return all
}

func matches(selector *metav1.LabelSelector, w *Workload) bool {
	matcher, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && matcher.Matches(labelSet(w.Pod.Labels))
}

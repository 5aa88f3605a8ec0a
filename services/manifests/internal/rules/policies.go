package rules

import (
	"errors"
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// asSelector reads a selector of a custom resource.
func asSelector(raw any) (*metav1.LabelSelector, error) {
	text, err := yaml.Marshal(raw)
	if err != nil {
		return nil, fmt.Errorf("read a selector: %w", err)
	}
	var selector metav1.LabelSelector
	if err := yaml.UnmarshalStrict(text, &selector); err != nil {
		return nil, fmt.Errorf("read a selector: %w", err)
	}
	return &selector, nil
}

// policies: with a policy at all there is a default, every selector of pods matches some, and every port is one that the
// pods have which it is about.
func policies(s *Set) (errs []error) {
	found, denied := false, false
	errs = each(s, func(o *Object, p *networkingv1.NetworkPolicy) (errs []error) {
		found = true
		all := len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions) == 0
		denied = denied || all && len(p.Spec.PolicyTypes) == 2 && len(p.Spec.Ingress)+len(p.Spec.Egress) == 0
		own, err := s.pods(&p.Spec.PodSelector)
		if err != nil || len(own) == 0 {
			errs = append(errs, fmt.Errorf("%s: is about no pods", o))
		}
		errs = append(errs, s.unmatched(o, &p.Spec.PodSelector)...)
		for _, rule := range p.Spec.Ingress {
			errs = append(errs, s.missing(o, own, rule.Ports)...)
			for i := range rule.From {
				if peer := &rule.From[i]; peer.PodSelector != nil && peer.NamespaceSelector == nil {
					errs = append(errs, s.unmatched(o, peer.PodSelector)...)
				}
			}
		}
		for _, rule := range p.Spec.Egress {
			for i := range rule.To {
				peer := &rule.To[i]
				if peer.PodSelector == nil || peer.NamespaceSelector != nil {
					continue
				}
				errs = append(errs, s.unmatched(o, peer.PodSelector)...)
				if pods, err := s.pods(peer.PodSelector); err == nil {
					errs = append(errs, s.missing(o, pods, rule.Ports)...)
				}
			}
		}
		return errs
	})
	if found && !denied {
		errs = append(errs, errors.New("no NetworkPolicy denies by default"))
	}
	return errs
}

// unmatched names the values of a selector's lists, and the labels, that no pod has.
func (s *Set) unmatched(o *Object, selector *metav1.LabelSelector) (errs []error) {
	check := func(key, value string) {
		for _, w := range s.Workloads {
			if w.Pod.Labels[key] == value {
				return
			}
		}
		errs = append(errs, fmt.Errorf("%s: no pod has %s=%s", o, key, value))
	}
	for key, value := range selector.MatchLabels {
		check(key, value)
	}
	for _, expression := range selector.MatchExpressions {
		for _, value := range expression.Values {
			check(expression.Key, value)
		}
	}
	return errs
}

// missing names the ports that none of the pods has.
func (s *Set) missing(o *Object, pods []*Workload, ports []networkingv1.NetworkPolicyPort) (errs []error) {
	for _, port := range ports {
		there := false
		for _, w := range pods {
			there = there || port.Port != nil && portNamed(w, *port.Port) != 0
		}
		if !there {
			errs = append(errs, fmt.Errorf("%s: none of its pods has the port %s", o, port.Port))
		}
	}
	return errs
}

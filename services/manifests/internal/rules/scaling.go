package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/enneo-ai/enneo-bridge/libs/bus"
)

// scaling: whoever scales has a target that is there, alone and without a number of its own, and never lets it go to zero.
func scaling(s *Set) (errs []error) {
	scaled := map[string]string{}
	target := func(o *Object, kind, name string, least, most int32) {
		i := slices.IndexFunc(s.Workloads, func(w *Workload) bool { return w.Kind == kind && w.Name == name })
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("%s: scales %s/%s, which is not there", o, kind, name))
		case s.Workloads[i].Replicas != nil:
			errs = append(errs, fmt.Errorf("%s: scales %s, whose replicas are fixed as well", o, s.Workloads[i]))
		}
		if other := scaled[name]; other != "" {
			errs = append(errs, fmt.Errorf("%s: scales %s, as %s does", o, name, other))
		}
		scaled[name] = o.String()
		// Windows are flushed by a process that runs: lag alone would not start one.
		if least < 1 || most < least {
			errs = append(errs, fmt.Errorf("%s: between %d and %d replicas, want at least one", o, least, most))
		}
	}
	errs = append(errs, each(s, func(o *Object, h *autoscalingv2.HorizontalPodAutoscaler) []error {
		var least int32
		if h.Spec.MinReplicas != nil {
			least = *h.Spec.MinReplicas
		}
		target(o, h.Spec.ScaleTargetRef.Kind, h.Spec.ScaleTargetRef.Name, least, h.Spec.MaxReplicas)
		return nil
	})...)
	for _, o := range s.Objects {
		if o.Kind != "ScaledObject" {
			continue
		}
		spec, _ := o.Raw["spec"].(map[string]any)
		ref, _ := spec["scaleTargetRef"].(map[string]any)
		target(o, text(ref["kind"]), text(ref["name"]), number(spec["minReplicaCount"]), number(spec["maxReplicaCount"]))
		if spec["idleReplicaCount"] != nil {
			errs = append(errs, fmt.Errorf("%s: has an idleReplicaCount", o))
		}
	}
	return errs
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int32 {
	switch n := v.(type) {
	case float64:
		return int32(n)
	case int64:
		return int32(n)
	}
	return 0
}

// triggers: each ScaledObject asks for exactly the consumers that its service has for the sources that it is given, on the
// stream that they are on.
func triggers(s *Set) (errs []error) {
	for _, o := range s.Objects {
		if o.Kind != "ScaledObject" {
			continue
		}
		stage := bus.Stage(o.Name)
		i := slices.IndexFunc(s.Workloads, func(w *Workload) bool { return w.Name == o.Name })
		if i < 0 || !slices.Contains(bus.Stages(), stage) {
			errs = append(errs, fmt.Errorf("%s: is named after no stage", o))
			continue
		}
		env := s.Env(&s.Workloads[i].Pod.Spec.Containers[0], nothing)
		wanted := map[string]bool{}
		for source := range strings.SplitSeq(env["SOURCES"], ",") {
			wanted[stage.ConsumerName(strings.TrimSpace(source))] = true
		}
		spec, _ := o.Raw["spec"].(map[string]any)
		list, _ := spec["triggers"].([]any)
		for _, entry := range list {
			trigger, _ := entry.(map[string]any)
			metadata, _ := trigger["metadata"].(map[string]any)
			consumer := text(metadata["consumer"])
			if !wanted[consumer] {
				errs = append(errs, fmt.Errorf("%s: asks for the consumer %s, which the %s does not have", o, consumer, stage))
			}
			delete(wanted, consumer)
			if text(metadata["stream"]) != stage.Stream() {
				errs = append(errs, fmt.Errorf("%s: %s is a consumer of %s, not of %s", o, consumer, stage.Stream(), text(metadata["stream"])))
			}
			errs = append(errs, s.scaler(o, trigger, metadata)...)
		}
		for _, consumer := range slices.Sorted(maps.Keys(wanted)) {
			errs = append(errs, fmt.Errorf("%s: does not ask for the consumer %s: run make generate", o, consumer))
		}
	}
	return errs
}

// scalerFields are what KEDA's nats-jetstream scaler reads, and whether it has to be there.
var scalerFields = map[string]bool{
	"account": true, "stream": true, "consumer": true, "natsServerMonitoringEndpoint": true,
	"lagThreshold": false, "activationLagThreshold": false, "useHttps": false, "accountID": false,
}

// scaler checks what KEDA itself ignores or complains of only while it runs.
func (s *Set) scaler(o *Object, trigger, metadata map[string]any) (errs []error) {
	if text(trigger["type"]) != "nats-jetstream" {
		errs = append(errs, fmt.Errorf("%s: has a trigger of type %s", o, text(trigger["type"])))
	}
	for field := range metadata {
		if _, known := scalerFields[field]; !known {
			errs = append(errs, fmt.Errorf("%s: the scaler knows no field %s", o, field))
		}
	}
	for field, mandatory := range scalerFields {
		if mandatory && text(metadata[field]) == "" {
			errs = append(errs, fmt.Errorf("%s: a trigger lacks %s", o, field))
		}
	}
	// KEDA runs in another namespace: the name has to hold that of the Service. NATS may be outside as well.
	service, rest, _ := strings.Cut(text(metadata["natsServerMonitoringEndpoint"]), ".")
	namespace, _, inside := strings.Cut(rest, ".svc")
	if found, ok := typed[*corev1.Service](s.find("Service", service)); inside && (!ok || found.Namespace != namespace) {
		errs = append(errs, fmt.Errorf("%s: asks %s in %s, where no such Service is", o, service, namespace))
	}
	return errs
}

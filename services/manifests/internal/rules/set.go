package rules

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"
)

// Object is one manifest.
type Object struct {
	Kind, Name, Namespace string
	Labels                map[string]string
	// Typed is the decoded object; nil for custom resources, which have only Raw.
	Typed runtime.Object
	Raw   map[string]any
}

// String is the object's kind and name.
func (o *Object) String() string { return o.Kind + "/" + o.Name }

// Set is a rendered set of manifests.
type Set struct {
	Objects []*Object
	// Workloads are all objects that make pods.
	Workloads []*Workload
}

// Workload is an object that makes pods.
type Workload struct {
	*Object
	// Replicas is nil if the manifest leaves the number to somebody else, and for CronJobs.
	Replicas *int32
	Selector *metav1.LabelSelector
	Pod      *corev1.PodTemplateSpec
}

// Read decodes manifests, separated by lines of three hyphens. The error joins everything that is wrong.
func Read(manifests []byte) (*Set, error) {
	decode, err := shared()
	if err != nil {
		return nil, err
	}
	s := &Set{}
	var errs []error
	for document := range bytes.SplitSeq(manifests, []byte("\n---\n")) {
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		o, err := decode.object(document)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.Objects = append(s.Objects, o)
		if w := workload(o); w != nil {
			s.Workloads = append(s.Workloads, w)
		}
	}
	return s, errors.Join(errs...)
}

type decoder struct {
	codecs  serializer.CodecFactory
	schemas schemas
}

// shared is the decoder of all sets: compiling the schemas takes longer than reading an overlay.
var shared = sync.OnceValues(newDecoder)

func newDecoder() (*decoder, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, autoscalingv2.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register the types of Kubernetes: %w", err)
		}
	}
	custom, err := loadSchemas()
	if err != nil {
		return nil, err
	}
	return &decoder{serializer.NewCodecFactory(scheme, serializer.EnableStrict), custom}, nil
}

func (d *decoder) object(document []byte) (*Object, error) {
	var raw map[string]any
	if err := yaml.UnmarshalStrict(document, &raw); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	var head metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &head); err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	o := &Object{Kind: head.Kind, Name: head.Name, Namespace: head.Namespace, Labels: head.Labels, Raw: raw}
	known, err := d.schemas.validate(head.APIVersion, head.Kind, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o, err)
	}
	if known {
		return o, nil
	}
	if o.Typed, _, err = d.codecs.UniversalDeserializer().Decode(document, nil, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", o, err)
	}
	return o, nil
}

func workload(o *Object) *Workload {
	switch v := o.Typed.(type) {
	case *appsv1.Deployment:
		return &Workload{o, v.Spec.Replicas, v.Spec.Selector, &v.Spec.Template}
	case *appsv1.StatefulSet:
		return &Workload{o, v.Spec.Replicas, v.Spec.Selector, &v.Spec.Template}
	case *appsv1.DaemonSet:
		return &Workload{o, nil, v.Spec.Selector, &v.Spec.Template}
	case *batchv1.CronJob:
		return &Workload{o, nil, nil, &v.Spec.JobTemplate.Spec.Template}
	case *batchv1.Job:
		return &Workload{o, nil, nil, &v.Spec.Template}
	}
	return nil
}

// each calls visit with every object of a type, and joins what it returns.
func each[T runtime.Object](s *Set, visit func(*Object, T) []error) (errs []error) {
	for _, o := range s.Objects {
		if typed, ok := o.Typed.(T); ok {
			errs = append(errs, visit(o, typed)...)
		}
	}
	return errs
}

// find is the object of a kind with a name, nil if there is none.
func (s *Set) find(kind, name string) *Object {
	for _, o := range s.Objects {
		if o.Kind == kind && o.Name == name {
			return o
		}
	}
	return nil
}

// pods are the workloads whose pods a selector matches. An empty selector matches all, a nil one none.
func (s *Set) pods(selector *metav1.LabelSelector) ([]*Workload, error) {
	matcher, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, fmt.Errorf("read a selector: %w", err)
	}
	var found []*Workload
	for _, w := range s.Workloads {
		if matcher.Matches(labelSet(w.Pod.Labels)) {
			found = append(found, w)
		}
	}
	return found, nil
}

// labelSet adapts labels to what selectors match.
type labelSet map[string]string

// Has implements labels.Labels.
func (l labelSet) Has(key string) bool { _, ok := l[key]; return ok }

// Get implements labels.Labels.
func (l labelSet) Get(key string) string { return l[key] }

// Lookup implements labels.Labels.
func (l labelSet) Lookup(key string) (string, bool) { v, ok := l[key]; return v, ok }

// Env is what a container finds in its environment, as far as it stands in the set: ConfigMaps and Secrets, the latter also
// by what an ExternalSecret promises, with placeholder for each value that is not in the set. Values that come from the
// pod itself are "1".
func (s *Set) Env(c *corev1.Container, placeholder func(key string) string) map[string]string {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		switch {
		case from.ConfigMapRef != nil:
			s.configMap(from.ConfigMapRef.Name, env)
		case from.SecretRef != nil:
			s.secret(from.SecretRef.Name, env, placeholder)
		}
	}
	for _, v := range c.Env {
		source := v.ValueFrom
		found := map[string]string{}
		switch {
		case source == nil:
			env[v.Name] = v.Value
		case source.ConfigMapKeyRef != nil:
			s.configMap(source.ConfigMapKeyRef.Name, found)
			env[v.Name] = found[source.ConfigMapKeyRef.Key]
		case source.SecretKeyRef != nil:
			s.secret(source.SecretKeyRef.Name, found, placeholder)
			env[v.Name] = found[source.SecretKeyRef.Key]
		default:
			env[v.Name] = "1"
		}
	}
	return env
}

// Files are the files from ConfigMaps and Secrets that the pod's first container finds, by path.
func (s *Set) Files(w *Workload, placeholder func(key string) string) map[string]string {
	files := map[string]string{}
	for _, mount := range w.Pod.Spec.Containers[0].VolumeMounts {
		for _, v := range w.Pod.Spec.Volumes {
			content := map[string]string{}
			switch {
			case v.Name != mount.Name:
			case v.ConfigMap != nil:
				s.configMap(v.ConfigMap.Name, content)
			case v.Secret != nil:
				s.secret(v.Secret.SecretName, content, placeholder)
			}
			for name, text := range content {
				files[path.Join(mount.MountPath, name)] = text
			}
		}
	}
	return files
}

func (s *Set) configMap(name string, into map[string]string) {
	if o := s.find("ConfigMap", name); o != nil {
		if m, ok := o.Typed.(*corev1.ConfigMap); ok {
			maps.Copy(into, m.Data)
		}
	}
}

func (s *Set) secret(name string, into map[string]string, placeholder func(key string) string) {
	if o := s.find("Secret", name); o != nil {
		if m, ok := o.Typed.(*corev1.Secret); ok {
			for key, value := range m.Data {
				into[key] = string(value)
			}
		}
		return
	}
	for _, key := range s.promised(name) {
		into[key] = placeholder(key)
	}
}

// promised are the keys of the secret that an ExternalSecret makes.
func (s *Set) promised(secret string) (keys []string) {
	for _, o := range s.Objects {
		if o.Kind != "ExternalSecret" {
			continue
		}
		spec, _ := o.Raw["spec"].(map[string]any)
		target, _ := spec["target"].(map[string]any)
		name, _ := target["name"].(string)
		if cmp.Or(name, o.Name) != secret {
			continue
		}
		data, _ := spec["data"].([]any)
		for _, entry := range data {
			entry, _ := entry.(map[string]any)
			if key, ok := entry["secretKey"].(string); ok {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

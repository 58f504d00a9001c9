// Package check renders the overlays as kubectl does and reads what comes out strictly, into
// Kubernetes' own types. It is a module of its own, for these are many modules that goalcast itself
// does not need.
package check

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// kinds makes an empty object of each kind that manifests may have, by apiVersion and kind.
var kinds = map[string]func() meta.Object{
	"v1 Namespace":                            func() meta.Object { return new(core.Namespace) },
	"v1 ConfigMap":                            func() meta.Object { return new(core.ConfigMap) },
	"v1 Service":                              func() meta.Object { return new(core.Service) },
	"apps/v1 Deployment":                      func() meta.Object { return new(apps.Deployment) },
	"batch/v1 Job":                            func() meta.Object { return new(batch.Job) },
	"policy/v1 PodDisruptionBudget":           func() meta.Object { return new(policy.PodDisruptionBudget) },
	"networking.k8s.io/v1 NetworkPolicy":      func() meta.Object { return new(networking.NetworkPolicy) },
	"networking.k8s.io/v1 Ingress":            func() meta.Object { return new(networking.Ingress) },
	"autoscaling/v2 HorizontalPodAutoscaler":  func() meta.Object { return new(autoscaling.HorizontalPodAutoscaler) },
	"monitoring.coreos.com/v1 ServiceMonitor": func() meta.Object { return new(monitoring.ServiceMonitor) },
}

// render is what `kubectl kustomize` prints, one document for each object.
func render(t *testing.T, overlay string) [][]byte {
	t.Helper()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../overlays/"+overlay)
	if err != nil {
		t.Fatal(err)
	}
	text, err := all.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(text, []byte("\n---\n"))
}

// objects decodes what is rendered. An unknown field, a field twice and a kind that is not listed
// fail the test.
func objects(t *testing.T, overlay string) map[string]meta.Object {
	t.Helper()
	list := map[string]meta.Object{}
	for _, doc := range render(t, overlay) {
		var is meta.TypeMeta
		if err := yaml.Unmarshal(doc, &is); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		empty := kinds[is.APIVersion+" "+is.Kind]
		if empty == nil {
			t.Fatalf("%s of %s is not listed here", is.Kind, is.APIVersion)
		}
		o := empty()
		if err := yaml.UnmarshalStrict(doc, o); err != nil {
			t.Errorf("%v\n%s", err, doc)
			continue
		}
		if _, cluster := o.(*core.Namespace); !cluster && o.GetNamespace() != "goalcast" {
			t.Errorf("%s %s is in namespace %q", is.Kind, o.GetName(), o.GetNamespace())
		}
		list[is.Kind+"/"+o.GetName()] = o
	}
	return list
}

// pods are the pods of all workloads, by workload.
func pods(all map[string]meta.Object) map[string]core.PodTemplateSpec {
	list := map[string]core.PodTemplateSpec{}
	for name, o := range all {
		switch w := o.(type) {
		case *apps.Deployment:
			list[name] = w.Spec.Template
		case *batch.Job:
			list[name] = w.Spec.Template
		}
	}
	return list
}

var roles = []string{"hub", "ingest", "odds", "notify", "rest"}

func TestOverlays(t *testing.T) {
	for overlay, want := range map[string][]string{
		"small": nil,
		"production": {"HorizontalPodAutoscaler/goalcast-hub", "ServiceMonitor/goalcast", "Ingress/goalcast-live",
			"Ingress/goalcast-feeds", "Ingress/goalcast-rest"},
	} {
		t.Run(overlay, func(t *testing.T) {
			all := objects(t, overlay)
			for _, role := range roles {
				want = append(want, "Deployment/goalcast-"+role, "PodDisruptionBudget/goalcast-"+role)
			}
			for _, name := range append(want, "ConfigMap/goalcast", "Job/goalcast-migrate", "NetworkPolicy/goalcast") {
				if all[name] == nil {
					t.Errorf("no %s", name)
				}
			}
			testPods(t, all)
			testSelectors(t, all)
			for _, role := range roles {
				d, ok := all["Deployment/goalcast-"+role].(*apps.Deployment)
				if ok {
					testRole(t, role, d, all["ConfigMap/goalcast"].(*core.ConfigMap))
				}
				if constraints := d.Spec.Template.Spec.TopologySpreadConstraints; overlay == "production" &&
					(len(constraints) != 2 || constraints[0].TopologyKey != core.LabelTopologyZone ||
						constraints[0].LabelSelector.MatchLabels["app.kubernetes.io/component"] != role) {
					t.Errorf("%s: spread by %+v", role, constraints)
				}
			}
			if overlay == "production" && all["Deployment/goalcast-hub"].(*apps.Deployment).Spec.Replicas != nil {
				t.Error("the number of hubs is the autoscaler's")
			}
		})
	}
}

// testPods: nobody is root, nothing is written, nothing is allowed; secrets are files.
func testPods(t *testing.T, all map[string]meta.Object) {
	for name, pod := range pods(all) {
		s := pod.Spec.SecurityContext
		if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil ||
			s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || s.FSGroup == nil {
			t.Errorf("%s: %+v", name, s)
		}
		if len(pod.Spec.Containers) != 1 {
			t.Fatalf("%s has %d containers", name, len(pod.Spec.Containers))
		}
		c := pod.Spec.Containers[0]
		if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil ||
			fmt.Sprint(s.Capabilities.Drop) != "[ALL]" {
			t.Errorf("%s: %+v", name, s)
		}
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
			t.Errorf("%s: resources %+v", name, c.Resources)
		}
		if !strings.HasPrefix(c.Image, "registry.example.org/goalcast:") {
			t.Errorf("%s: image %s", name, c.Image)
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				t.Errorf("%s: %s is a secret in the environment", name, e.Name)
			}
		}
		mounted := false
		for _, v := range pod.Spec.Volumes {
			mounted = mounted || v.Secret != nil && v.Secret.SecretName == "goalcast" &&
				*v.Secret.DefaultMode == 0o440 && v.Name == c.VolumeMounts[0].Name &&
				c.VolumeMounts[0].MountPath == "/secrets"
		}
		if !mounted {
			t.Errorf("%s: no secrets in /secrets that others may not read", name)
		}
	}
}

// testSelectors: what selects pods, or leads to a service, finds some.
func testSelectors(t *testing.T, all map[string]meta.Object) {
	finds := func(what string, s meta.LabelSelector, port string) {
		t.Helper()
		selector, err := meta.LabelSelectorAsSelector(&s)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		found := false
		for _, pod := range pods(all) {
			if !selector.Matches(set(pod.Labels)) {
				continue
			}
			for _, p := range pod.Spec.Containers[0].Ports {
				found = found || port == "" || p.Name == port
			}
			found = found || port == ""
		}
		if !found {
			t.Errorf("%s selects no pod with the port %q by %v", what, port, selector)
		}
	}
	for name, o := range all {
		switch o := o.(type) {
		case *core.Service:
			finds(name, meta.LabelSelector{MatchLabels: o.Spec.Selector}, o.Spec.Ports[0].TargetPort.StrVal)
		case *policy.PodDisruptionBudget:
			finds(name, *o.Spec.Selector, "")
		case *networking.NetworkPolicy:
			finds(name, o.Spec.PodSelector, "")
		case *apps.Deployment:
			finds(name, *o.Spec.Selector, "")
		case *autoscaling.HorizontalPodAutoscaler:
			if all[o.Spec.ScaleTargetRef.Kind+"/"+o.Spec.ScaleTargetRef.Name] == nil {
				t.Errorf("%s scales %+v", name, o.Spec.ScaleTargetRef)
			}
		case *monitoring.ServiceMonitor:
			found := false
			for _, s := range all {
				service, ok := s.(*core.Service)
				found = found || ok && set(service.Labels)["app.kubernetes.io/component"] ==
					o.Spec.Selector.MatchLabels["app.kubernetes.io/component"] &&
					service.Spec.Ports[0].Name == o.Spec.Endpoints[0].Port
			}
			if !found {
				t.Errorf("%s finds no service", name)
			}
		case *networking.Ingress:
			for _, path := range o.Spec.Rules[0].HTTP.Paths {
				service, ok := all["Service/"+path.Backend.Service.Name].(*core.Service)
				if !ok || service.Spec.Ports[0].Name != path.Backend.Service.Port.Name ||
					service.Spec.Ports[0].TargetPort.StrVal == "admin" {
					t.Errorf("%s: %s leads to %+v", name, path.Path, path.Backend.Service)
				}
			}
		}
	}
}

// set is labels that a selector can ask.
type set map[string]string

func (s set) Has(label string) bool   { _, ok := s[label]; return ok }
func (s set) Get(label string) string { return s[label] }
func (s set) Lookup(label string) (string, bool) {
	value, ok := s[label]
	return value, ok
}

// testRole: a pod plays its role, is asked for it, and has the time to leave.
func testRole(t *testing.T, role string, d *apps.Deployment, config *core.ConfigMap) {
	pod := d.Spec.Template.Spec
	c := pod.Containers[0]
	if fmt.Sprint(c.Args) != "[serve --roles="+role+"]" {
		t.Errorf("%s: %v", role, c.Args)
	}
	for probe, want := range map[*core.Probe]string{c.StartupProbe: "/healthz", c.LivenessProbe: "/healthz",
		c.ReadinessProbe: "/readyz?role=" + role} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != want || probe.HTTPGet.Port.StrVal != "admin" {
			t.Errorf("%s: probe %+v, want %s", role, probe, want)
		}
	}
	drain, err := time.ParseDuration(config.Data["GOALCAST_DRAIN_TIME"])
	if err != nil {
		t.Fatal(err)
	}
	least := 15 * time.Second // requests in hand, work in hand
	if c.Lifecycle != nil {
		least += time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	}
	if role == "hub" {
		least += drain
	}
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < least {
		t.Errorf("%s is killed after %s, wants %s", role, grace, least)
	}
	if r := d.Spec.Strategy.RollingUpdate; role == "hub" && (r == nil || r.MaxSurge.IntValue() != 1 ||
		r.MaxUnavailable.IntValue() != 0) {
		t.Errorf("hubs are not replaced one by one: %+v", r)
	}
	memory := c.Resources.Limits.Memory().Value()
	for _, e := range c.Env {
		if m := regexp.MustCompile(`^(\d+)MiB$`).FindStringSubmatch(e.Value); e.Name == "GOMEMLIMIT" {
			var limit int64
			if _, err := fmt.Sscan(m[1], &limit); err != nil || limit<<20 >= memory || limit<<20 < memory/2 {
				t.Errorf("%s: GOMEMLIMIT %s of %d MiB", role, e.Value, memory>>20)
			}
		}
	}
}

package syncd_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// ruleFile is what of Prometheus' rules is looked at.
type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

var (
	metricName = regexp.MustCompile(`syncd_[a-z_]+`)
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notAnchor  = regexp.MustCompile(`[^a-z0-9 -]`)
)

// TestAlertsAskForMetricsThatExist: an alert on a metric with another name never
// fires, and nobody notices.
func TestAlertsAskForMetricsThatExist(t *testing.T) {
	var file ruleFile
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	known := metricName.FindAllString(read(t, "docs/operating.md"), -1)
	n := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			n++
			for _, m := range metricName.FindAllString(r.Expr, -1) {
				if !slices.Contains(known, m) {
					t.Errorf("%s asks for %s, which docs/operating.md does not list", r.Alert, m)
				}
			}
			if r.Annotations["summary"] == "" || !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) {
				t.Errorf("%s: no summary, or the severity is %q", r.Alert, r.Labels["severity"])
			}
			anchored(t, r.Alert, r.Annotations["runbook"])
		}
	}
	if n == 0 {
		t.Error("there are no alerts")
	}
}

// anchored wants a runbook to name a page, and a heading on it.
func anchored(t *testing.T, alert, runbook string) {
	page, anchor, named := strings.Cut(runbook, "#")
	text := read(t, page)
	if !named {
		return
	}
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor {
			return
		}
	}
	t.Errorf("%s: %s has no heading for #%s", alert, page, anchor)
}

func read(t *testing.T, name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUnitFileDrainsAndIsHardened: what the unit must say is looked for on every
// machine; where there is a systemd, it judges the whole.
func TestUnitFileDrainsAndIsHardened(t *testing.T) {
	lines := strings.Split(read(t, "deploy/syncd.service"), "\n")
	for _, must := range []string{
		"KillMode=mixed", "TimeoutStopSec=45s", "RestartPreventExitStatus=2", // one SIGTERM, longer than the drain; a bad config stays down
		"DynamicUser=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "PrivateTmp=yes", "UMask=0077",
	} {
		if !slices.Contains(lines, must) {
			t.Errorf("deploy/syncd.service has no line %q", must)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd was not asked: systemd-analyze is not installed here")
		return
	}
	out, err := exec.Command(analyze, "verify", "deploy/syncd.service").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "is not executable") { // syncd is not installed on this machine
			t.Errorf("%s (%v)", strings.TrimSpace(line), err)
		}
	}
	const exposure = "20" // tenths, of 100: 1.2 when it was written
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold="+exposure, "deploy/syncd.service").CombinedOutput(); err != nil {
		t.Errorf("the service is more exposed than %s/10: %v\n%.400s", exposure, err, out)
	}
}

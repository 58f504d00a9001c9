// Package doctor looks at what goalcast stands on before goalcast does: the machine's limits, its
// clock, files of secrets and the services it calls. It changes nothing. Command goalcast's doctor
// asks it, and knows the settings.
package doctor

import (
	"encoding/json"
	"fmt"
	"io"
)

// Status is how well something is.
type Status string

const (
	OK   Status = "ok"
	Warn Status = "warn" // goalcast runs, and something is worse than it need be
	Fail Status = "fail" // goalcast does not run, or a part of it does not work
)

// Finding is what a check found.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	Do     string `json:"do,omitempty"` // the line to change or to run; empty where there is nothing to do
}

// Report is all that was found, in order.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Add takes findings in.
func (r *Report) Add(list ...Finding) { r.Findings = append(r.Findings, list...) }

// Worst is the worst status of all; OK of nothing.
func (r *Report) Worst() Status {
	worst := OK
	for _, f := range r.Findings {
		if f.Status == Fail || f.Status == Warn && worst == OK {
			worst = f.Status
		}
	}
	return worst
}

// Write prints the report for people: a line for each check, below it what to do, and a last line
// that counts.
func (r *Report) Write(to io.Writer) error {
	counts := map[Status]int{}
	for _, f := range r.Findings {
		counts[f.Status]++
		if _, err := fmt.Fprintf(to, "%-5s %-24s %s\n", f.Status, f.Check, f.Found); err != nil {
			return err
		}
		if f.Do != "" {
			if _, err := fmt.Fprintf(to, "%-5s %-24s -> %s\n", "", "", f.Do); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(to, "%d ok, %d to look at, %d wrong\n", counts[OK], counts[Warn], counts[Fail])
	return err
}

// WriteJSON prints the report for programs: status (the worst of all) and findings.
func (r *Report) WriteJSON(to io.Writer) error {
	out := json.NewEncoder(to)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(struct {
		Status Status `json:"status"`
		*Report
	}{r.Worst(), r})
}

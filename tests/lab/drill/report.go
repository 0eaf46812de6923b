package drill

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Own and NaiveSetup are the two configurations that a failure is caused with.
const (
	Own        = "k3sha"
	NaiveSetup = "naive"
)

// Report is a whole drill.
type Report struct {
	Failures []Failure `json:"-"`
	Results  []Result  `json:"results"`
	Idle     []Idle    `json:"idle"`
}

// Find is the result of a failure with a setup, or nil.
func (r *Report) Find(failure, setup string) *Result {
	for i := range r.Results {
		if r.Results[i].Failure == failure && r.Results[i].Setup == setup {
			return &r.Results[i]
		}
	}
	return nil
}

// JSON writes all figures and every request.
func (r *Report) JSON(out io.Writer) error { return json.NewEncoder(out).Encode(r) }

// Table prints the figures as Markdown, ours above the naive configuration's.
func (r *Report) Table(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| failure\t| setup\t| s without service\t| failed\t| s between writes\t| not acknowledged\t| s of watch's silence (cuts)\t| VIP moves\t| s until VIP / servers / nodes\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, f := range r.Failures {
		for _, setup := range []string{Own, NaiveSetup} {
			x := r.Find(f.Name, setup)
			if x == nil {
				continue
			}
			name := f.Name
			if setup == NaiveSetup {
				name = ""
			}
			fmt.Fprintf(w, "| %s\t| %s\t| %.2f\t| %d of %d\t| %.2f\t| %d\t| %.2f (%d)\t| %d\t| %.1f / %.1f / %.1f\t|\n",
				name, setup, x.Without, x.Failed, x.Asked, x.Writes, x.Refused, x.Watch, x.Cuts, x.Moves, x.Back.VIP, x.Back.Backends, x.Back.Nodes)
		}
	}
	_ = w.Flush()
	for _, i := range r.Idle {
		fmt.Fprintln(out, i)
	}
}

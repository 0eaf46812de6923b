package drill

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The picture's measures, in pixels.
const (
	left    = 250 // where time begins
	perSec  = 16
	lane    = 12
	seconds = 40 // what is shown of each failure
)

// SVG draws a time line for each failure: ours above the naive configuration's. Each has a lane for new connections, with a mark for each
// request that failed, and a thin one for writes.
func (r *Report) SVG(out io.Writer) error {
	var b strings.Builder
	y := 40
	text := func(x, y int, class, s string) {
		var escaped strings.Builder
		_ = xml.EscapeText(&escaped, []byte(s)) // into memory
		fmt.Fprintf(&b, `<text x="%d" y="%d" class="%s">%s</text>`+"\n", x, y, class, escaped.String())
	}
	for _, f := range r.Failures {
		if r.Find(f.Name, Own) == nil {
			continue
		}
		text(8, y+lane, "name", f.Name)
		for _, setup := range []string{Own, NaiveSetup} {
			x := r.Find(f.Name, setup)
			if x == nil {
				continue
			}
			text(left-58, y+lane-2, "setup", setup)
			x.draw(&b, y)
			text(left+seconds*perSec+8, y+lane-2, "figure", fmt.Sprintf("%.2f s without, %d failed", x.Without, x.Failed))
			y += lane + 9
		}
		y += 14
	}
	width := left + seconds*perSec + 190
	_, err := fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif">
<style>.name{font-size:12px;font-weight:bold;fill:#222}.setup,.figure,.axis{font-size:10px;fill:#555}.up{fill:#4c9f70}.down{fill:#c8372d}.write{fill:#8fb8de}.fail{fill:#c8372d}.mark{stroke:#222;stroke-dasharray:2 2}</style>
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="8" y="18" class="axis">Green: new connections are answered; red: nobody is; ticks: a request failed. Blue: writes are acknowledged. Dashed: caused, healed. %d px are a second.</text>
%s</svg>
`, width, y, width, y, perSec, b.String())
	return err
}

// draw is one time line.
func (r *Result) draw(b *strings.Builder, y int) {
	end := min(r.Seconds, seconds)
	at := func(t float64) float64 { return left + min(t, end)*perSec }
	bar := func(class string, from, to float64, y, height int) {
		if to > from {
			fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" class="%s"/>`+"\n", at(from), y, max(at(to)-at(from), 1), height, class)
		}
	}
	bar("up", 0, end, y, lane-2)
	for _, gap := range silences(r.Requests, r.Seconds, 3*every.Seconds()) {
		bar("down", gap[0], min(gap[1], end), y, lane-2)
	}
	for _, s := range r.Requests {
		if s.Err != "" && s.At < end {
			fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="1" height="%d" class="fail"/>`+"\n", at(s.At), y-2, lane+2)
		}
	}
	bar("write", 0, end, y+lane, 3)
	for _, gap := range silences(r.Written, r.Seconds, 5*every.Seconds()) {
		bar("down", gap[0], min(gap[1], end), y+lane, 3)
	}
	for _, t := range []float64{r.Caused, r.Healed} {
		if t < end {
			fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" class="mark"/>`+"\n", at(t), at(t), y-4, y+lane+5)
		}
	}
}

// silences are the times without an answer that are longer than some.
func silences(samples []Sample, end, least float64) [][2]float64 {
	var times []float64
	for _, s := range samples {
		if s.Err == "" {
			times = append(times, s.At+s.Took)
		}
	}
	times = append(times, end)
	slices.Sort(times)
	var out [][2]float64
	last := 0.0
	for _, t := range times {
		if t-last > least {
			out = append(out, [2]float64{last, t})
		}
		last = t
	}
	return out
}

package render_test

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
)

// A node gets no new connections at the ports that are forwarded to it, and where it is asked for at the API; and then gets them again at all.
// One that is the last that lives behind a port waits for another one.
func TestSteerLoadBalancer(t *testing.T) {
	t.Parallel()
	const (
		header = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n"
		api    = "3 k3s_api 1 k3s-server-01 192.168.1.201 2 0\n3 k3s_api 2 k3s-server-02 192.168.1.202 2 0\n4 k3s_api_unchecked 1 k3s-server-01 192.168.1.201 2 0\n"
		web    = "5 forward_web 1 k3s-server-01 192.168.1.201 2 0\n5 forward_web 2 k3s-server-02 192.168.1.202 %\n6 forward_mqtt 1 k3s-server-02 192.168.1.202 2 0\n"
	)
	for name, c := range map[string]struct {
		ready, api bool
		states     string
		then       string // what the states are when they have been asked for once more
		want       []string
		steered    bool
	}{
		"its ports":               {false, false, strings.Replace(web, "%", "2 0", 1), "", []string{"set server forward_web/k3s-server-01 state drain"}, false},
		"its API, too":            {false, true, api + strings.Replace(web, "%", "2 0", 1), "", []string{"set server k3s_api/k3s-server-01 state drain", "set server forward_web/k3s-server-01 state drain"}, true},
		"all of it again":         {true, false, api + strings.Replace(web, "%", "0 0", 1), "", []string{"set server k3s_api/k3s-server-01 state ready", "set server forward_web/k3s-server-01 state ready"}, false},
		"the last that lives":     {false, false, strings.Replace(web, "%", "0 0", 1), strings.Replace(web, "%", "2 0", 1), []string{"set server forward_web/k3s-server-01 state drain"}, false},
		"another one is drained":  {false, false, strings.Replace(web, "%", "2 8", 1), strings.Replace(web, "%", "2 0", 1), []string{"set server forward_web/k3s-server-01 state drain"}, false},
		"the only one that there": {false, false, "5 forward_web 1 k3s-server-01 192.168.1.201 2 0\n", "", []string{"set server forward_web/k3s-server-01 state drain"}, false},
		"nothing of it":           {false, false, "6 forward_mqtt 1 k3s-server-02 192.168.1.202 2 0\n", "", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			listener, err := net.Listen("unix", dir+"/admin.sock")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			for file, text := range map[string]string{"states": header + c.states, "then": header + c.then} {
				if err := os.WriteFile(dir+"/"+file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			then := ""
			if c.then != "" {
				then = `; [ "$(grep -c x "` + dir + `/asks")" -lt 2 ] || mv "` + dir + `/then" "` + dir + `/states" 2>/dev/null || :`
			}
			program(t, dir, "lb-ask", `case $1 in "show servers state") echo x >>"`+dir+`/asks"; cat "`+dir+`/states"`+then+` ;; *) echo "$1" >>"`+dir+`/log"; echo ;; esac`)
			script := strings.NewReplacer("/run/k3sha-steered", dir+"/steered", "/run/haproxy", dir, "/usr/local/lib/k3sha/lb-ask", "lb-ask", "export LC_ALL=C PATH=", "export LC_ALL=C PATH="+dir+"/bin:").
				Replace(render.SteerScript("k3s-lb-01", "k3s-server-01", c.ready, c.api))
			if out, err := sh(t, script); err != nil || out != "" {
				t.Fatalf("%v %s", err, out)
			}
			log, _ := os.ReadFile(dir + "/log")
			var got []string
			if len(log) > 0 {
				got = strings.Split(strings.TrimSpace(string(log)), "\n")
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("told %q, want %q", got, c.want)
			}
			if _, err := os.Stat(dir + "/steered/k3s-server-01"); (err == nil) != c.steered {
				t.Errorf("remembered: %t", err == nil)
			}
			// Two looks while it is the last one, one when it is not any more, and one for the backends.
			if asks, _ := os.ReadFile(dir + "/asks"); c.then != "" && strings.Count(string(asks), "x") != 4 {
				t.Errorf("it has looked %d times", strings.Count(string(asks), "x"))
			}
		})
	}
}

package drill

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The configuration that tutorials give: TCP checks, VRRP v2 at 1 s, killall -0, a master and a backup.
//
//go:embed files
var files embed.FS

// Naive puts the naive configuration onto the load balancers of a cluster, in the place of its own. There is no way back but pulumi up with
// another value of `reapply`.
func (c *Cluster) Naive(ctx context.Context) error {
	haproxy, err := files.ReadFile("files/haproxy.cfg")
	if err != nil {
		return err
	}
	keepalived, err := files.ReadFile("files/keepalived.conf")
	if err != nil {
		return err
	}
	cfg := string(haproxy)
	for i, server := range c.Servers {
		cfg = strings.ReplaceAll(cfg, fmt.Sprintf("SERVER%d", i+1), c.vms[server].IP())
	}
	for i, lb := range c.LoadBalancers {
		state, priority := "MASTER", "200"
		if i > 0 {
			state, priority = "BACKUP", "100"
		}
		conf := strings.NewReplacer("STATE", state, "PRIORITY", priority, "VIP_ADDRESS", c.VIP).Replace(string(keepalived))
		cmd, err := c.Exec(lb, "sh", "-ec", `
			systemctl stop keepalived haproxy
			rm -rf /etc/systemd/system/haproxy.service.d /etc/systemd/system/keepalived.service.d
			head -c "$1" >/etc/haproxy/haproxy.cfg
			cat >/etc/keepalived/keepalived.conf
			systemctl daemon-reload
			systemctl start haproxy keepalived`, "sh", fmt.Sprint(len(cfg)))
		if err != nil {
			return err
		}
		cmd.Stdin = strings.NewReader(cfg + conf)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", lb, err, out)
		}
	}
	return c.Mend(ctx)
}

// Mend does what a person does after a failure of the naive configuration, which does not always come back by itself.
func (c *Cluster) Mend(ctx context.Context) error {
	for _, lb := range slices.Backward(c.LoadBalancers) { // the master last: it takes the VIP
		if _, err := c.run(lb, "systemctl restart haproxy keepalived"); err != nil {
			return err
		}
		time.Sleep(5 * time.Second)
	}
	_, err := c.Whole(ctx, time.Now(), time.Minute)
	return err
}

import com.pulumi.Context;
import com.pulumi.Pulumi;
import io.github.k3sha.K3sHaCluster;
import io.github.k3sha.K3sHaClusterArgs;
import io.github.k3sha.inputs.K3sArgs;
import io.github.k3sha.inputs.LoadBalancersArgs;
import io.github.k3sha.inputs.NetworkArgs;
import io.github.k3sha.inputs.NodeOverridesArgs;
import io.github.k3sha.inputs.ProxmoxArgs;
import io.github.k3sha.inputs.ServersArgs;
import io.github.k3sha.inputs.SshArgs;
import io.github.k3sha.inputs.WorkerPoolArgs;
import java.util.Map;
import java.util.stream.Collectors;

/** The reference cluster: two load balancers with the VIP, three servers, two workers. */
public class App {
    public static void main(String[] args) {
        Pulumi.run(App::stack);
    }

    static NodeOverridesArgs mac(String mac) {
        return NodeOverridesArgs.builder().mac(mac).build();
    }

    static void stack(Context ctx) {
        var k3s = new K3sHaCluster("k3s", K3sHaClusterArgs.builder()
            .clusterName("k3s")
            .proxmox(ProxmoxArgs.builder().nodes("pve1", "pve2", "pve3").templateId(9000).pool("k3s").build())
            .network(NetworkArgs.builder().cidr("192.168.1.0/24").gateway("192.168.1.1").vip("192.168.1.220").build())
            .servers(ServersArgs.builder().firstAddress("192.168.1.201").taints("CriticalAddonsOnly=true:NoExecute")
                .nodes(Map.of("1", mac("BC:24:11:66:6F:07"), "2", mac("BC:24:11:02:57:C8"), "3", mac("BC:24:11:4F:A3:86"))).build())
            .workers(Map.of("worker", WorkerPoolArgs.builder().count(2).firstAddress("192.168.1.211")
                .nodes(Map.of("1", mac("BC:24:11:12:B1:D2"), "2", mac("BC:24:11:07:BA:1A"))).build()))
            .loadBalancers(LoadBalancersArgs.builder().firstAddress("192.168.1.221").virtualRouterId(51)
                .nodes(Map.of("1", mac("BC:24:11:EA:6D:1F"), "2", mac("BC:24:11:6B:DC:F9"))).build())
            .k3s(K3sArgs.builder().version("v1.31.6+k3s1").disable("traefik", "servicelb")
                .mirror(ctx.config().get("k3sMirror").orElse("")).build())
            .ssh(SshArgs.builder().privateKey(ctx.config().requireSecret("sshPrivateKey")).build())
            .build());
        ctx.export("endpoint", k3s.endpoint());
        ctx.export("nodes", k3s.nodes().applyValue(nodes -> nodes.entrySet().stream()
            .collect(Collectors.toMap(Map.Entry::getKey, node -> node.getValue().ip()))));
        ctx.export("kubeconfig", k3s.kubeconfig());
        ctx.export("summary", k3s.summary());
    }
}

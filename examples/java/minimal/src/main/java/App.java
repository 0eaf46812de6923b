import com.pulumi.Context;
import com.pulumi.Pulumi;
import io.github.k3sha.K3sHaCluster;
import io.github.k3sha.K3sHaClusterArgs;
import io.github.k3sha.inputs.K3sArgs;
import io.github.k3sha.inputs.LoadBalancersArgs;
import io.github.k3sha.inputs.NetworkArgs;
import io.github.k3sha.inputs.ProxmoxArgs;
import io.github.k3sha.inputs.ServersArgs;
import io.github.k3sha.inputs.SshArgs;
import io.github.k3sha.inputs.WorkerPoolArgs;
import java.util.Map;

/** The fewest inputs that work. */
public class App {
    public static void main(String[] args) {
        Pulumi.run(App::stack);
    }

    static void stack(Context ctx) {
        var k3s = new K3sHaCluster("k3s", K3sHaClusterArgs.builder()
            .clusterName("k3s")
            .proxmox(ProxmoxArgs.builder().nodes("pve1").templateId(9000).build())
            .network(NetworkArgs.builder().cidr("192.168.1.0/24").gateway("192.168.1.1").vip("192.168.1.220").build())
            .servers(ServersArgs.builder().firstAddress("192.168.1.201").build())
            .workers(Map.of("worker", WorkerPoolArgs.builder().count(2).firstAddress("192.168.1.211").build()))
            .loadBalancers(LoadBalancersArgs.builder().firstAddress("192.168.1.221").build())
            .k3s(K3sArgs.builder().version("v1.31.6+k3s1").build())
            .ssh(SshArgs.builder().privateKey(ctx.config().requireSecret("sshPrivateKey")).build())
            .build());
        ctx.export("kubeconfig", k3s.kubeconfig());
    }
}

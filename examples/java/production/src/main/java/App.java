import com.pulumi.Context;
import com.pulumi.Pulumi;
import io.github.k3sha.K3sHaCluster;
import io.github.k3sha.K3sHaClusterArgs;
import io.github.k3sha.inputs.DiskOptionsArgs;
import io.github.k3sha.inputs.ForwardArgs;
import io.github.k3sha.inputs.K3sArgs;
import io.github.k3sha.inputs.LoadBalancersArgs;
import io.github.k3sha.inputs.ManifestArgs;
import io.github.k3sha.inputs.NetworkArgs;
import io.github.k3sha.inputs.ProxmoxApiArgs;
import io.github.k3sha.inputs.ProxmoxArgs;
import io.github.k3sha.inputs.ProxyArgs;
import io.github.k3sha.inputs.RegistriesArgs;
import io.github.k3sha.inputs.RegistryAuthArgs;
import io.github.k3sha.inputs.RegistryConfigArgs;
import io.github.k3sha.inputs.RegistryMirrorArgs;
import io.github.k3sha.inputs.ServersArgs;
import io.github.k3sha.inputs.SshArgs;
import io.github.k3sha.inputs.StatsArgs;
import io.github.k3sha.inputs.WorkerPoolArgs;
import java.util.Map;

/** An ingress behind the same VIP as the API, images from a private registry, a proxy as the only way out, and a page to look at. */
public class App {
    private static final String INGRESS = String.join("\n",
        "apiVersion: helm.cattle.io/v1",
        "kind: HelmChart",
        "metadata: {name: ingress-nginx, namespace: kube-system}",
        "spec:",
        "  repo: https://kubernetes.github.io/ingress-nginx",
        "  chart: ingress-nginx",
        "  version: 4.12.1",
        "  targetNamespace: ingress-nginx",
        "  createNamespace: true",
        "  valuesContent: |",
        "    controller:",
        "      service: {type: NodePort, nodePorts: {http: 30080, https: 30443}}",
        "");

    public static void main(String[] args) {
        Pulumi.run(App::stack);
    }

    static void stack(Context ctx) {
        var config = ctx.config();
        var proxy = "http://proxy.example.org:3128";
        var registries = RegistriesArgs.builder()
            .mirrors(Map.of("docker.io", RegistryMirrorArgs.builder().endpoint("https://registry.example.org").rewrite(Map.of("^(.*)$", "dockerhub/$1")).build()))
            .configs(Map.of("registry.example.org", RegistryConfigArgs.builder()
                .auth(RegistryAuthArgs.builder().username("puller").password(config.requireSecret("registryPassword")).build())
                .build()))
            .build();
        var k3s = new K3sHaCluster("k3s", K3sHaClusterArgs.builder()
            .clusterName("k3s")
            .proxmox(ProxmoxArgs.builder().nodes("pve1").templateId(9000)
                .api(ProxmoxApiArgs.builder().endpoint("https://pve1.example.org:8006").apiToken(config.requireSecret("proxmoxToken")).build()) // for diskOptions
                .build())
            .network(NetworkArgs.builder().cidr("192.168.1.0/24").gateway("192.168.1.1").vip("192.168.1.220").endpoint("api.example.org")
                .proxy(ProxyArgs.builder().http(proxy).https(proxy).noProxy(".example.org").build()).build())
            .servers(ServersArgs.builder().firstAddress("192.168.1.201").build())
            .workers(Map.of("worker", WorkerPoolArgs.builder().count(2).firstAddress("192.168.1.211").cpuType("host")
                .diskOptions(DiskOptionsArgs.builder().discard(true).ssd(true).build()).build()))
            .loadBalancers(LoadBalancersArgs.builder().firstAddress("192.168.1.221")
                .forward(
                    ForwardArgs.builder().name("http").port(80).nodePort(30080).pools("worker").build(),
                    ForwardArgs.builder().name("https").port(443).nodePort(30443).pools("worker").build())
                .stats(StatsArgs.builder().password(config.requireSecret("statsPassword")).sourceRanges("192.168.1.0/24").build())
                .build())
            .k3s(K3sArgs.builder().version("v1.31.6+k3s1").disable("traefik", "servicelb").registries(registries)
                .manifests(Map.of("ingress-nginx", ManifestArgs.builder().content(INGRESS).build())).build())
            .ssh(SshArgs.builder().privateKey(config.requireSecret("sshPrivateKey")).build())
            .build());
        ctx.export("kubeconfig", k3s.kubeconfig());
        ctx.export("summary", k3s.summary());
    }
}

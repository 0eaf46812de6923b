# Done when the API answers through the external load balancer, with a certificate of this cluster. Runs on the first server.
at="https://$VIP:$API_PORT"
seen=0
api_answers() {
	code=$(curl -s -o /dev/null --connect-timeout 3 --max-time 5 --cacert /etc/rancher/k3s/cluster-ca.pem -w '%{http_code}' "$at/readyz") || {
		seen=$?
		return 1
	}
	seen=0
	[ "$code" = 200 ] || [ "$code" = 401 ]
}
wait_until 120 api_answers || {
	case $seen in
	0) what="something answers HTTP $code there; see that it is the API of this cluster, and that its server is ready" ;;
	6) what="nodes cannot resolve the name; see network.dns" ;;
	7) what="the connection is refused: nothing listens there" ;;
	28) what="nothing answers there; see the firewall between, and that $NODE_IP:6443 is in the pool" ;;
	35 | 52 | 56) what="connections are closed before TLS is agreed on; see that $NODE_IP:6443 is in the pool, that its check passes (HTTPS GET /readyz, 200 or 401), and that the PROXY protocol is off" ;;
	51 | 60) what="the certificate there is not this cluster's; the load balancer must pass TLS through as it is (TCP mode, no offloading), to this cluster's servers" ;;
	*) what="curl ends with $seen" ;;
	esac
	die "the API does not answer through the external load balancer at $at (loadBalancers.external.endpoint), for 120 s: $what. Mend that, then run pulumi up again"
}

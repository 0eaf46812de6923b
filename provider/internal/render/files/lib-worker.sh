# What a worker's step is made of.
TOKEN="K10$CA_HASH::node:$AGENT_TOKEN"
SECRETS="$AGENT_TOKEN
$AROUND_SECRETS" # what no journal line may show

kubectl() { k3s kubectl --kubeconfig $data/agent/kubelet.kubeconfig --request-timeout=5s "$@" 2>/dev/null; }

# ready: the worker's node is Ready, at the wanted release, as the API sees it.
ready() {
	loops && return 0
	runs || return 1
	beats || return 1
	[ "$state" = "True $K3S_VERSION" ]
}

# unregistered: the API answers, and has no such node. A kubelet registers once in its life, so k3s must start anew.
unregistered() {
	answer=$(k3s kubectl --kubeconfig $data/agent/kubelet.kubeconfig --request-timeout=5s get node "$NODE" 2>&1 >/dev/null) && return 1
	case $answer in *'(NotFound)'*) return 0 ;; esac
	return 1
}

# admits: the supervisor behind the VIP takes workers. Without asking first, k3s would wait 5 to 10 s between its own tries.
admits() {
	printf 'user = "node:%s"\n' "$AGENT_TOKEN" |
		curl -sf -o /dev/null --max-time 3 --cacert $etc/cluster-ca.pem -K - "https://$VIP:$API_PORT/v1-k3s/readyz"
}

converge_worker() {
	brought
	put 0644 $etc/cluster-ca.pem "$CA"
	configure
	[ -z "$ADOPT" ] || only_ours
	put 0600 $etc/token "$TOKEN"
	if [ "$(wanted)" != "$(cat $started 2>/dev/null)" ] || asked || ! systemctl is-active -q "$UNIT" || unregistered; then
		wait_until 120 admits ||
			die "no server behind the VIP $VIP has taken workers for 120 s; look at the servers, then run pulumi up again"
		install_k3s agent
		start_k3s
	fi
	wait_until "$READY_WAIT" ready ||
		die_of "$UNIT" "the worker is not Ready after $READY_WAIT s (Ready, version: ${state:-no answer from the API}); mend that, then run pulumi up again"
	if loops; then ends_again; fi
	enabled "$UNIT"
	noted
	[ -z "$ADOPT" ] || adopted
}

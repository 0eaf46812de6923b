# Brings a server to what it should be: initialised or joined, configured, at the wanted release.
# Every server runs this same script. Whether a blank one may initialise is not said here: the VIP decides.
role=$etc/config.yaml.d/k3sha-role.yaml
lock

field() { printf '%s' "$card" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }
read_card() { card=$(curl -sf --max-time 2 "http://$VIP:$STATUS_PORT/cluster"); }

# decide: sets $decision to "initialise" or "join" for a server without etcd data, and $ca; or refuses.
decide() {
	wait_until "$VIP_WAIT" read_card ||
		die "the VIP $VIP has not answered on port $STATUS_PORT for $VIP_WAIT s, so nobody can say whether the cluster lives; bring a load balancer back, then run pulumi up again"
	[ "$(field cluster)" = "$CLUSTER" ] ||
		die "the VIP $VIP belongs to cluster $(field cluster), not to $CLUSTER; give this cluster a network.vip of its own"
	ca=$(field ca)
	if [ "$(field servers)" -ge 1 ]; then
		if [ "$ca" = none ] && [ -z "$looked_again" ]; then
			# HAProxy counts a server as living until its first check has failed: look again, at everything.
			looked_again=yes
			sleep "$RECHECK_WAIT"
			decide
			return
		fi
		decision="join"
	elif [ "$ca" != none ]; then
		die "cluster $CLUSTER (CA $ca) has lived, but none of its servers answers, and this one has an empty disk; it will not start a second cluster. Bring a server back, or restore one from an etcd snapshot (k3s server --cluster-reset --cluster-reset-restore-path=FILE). If the cluster is lost for good, set servers.abandonedCa to \"$ca\" to start anew"
	elif [ "$(field first)" = "$NODE" ]; then
		decision=initialise
	else
		die "cluster $CLUSTER has no server yet, and $(field first) is the one that may initialise it; run pulumi up again when that has succeeded"
	fi
}
looked_again=

kubectl() { k3s kubectl --kubeconfig $etc/k3s.yaml --request-timeout=5s "$@" 2>/dev/null; }

# serves: this server's own API is ready, which k3s starts when its etcd member votes, and its node is Ready at the wanted release;
# all of it seen after the restart.
serves() {
	loops && return 0
	stuck && return 0
	runs || return 1
	kubectl get --raw /readyz >/dev/null || return 1
	beats || return 1
	state=$(kubectl get node "$NODE" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.nodeInfo.kubeletVersion}') || return 1
	[ "$state" = "True $K3S_VERSION" ]
}

# others_vote: every other server is Ready, votes and answers, so that this one may go away for a moment. (Conditions take 40 s to show
# a loss, so each is asked itself.)
others_vote() {
	servers=$(kubectl get nodes -l node-role.kubernetes.io/etcd=true -o 'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="EtcdIsVoter")].status} {.status.conditions[?(@.type=="Ready")].status} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}')
	bad=$(printf '%s\n' "$servers" | awk -v me="$NODE" 'NF && $1 != me && ($2 != "True" || $3 != "True") { print $1 }' | tr '\n' ' ')
	if [ -z "$servers" ]; then bad="(no answer from the API) "; fi
	[ -z "$bad" ] || return 1
	while read -r name _ _ ip; do
		[ "$name" = "$NODE" ] || answers "$ip" || bad="$bad$name "
	done <<LIST
$servers
LIST
	[ -z "$bad" ]
}

# answers ADDRESS: the API there is ready, by a certificate of this cluster. 401: it is, and knows no anonymous requests.
answers() {
	code=$(curl -s -o /dev/null --max-time 3 --cacert $data/server/tls/server-ca.crt -w '%{http_code}' "https://$1:6443/readyz") || return 1
	[ "$code" = 200 ] || [ "$code" = 401 ]
}

# A first start that was interrupted, on a cluster that has never lived: k3s refuses data of a start that was killed before it had saved
# its bootstrap data, for ever. stuck: it does. set_aside, begin_anew: nothing is lost, so it starts with an empty disk once more.
unfinished=
stuck() {
	[ -n "$unfinished" ] || return 1
	count=$(restarts)
	[ "$count" -ge "$restarts_before" ] || restarts_before=0
	[ $((count - restarts_before)) -ge 2 ]
}
set_aside() {
	systemctl stop "$UNIT" || true
	rm -rf $data/server/db-unfinished
	mv $data/server/db $data/server/db-unfinished
	unfinished=
	restarts_before=0
}
begin_anew() {
	set_aside
	start_k3s
}
answers_here() {
	code=$(curl -sk -o /dev/null --max-time 3 -w '%{http_code}' https://127.0.0.1:6443/readyz) || return 1
	[ "$code" = 200 ] || [ "$code" = 401 ]
}

put 0600 $etc/config.yaml "$CONFIG"
put 0600 $etc/agent-token "$AGENT_TOKEN"
bad=
decision=
if [ -d $data/server/db/etcd/member ]; then
	decision=start
	# An interrupted first start stays the first start until its API is ready.
	if grep -qs cluster-init $role; then unfinished=yes; else put 0600 $role "$JOIN"; fi
	may_upgrade
fi
# Until then another server may have been made the first, and started the cluster: then this one joins it.
if [ -n "$unfinished" ] && ! answers_here; then
	decide
	if [ "$decision" = join ]; then set_aside; else decision=start; fi
fi
if [ ! -d $data/server/db/etcd/member ]; then
	[ "$decision" = join ] || decide
	case "$decision" in
	join)
		put 0600 $role "$JOIN"
		# With the CA's hash in the token k3s verifies the cluster before it sends any secret.
		if [ "$ca" != none ]; then
			put 0600 $etc/token "K10${ca#sha256:}::server:$TOKEN"
		else
			put 0600 $etc/token "$TOKEN"
		fi
		;;
	initialise)
		put 0600 $role 'cluster-init: true
'
		put 0600 $etc/token "$TOKEN"
		;;
	esac
fi
[ -s $etc/token ] || put 0600 $etc/token "$TOKEN"

if [ "$(wanted)" != "$(cat $started 2>/dev/null)" ] || ! systemctl is-active -q "$UNIT"; then
	if [ "$decision" = start ] && systemctl is-active -q "$UNIT"; then
		wait_until 120 others_vote ||
			die "will not restart k3s, for quorum would be lost: not Ready, not voting or not answering: ${bad% }; bring that back first, then run pulumi up again"
	fi
	install_k3s server
	start_k3s
fi
up() {
	wait_until "$READY_WAIT" serves ||
		die_of "$UNIT" "k3s is not up after $READY_WAIT s (Ready, version: ${state:-no answer from its API}); mend that, then run pulumi up again"
}
up
if stuck; then
	begin_anew
	up
fi
if loops; then
	die_of "$UNIT" "k3s ends again and again; mend that, then run pulumi up again"
fi
# From here on a start of this server can never initialise anything.
put 0600 $role "$JOIN"
wanted >$started

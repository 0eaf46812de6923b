# Brings a server to what it should be: started or joined, configured, at the wanted release.
# Every server runs this same script. Whether a blank one may start the cluster is not said here: one machine has been given the right.
role=$etc/config.yaml.d/k3sha-role.yaml
s3=$etc/config.yaml.d/k3sha-s3.yaml
right=/var/lib/k3sha/right
: "${ADOPT:=}"
SECRETS="$TOKEN
$AGENT_TOKEN
$AROUND_SECRETS
$(printf '%s\n' "${S3_KEYS:-}" | sed -n 's/^[^:]*: "\(.*\)"$/\1/p')" # what no journal line may show
lock

# proven: something behind the VIP proves by TLS, to the CA that the state has, that it is a server of this cluster.
proven() {
	seen=0
	curl -s -o /dev/null --connect-timeout 2 --max-time 4 --cacert $etc/cluster-ca.pem "https://$VIP:$API_PORT/readyz" || seen=$?
	[ $seen -eq 0 ]
}

# unused: this machine has the right to start the cluster, and has not used it up. One of a mark before this one is worth nothing.
unused() { [ -s $right ] && ! cmp -s $right $right-used && { [ -z "$START" ] || [ "$START" = "$(cut -d/ -f1 $right)" ]; }; }

# decide: sets $decision to "start" or "join" for a server without etcd data, or refuses.
decide() {
	if proven; then
		decision="join"
	elif unused; then
		[ -z "$ADOPT" ] || [ -n "$START" ] || die "the data that this server brought are gone from $data/server/db; it will not start the cluster without them. Bring them back, or go back to what was before: sh $kept/way-back.sh"
		decision=start
	elif wait_until "$VIP_WAIT" proven; then
		decision="join"
	else
		case $seen in
		51 | 60) what="something answers at the VIP $VIP that is no server of cluster $CLUSTER" ;;
		*) what="no server of cluster $CLUSTER has answered at the VIP $VIP for $VIP_WAIT s" ;;
		esac
		die "$what, and this machine, whose disk is empty, has no right to start the cluster; it will not start a second one. Bring a server or a load balancer back, or go back to a snapshot of etcd by restore. If the cluster is lost for good, set servers.startOver to a new word to start it anew, empty"
	fi
}

kubectl() { k3s kubectl --kubeconfig $etc/k3s.yaml --request-timeout=5s "$@" 2>/dev/null; }

# promote: asks etcd to let this new member vote. k3s' leader asks that every 15 s; etcd agrees as soon as the member has what the others
# have, and refuses before.
promote() {
	id=$(etcd_metrics | awk '/^etcd_server_is_learner 1/ { learns = 1 } /^etcd_server_id\{/ { split($1, part, "\""); id = part[2] } END { if (learns) print id }')
	[ -n "$id" ] || return 0
	for member in $(sed -n 's/^initial-cluster: //p' $data/server/db/etcd/config | tr , ' '); do
		address=${member#*=https://}
		address=${address%:2380}
		if [ "$address" != "$NODE_IP" ] && etcd_call "$address" Cluster/MemberPromote "$id"; then return 0; fi
	done
}

# serves: this server's own API is ready, which k3s starts when its etcd member votes, and its node is Ready at the wanted release;
# all of it seen after the restart.
serves() {
	loops && return 0
	stuck && return 0
	if [ -n "$ADOPT" ] && fell; then return 0; fi
	[ "$decision" != join ] || promote # the unit is up only after that
	runs || return 1
	answers 127.0.0.1 || return 1 # much cheaper to ask than by kubectl, while k3s needs the machine for its start
	kubectl get --raw /readyz >/dev/null || return 1
	[ -z "$ADOPT" ] || : >/var/lib/k3sha/served
	beats || return 1
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
	[ $((count - restarts_before)) -ge 2 ] || return 1
	[ -z "$ADOPT" ] || [ -n "$START" ] || ! saved
}
set_aside() {
	systemctl stop "$UNIT" || true
	if [ -n "$ADOPT" ] && [ -z "$START" ]; then
		move_again
	else
		rm -rf $data/server/db-unfinished
		mv $data/server/db $data/server/db-unfinished
	fi
	unfinished=
	restarts_before=0
}
begin_anew() {
	set_aside
	start_k3s
}

# bury: k3s has been taken out of etcd, and its data are worth nothing any more.
bury() {
	systemctl stop "$UNIT" || true
	rm -rf $data/server/db-removed
	mv $data/server/db $data/server/db-removed
}

# manifests: what k3s' own deploy controller applies, on every server alike. One that is not asked for any more is emptied, upon which k3s deletes
# what it made; what is left of it goes the next time.
manifests() {
	: "${MANIFESTS:=}" "${MANIFEST_FILES:=}"
	dir=$data/server/manifests/k3sha
	if [ -z "$MANIFESTS" ] && [ ! -d "$dir" ]; then return 0; fi
	new=$(mktemp -d)
	trap 'rm -rf "$new"' EXIT
	[ -z "$MANIFESTS" ] || printf '%s' "$MANIFESTS" | base64 -d | tar -x -C "$new" -f - || die "cannot unpack the manifests to $new; is the disk full?"
	while read -r name sum _; do
		[ -n "$name" ] || continue
		[ -s "/var/lib/k3sha/manifests/$sum" ] || die "/var/lib/k3sha/manifests/$sum is gone; remove nothing there, and run pulumi up --replace on this node's prepare step"
		cp "/var/lib/k3sha/manifests/$sum" "$new/$name.yaml"
	done <<LIST
$MANIFEST_FILES
LIST
	mkdir -p "$dir"
	for file in "$new"/*.yaml; do
		[ -e "$file" ] || continue
		name=${file##*/}
		other=$(find "$data/server/manifests" -path "$dir" -prune -o -type f -name "${name%.yaml}.*" -print | head -n 1)
		[ -z "$other" ] || die "k3s applies $other already, by the same name; take it away, or give the manifest another name in k3s.manifests"
		cmp -s "$file" "$dir/$name" && continue
		install -m 0600 "$file" "$dir/.$name"
		mv -f "$dir/.$name" "$dir/$name"
	done
	for file in "$dir"/*.yaml; do
		if [ ! -e "$file" ] || [ -e "$new/${file##*/}" ]; then continue; fi
		if [ "$(cat "$file")" = "$emptied" ]; then
			forget "$file"
		else
			put 0600 "$file" "$emptied
"
		fi
	done
	for file in /var/lib/k3sha/manifests/*; do
		case "$MANIFEST_FILES" in *" ${file##*/} "*) ;; *) rm -f "$file" ;; esac
	done
	rm -rf "$new"
	trap - EXIT
}

# forget FILE: an emptied manifest goes when k3s has seen it empty, and with it what k3s remembers of it.
forget() {
	name=${1##*/}
	seen=$(kubectl -n kube-system get addons.k3s.cattle.io "${name%.yaml}" --ignore-not-found -o 'jsonpath={.spec.checksum}') || return 0
	case $seen in
	"") ;;
	"$(sha256sum <"$1" | cut -d' ' -f1)") kubectl -n kube-system delete addons.k3s.cattle.io "${name%.yaml}" >/dev/null || return 0 ;;
	*) return 0 ;;
	esac
	rm -f "$1"
}
emptied='# Taken out of k3s.manifests; what it made is deleted.'

if [ -n "$ADOPT" ] && [ -z "$START" ] && [ -e "$sqlite" ] && [ ! -e "$data/server/db/etcd/member" ] && ! unused; then
	die "this server has its data in SQLite again, and no right to move them: it has gone the way back. Take this stack away by pulumi destroy, which leaves it as it is, and adopt it by a new one"
fi
brought
put 0644 $etc/cluster-ca.pem "$CA"
[ -z "$ADOPT" ] || put 0600 $etc/agent-token "$AGENT_TOKEN"
configure
[ -z "$ADOPT" ] || only_ours
put 0600 $etc/agent-token "$AGENT_TOKEN"
if [ -n "$S3_KEYS" ]; then put 0600 $s3 "$S3_KEYS"; else rm -f $s3; fi
[ -z "$S3_CA" ] || put 0644 $etc/s3-ca.pem "$S3_CA"
manifests
# A server that has left the cluster must not come back by itself, which k3s would do as long as it knows a server to join.
put 0644 "/etc/systemd/system/$UNIT.service.d/k3sha.conf" "$K3S_UNIT"
bad=
decision=
if [ -e $data/server/db/etcd/tombstone ]; then bury; fi
# Until it is finished another server may have been given the right, and have started the cluster: then this one joins it. Not while k3s
# runs here: HAProxy, which tries every server when it knows of none that is ready, may then have asked this very one.
if [ -z "$ADOPT" ] && [ -d $data/server/db/etcd/member ] && unused && [ "$(systemctl show -p MainPID --value "$UNIT")" = 0 ] && proven; then
	set_aside
	decision="join"
fi
# A move of the data to etcd that is under way goes on; one that was interrupted begins anew.
if [ -n "$ADOPT" ] && [ -z "$START" ] && unused; then
	wait_until 600 still || die "k3s is still moving its data to etcd; run pulumi up again in a while, which waits for it"
	! half_moved || set_aside
	if [ -e "$sqlite" ]; then # a restart of the machine finds k3s as it was, until the copy is there
		install_k3s server
		known "$UNIT"
		keep_data
		decision=start
	fi
fi
if [ -d $data/server/db/etcd/member ]; then
	decision=keep
	# An interrupted first start stays the first start until its API is ready.
	if unused; then
		unfinished=yes
	elif [ -n "$START" ] && [ "$START" != "$(cat /var/lib/k3sha/start 2>/dev/null)" ]; then
		die "this machine holds the data of the cluster that servers.startOver has given up; make its VM anew: pulumi up --replace '**::$VM'"
	elif [ -n "$ADOPT" ] && [ -e "$adopting" ]; then
		rm -f $role # the VIP may be nobody's yet, and k3s would wait for it
	else
		put 0600 $role "$JOIN"
	fi
	may_upgrade
else
	[ -n "$decision" ] || decide
	case "$decision" in
	join)
		put 0600 $role "$JOIN"
		# With the CA's hash in the token k3s verifies the cluster before it sends any secret.
		put 0600 $etc/token "K10$CA_HASH::server:$TOKEN"
		;;
	start)
		put 0600 $role 'cluster-init: true
'
		put 0600 $etc/token "$TOKEN"
		;;
	esac
fi
[ -s $etc/token ] || put 0600 $etc/token "$TOKEN"

if [ "$(wanted)" != "$(cat $started 2>/dev/null)" ] || asked || ! systemctl is-active -q "$UNIT"; then
	if [ "$decision" = keep ] && systemctl is-active -q "$UNIT"; then
		wait_until 120 others_vote ||
			die "will not restart k3s, for quorum would be lost: not Ready, not voting or not answering: ${bad% }; bring that back first, then run pulumi up again"
	fi
	install_k3s server
	known "$UNIT"
	[ -z "$ADOPT" ] || [ ! -e "$adopting" ] || ! leads || hand_over || true # a server alone has nobody
	start_k3s
fi
up() {
	wait_until "$READY_WAIT" serves || {
		if [ -n "$ADOPT" ] && moves; then die "k3s is still moving its data to etcd after $READY_WAIT s; run pulumi up again in a while, which waits for it"; fi
		die_of "$UNIT" "k3s is not up after $READY_WAIT s (Ready, version: ${state:-no answer from its API}); mend that, then run pulumi up again"
	}
	if [ -n "$ADOPT" ] && fell; then
		die_of "$UNIT" "k3s has ended while it moved its data to etcd, and does not start with a part of them; mend that, then run pulumi up again, or go back to what was before: sh $kept/way-back.sh"
	fi
}
up
if stuck; then
	begin_anew
	up
fi
if loops; then ends_again; fi
if [ -n "$ADOPT" ] && [ -e "$adopting" ] && ! wait_until 10 named; then # k3s adds names to the certificate that it has; where it has not, it makes another one
	wait_until 120 others_vote || die "the certificate that the API shows is not good for the VIP $VIP, and k3s cannot restart for another one now: not Ready, not voting or not answering: ${bad% }; bring that back first, then run pulumi up again"
	kubectl -n kube-system delete secret k3s-serving >/dev/null || true
	rm -f $data/server/tls/dynamic-cert.json
	start_k3s
	up
	wait_until 10 named || die "the certificate that the API shows is not good for the VIP $VIP: see openssl s_client -connect $NODE_IP:6443 there, and k3s' documentation of k3s certificate rotate, then run pulumi up again"
fi
# From here on a start of this server can never start a cluster.
put 0600 $role "$JOIN"
[ -z "$START" ] || put 0600 /var/lib/k3sha/start "$START"
if [ -s $right ]; then cp $right $right-used; fi
enabled "$UNIT"
noted
[ -z "$ADOPT" ] || adopted

# The nearest end of k3s' own certificates, which it renews when it starts in their last 90 days: the step's output.
set --
for file in "$data"/server/tls/*.crt "$data"/server/tls/etcd/*.crt "$data"/agent/*.crt; do
	case $file in *-ca.crt | *-ca.nochain.crt) continue ;; esac
	[ ! -s "$file" ] || set -- "$@" "$file"
done
if [ $# -gt 0 ]; then # the first of each file, by one openssl for all: a small machine takes its time for each program
	certificates=$(mktemp)
	trap 'rm -f "$certificates"' EXIT
	awk 'FNR == 1 { own = 1 } own { print } /^-----END/ { own = 0 }' "$@" >"$certificates"
	openssl storeutl -noout -text -certs "$certificates" | sed -n 's/^ *Not After : //p' | date -u -f - +%Y-%m-%dT%H:%M:%SZ | sort | head -n 1
fi

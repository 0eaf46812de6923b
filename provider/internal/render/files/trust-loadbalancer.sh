# Teaches the load balancer the cluster's CA. Done when the API answers through the VIP, with a certificate for it.
lock
mkdir -p $conf
put 0644 $conf/ca.pem "$CA"
apply_haproxy
api_answers() {
	code=$(curl -s -o /dev/null --max-time 3 --cacert $conf/ca.pem -w '%{http_code}' "https://$VIP:$API_PORT/readyz") || return 1
	[ "$code" = 200 ] || [ "$code" = 401 ]
}
wait_until 90 api_answers ||
	die_of haproxy "https://$VIP:$API_PORT/readyz does not answer through the VIP after 90 s (HTTP $code); is a server up?"

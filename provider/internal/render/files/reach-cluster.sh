# Done when the API answers through the VIP, with a certificate of this cluster.
wait_until 120 api_answers ||
	die_of haproxy "https://$VIP:$API_PORT/readyz does not answer through the VIP after 120 s (HTTP ${code:-none}); is a server up?"

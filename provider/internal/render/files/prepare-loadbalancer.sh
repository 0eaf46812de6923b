# Has HAProxy, Keepalived and what their checks use installed.
lock
programs <<LIST
haproxy haproxy
keepalived keepalived
arping iputils-arping
curl curl
LIST

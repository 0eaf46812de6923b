#!/bin/sh
# Prints the figures: the demo five times from nothing (warm caches), preview, second up, memory with all nodes up.
set -eu
export LAB_NAME=bench
trap 'lab down' EXIT
for i in 1 2 3 4 5; do
	lab down
	before=$(awk '/MemAvailable/ { print $2 }' /proc/meminfo)
	lab demo >"$LAB_BUILD/bench.log" 2>&1 || { tail -n 40 "$LAB_BUILD/bench.log" && exit 1; }
	after=$(awk '/MemAvailable/ { print $2 }' /proc/meminfo)
	grep -o 'Ready after [0-9.]* s' "$LAB_BUILD/bench.log" | sed "s/^/demo $i: /"
	grep 'critical path' "$LAB_BUILD/bench.log" | sed "s/^/demo $i: /"
	echo "demo $i: $(((before - after) / 1024)) MB of memory with 7 nodes up"
done
for i in 1 2 3; do
	lab demo | grep 'Nothing to change' | sed "s/^/second up $i: /"
done
for i in 1 2 3; do
	from=$(date +%s%N)
	lab run pulumi preview --stack demo --non-interactive --config-file "/var/tmp/k3sha-lab/bench/Pulumi.demo.yaml" >/dev/null
	echo "preview $i: $((($(date +%s%N) - from) / 1000000)) ms"
done

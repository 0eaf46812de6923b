# Says which release of k3s has come up here last.
cat /var/lib/k3sha/reached 2>/dev/null || true

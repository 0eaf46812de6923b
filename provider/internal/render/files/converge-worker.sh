# Brings a worker into the cluster, and keeps it at the wanted configuration and release.
lock
converge_worker

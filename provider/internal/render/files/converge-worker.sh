# Keeps a worker at the wanted configuration and release.
lock
converge_worker

# Brings a new worker into the cluster. A worker that has joined is left alone: later changes are the converge step's,
# which comes after the servers'.
lock
if [ -s $started ]; then exit 0; fi
converge_worker

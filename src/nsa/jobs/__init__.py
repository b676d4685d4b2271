"""Many jobs, on this machine or on a cluster: what a job is, and the executors that do them."""

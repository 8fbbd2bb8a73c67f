"""Several machines: finds the workers and waits until all are running.

The other files in this folder start a run on Kubernetes, Slurm or plain hosts; see README.md.
"""

from trainers.cluster.members import Cluster, describes_several, find_cluster
from trainers.cluster.rendezvous import meet

__all__ = ["Cluster", "describes_several", "find_cluster", "meet"]

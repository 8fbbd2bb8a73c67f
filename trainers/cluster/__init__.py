"""Several machines: who the workers are, and whether all of them are there.

The files beside this one start a run on Kubernetes, Slurm or plain hosts; see README.md.
"""

from trainers.cluster.members import Cluster, describes_several, find_cluster
from trainers.cluster.rendezvous import meet

__all__ = ["Cluster", "describes_several", "find_cluster", "meet"]

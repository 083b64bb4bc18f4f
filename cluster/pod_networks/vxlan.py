"""What VXLAN takes of a packet, whichever plug-in uses it."""

from __future__ import annotations

from cluster.vocabulary.families import Family

# Bytes that VXLAN puts in front of a packet, by the family of the node addresses it travels between.
VXLAN_OVERHEAD = {Family.IPV4: 50, Family.IPV6: 70}

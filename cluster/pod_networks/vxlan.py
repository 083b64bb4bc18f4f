"""The overhead of VXLAN, for all plug-ins."""

from __future__ import annotations

from cluster.vocabulary.families import Family

# Bytes that VXLAN adds to a packet, by the family of the node addresses.
VXLAN_OVERHEAD = {Family.IPV4: 50, Family.IPV6: 70}

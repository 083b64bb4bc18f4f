"""Send router advertisements on a link until killed, with a router lifetime (RFC 4861, 4.2): advertise_router.py LINK [SECONDS [PREFIX]].

SECONDS is 1800 by default; 0 advertises no default route. With a PREFIX of 64 bits, hosts make addresses with a lifetime of an hour (RFC 4862).
"""

import ipaddress
import socket
import struct
import sys
import time

if __name__ == "__main__":
    link = socket.if_nametoindex(sys.argv[1])
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, int(sys.argv[2]) if len(sys.argv) > 2 else 1800, 0, 0)
    for prefix in sys.argv[3:]:
        # prefix information (RFC 4861, 4.6.2), on-link and autonomous
        message += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + ipaddress.IPv6Address(prefix).packed
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link)
        while True:
            sender.sendto(message, ("ff02::1", 0, 0, link))
            time.sleep(0.3)

"""Send router advertisements on a link until killed, with a router lifetime of 30 minutes and no prefix (RFC 4861, 4.2): advertise_router.py LINK."""

import socket
import struct
import sys
import time

if __name__ == "__main__":
    link = socket.if_nametoindex(sys.argv[1])
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link)
        while True:
            sender.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, link))
            time.sleep(0.3)

//! Sockets: UDP, ICMP echo, TCP.

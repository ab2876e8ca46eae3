#!/bin/sh
# Gives a node a neighbour at the cloud's metadata addresses, as the cloud itself has it, and a pod
# behind a bridge. The neighbour tells whoever asks on port 80; ends with the node.
set -eu

IPV4=169.254.169.254
IPV6=fd00:ec2::254

sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.all.forwarding=1

ip netns add cloud
ip link add cloud0 type veth peer name eth0 netns cloud
ip addr add 169.254.169.1/24 dev cloud0
ip addr add fd00:ec2::1/64 dev cloud0 nodad
ip link set cloud0 up
ip -n cloud addr add "$IPV4/24" dev eth0
ip -n cloud addr add "$IPV6/64" dev eth0 nodad
ip -n cloud link set eth0 up
ip -n cloud route add default via 169.254.169.1
ip -n cloud route add default via fd00:ec2::1

ip netns add pod
ip link add pods0 type bridge
ip link add pod0 type veth peer name eth0 netns pod
ip link set pod0 master pods0
ip addr add 10.42.9.1/24 dev pods0
ip addr add fd42:9::1/64 dev pods0 nodad
ip link set pods0 up
ip link set pod0 up
ip -n pod addr add 10.42.9.2/24 dev eth0
ip -n pod addr add fd42:9::2/64 dev eth0 nodad
ip -n pod link set eth0 up
ip -n pod route add default via 10.42.9.1
ip -n pod route add default via fd42:9::1

# A Service whose endpoint somebody has turned to the metadata address.
iptables -w -t nat -A PREROUTING -d 10.43.0.99 -j DNAT --to-destination "$IPV4"

cat >/run/answer <<'END'
while read -r line && [ "$line" != "$(printf '\r')" ]; do :; done
printf 'HTTP/1.0 200 OK\r\n\r\nsecrets'
END
for listen in "TCP4-LISTEN:80,bind=$IPV4" "TCP6-LISTEN:80,bind=[$IPV6]"; do
    systemd-run --quiet --collect \
        ip netns exec cloud socat "$listen,fork,reuseaddr" 'EXEC:/bin/sh /run/answer'
done
for url in "http://$IPV4/" "http://[$IPV6]/"; do
    curl --silent --fail --output /dev/null --retry 120 --retry-connrefused --retry-delay 1 --max-time 20 "$url"
done

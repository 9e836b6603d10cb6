"""A network namespace of its own, with an address, a setting, a connection and a packet socket in it."""

import ctypes
import socket
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
ADDRESS = "10.9.9.9"
SETTING = "/proc/sys/net/ipv4/conf/lo/rp_filter"

if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
    sys.exit("unshare")
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "addr", "add", ADDRESS + "/32", "dev", "lo"], check=True)
with open(SETTING, "w") as setting:
    setting.write("2")

listener = socket.create_server((ADDRESS, 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
packet.bind(("lo", 0))
bound = packet.getsockname()

turn = 0
while True:
    turn += 1
    message = b"%d" % turn
    client.sendall(message)
    if server.recv(100) != message:
        print("fault data", flush=True)
        break
    # Binding shows that the address is there.
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
    with open(SETTING) as setting:
        if setting.read() != "2\n":
            print("fault setting", flush=True)
            break
    if packet.getsockname() != bound:
        print("fault packet", flush=True)
        break
    print(f"round {turn}", flush=True)
    time.sleep(0.01)

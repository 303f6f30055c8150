# SPDX-License-Identifier: Apache-2.0
"""imds_relay.py SOCKET MACHINE: started by QEMU for each connection a guest makes to 169.254.169.254:80, which is this
program's stdin and stdout; says which machine it is, then carries bytes to the cloud's metadata service."""
import os
import socket
import sys
import threading


def carry(read, write, end):
    while True:
        data = read()
        if not data:
            break
        write(data)
    end()


def main():
    upstream = socket.socket(socket.AF_UNIX)
    upstream.connect(sys.argv[1])
    upstream.sendall(sys.argv[2].encode() + b"\n")
    threading.Thread(target=carry, args=(lambda: os.read(0, 65536), upstream.sendall,
                                         lambda: upstream.shutdown(socket.SHUT_WR)), daemon=True).start()
    carry(lambda: upstream.recv(65536), lambda data: os.write(1, data), lambda: None)


main()

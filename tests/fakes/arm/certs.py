# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of the cloud's own and its server's certificate, made by openssl at the first start."""
import ipaddress
import os
import ssl
import subprocess


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make(folder, hosts):
    """folder/ca.pem for clients, folder/server.pem and .key for us. An existing set is kept."""
    ca, key, server = (os.path.join(folder, n) for n in ("ca.pem", "server.key", "server.pem"))
    if os.path.exists(server):
        return ca, server, key
    names = ",".join(("IP:" if is_address(h) else "DNS:") + h for h in hosts)
    ca_key, request, ext = (os.path.join(folder, n) for n in ("ca.key", "server.csr", "server.ext"))
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
            "-subj", "/CN=test cloud authority", "-keyout", ca_key, "-out", ca,
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={hosts[0]}",
            "-keyout", key, "-out", request)
    with open(ext, "w", encoding="ascii") as file:
        file.write(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "3650",
            "-extfile", ext, "-out", server)
    return ca, server, key


def is_address(text):
    try:
        ipaddress.ip_address(text)
        return True
    except ValueError:
        return False


def context(server, key):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(server, key)
    return tls

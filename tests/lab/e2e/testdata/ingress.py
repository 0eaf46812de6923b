# An ingress of a few lines: says on which node it is and who asks, takes the PROXY protocol if it is told so, and is unwell where
# /run/unwell is. Arguments: the port, and "proxy".
import os
import socket
import socketserver
import sys

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


class Handler(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self):
        client = self.client_address[0]
        if "proxy" in sys.argv:
            head = self.rfile.read(16)
            if head[:12] != SIGNATURE:
                return
            rest = self.rfile.read(int.from_bytes(head[14:16], "big"))
            if head[12] & 15 == 1:  # PROXY; 0 is the load balancer itself, with a check
                client = socket.inet_ntoa(rest[:4])
        path = self.rfile.readline().decode().split(" ")[1]
        while self.rfile.readline().strip():
            pass
        well = path != "/healthz" or not os.path.exists("/run/unwell")
        body = f"{os.uname().nodename} {client}\n".encode()
        status = b"200 OK" if well else b"503 Service Unavailable"
        self.wfile.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


Server(("", int(sys.argv[1])), Handler).serve_forever()

"""An HTTPS server for a test of webhooks.

usage: webhook_server.py FOLDER CERTIFICATE KEY CLIENT_CA

Prints its port, then writes each request as a line of JSON to FOLDER/requests. What it answers is
in FOLDER/answers, a status a line, taken from the front; 200 when there is none left, and 422 to a
body that holds `poison`. With a CLIENT_CA it wants a certificate of its clients.
"""

import http.server
import json
import os
import ssl
import sys
import time

folder, certificate, key, client_ca = sys.argv[1:5]


def next_answer():
    path = os.path.join(folder, "answers")
    try:
        with open(path) as file:
            answers = file.read().split()
    except FileNotFoundError:
        return 200
    if not answers:
        return 200
    with open(path + ".new", "w") as file:
        file.write("\n".join(answers[1:]))
    os.rename(path + ".new", path)
    return int(answers[0])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status = next_answer()
        if status == 200 and "poison" in body:
            status = 422
        with open(os.path.join(folder, "requests"), "a") as file:
            record = {"status": status, "headers": dict(self.headers), "body": body}
            file.write(json.dumps(record) + "\n")
        if status == 0:
            time.sleep(3)
            status = 200
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "7")
        if status == 302:
            self.send_header("Location", "https://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
if client_ca:
    context.load_verify_locations(client_ca)
    context.verify_mode = ssl.CERT_REQUIRED
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()

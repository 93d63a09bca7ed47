"""Takes what Alertmanager posts: one line `SECONDS NAME STATUS` an alert, on standard output."""

import http.server
import json
import sys
import threading
import time

# Alertmanager posts several at once; a line is written whole.
lines = threading.Lock()


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for alert in json.loads(body)["alerts"]:
            line = f"{time.time():.3f} {alert['labels']['alertname']} {alert['status']}\n"
            with lines:
                sys.stdout.write(line)
                sys.stdout.flush()
        self.send_response(200)
        self.end_headers()

    do_GET = do_HEAD = lambda self: (self.send_response(200), self.end_headers())

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Webhook).serve_forever()

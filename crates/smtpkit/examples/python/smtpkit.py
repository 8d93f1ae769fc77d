"""Starts `smtpkit serve` for a test, and asks its HTTP API. Copy this file into your tests."""

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request


class Serve:
    """A catching server on free ports. `with Serve() as mail:` ends it."""

    def __init__(self, *options):
        program = os.environ.get("SMTPKIT", "smtpkit")
        command = [program, "serve", "--json", "--smtp", "0", "--http", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ports = {}
        # One line for each listener; that of HTTP is the last.
        while "http" not in self.ports:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"{program} ended with status {self.process.wait()}")
            listener = json.loads(line)
            self.ports[listener["service"]] = listener["port"]

    def ask(self, method, path, body=None, **query):
        """Returns the status and the object of the answer."""
        url = f"http://127.0.0.1:{self.ports['http']}/api/v1/{path}"
        if query:
            url += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            return answer.code, json.load(answer)

    def wait(self, **query):
        """Waits for messages that meet these conditions, such as `to="bob@example.org"`."""
        status, answer = self.ask("GET", "wait", **query)
        assert status == 200, f"no such message: {answer}"
        return answer["messages"]

    def set_rules(self, *rules):
        """Replaces the rules of the server."""
        status, answer = self.ask("PUT", "rules", body={"rules": rules})
        assert status == 200, answer

    def clear(self):
        """Removes all messages and rules."""
        self.ask("DELETE", "messages")
        self.ask("DELETE", "rules")

    def close(self):
        """Ends the server, and returns its exit status."""
        self.process.terminate()
        self.process.stdout.close()
        return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

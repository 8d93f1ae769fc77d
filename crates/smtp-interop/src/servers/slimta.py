"""python-slimta, storing each message as it came: NAME.eml, and its recipients in NAME.to."""

from gevent import monkey

monkey.patch_all()

import itertools
import os
import ssl
import sys

import gevent
from pysasl.identity import ClearIdentity
from slimta.edge.smtp import SmtpEdge, SmtpValidators

folder, chain, key, size, clear, tls, idle = sys.argv[1:]
users = dict(line.split("\t") for line in open(os.path.join(folder, "users"), encoding="utf-8").read().splitlines())
count = itertools.count()


class Queue:
    """Takes what is stored already."""

    def enqueue(self, envelope):
        return [(envelope, str(next(count)))]


class Validators(SmtpValidators):
    def handle_auth(self, reply, credentials):
        password = users.get(credentials.authcid)
        if password is None or not credentials.verify(ClearIdentity(credentials.authcid, password)):
            reply.code, reply.message = "535", "5.7.8 Wrong user name or password"

    def handle_rcpt(self, reply, recipient, parameters):
        if recipient.startswith("nosuch"):
            reply.code, reply.message = "550", "5.1.1 No such user"

    def handle_have_data(self, reply, data):
        path = os.path.join(folder, "mail", str(next(count)))
        with open(path + ".to", "w", encoding="utf-8") as file:
            file.write("".join(address + "\n" for address in self.session.envelope.recipients))
        with open(path + ".part", "wb") as file:
            file.write(data)
        os.rename(path + ".part", path + ".eml")


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
common = dict(
    queue=Queue(), validator_class=Validators, hostname="mx.interop.test", max_size=int(size), auth=True, context=context
)
edges = [
    SmtpEdge(("127.0.0.1", int(clear)), **common),
    SmtpEdge(("127.0.0.1", int(tls)), tls_immediately=True, **common),
    SmtpEdge(("127.0.0.1", int(idle)), command_timeout=2, **common),
]
for edge in edges:
    edge.start()
gevent.wait(edges)

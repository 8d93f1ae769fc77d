"""aiosmtpd, storing each message as it came: NAME.eml, and its recipients in NAME.to."""

import itertools
import os
import signal
import ssl
import sys

from aiosmtpd.controller import Controller, UnixSocketController
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult

folder, chain, key, size, smtp, tls, idle, lmtp, socket = sys.argv[1:]
users = dict(line.split("\t") for line in open(os.path.join(folder, "users"), encoding="utf-8").read().splitlines())
count = itertools.count()


def authenticate(server, session, envelope, mechanism, data):
    if mechanism not in ("LOGIN", "PLAIN"):
        return AuthResult(success=False, handled=False)
    expected = users.get(data.login.decode())
    right = expected is not None and expected.encode() == data.password
    return AuthResult(success=right, handled=False)


class Handler:
    def __init__(self, name):
        self.mail = os.path.join(folder, name)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nosuch"):
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        path = os.path.join(self.mail, str(next(count)))
        with open(path + ".to", "w", encoding="utf-8") as file:
            file.write("".join(address + "\n" for address in envelope.rcpt_tos))
        with open(path + ".part", "wb") as file:
            file.write(envelope.original_content)
        os.rename(path + ".part", path + ".eml")
        return "250 2.0.0 Stored"


class Protocol:
    """A controller for SMTP or LMTP, with a timeout for idle clients."""

    def factory(self):
        return self.kind(self.handler, **self.SMTP_kwargs)


class Tcp(Protocol, Controller):
    kind = SMTP


class LmtpTcp(Protocol, Controller):
    kind = LMTP


class LmtpUnix(Protocol, UnixSocketController):
    kind = LMTP


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
common = dict(enable_SMTPUTF8=True, data_size_limit=int(size), server_hostname="mx.interop.test")
tcp = dict(common, hostname="127.0.0.1", authenticator=authenticate)
if os.path.exists(socket):
    os.unlink(socket)
controllers = [
    Tcp(Handler("smtp"), port=int(smtp), tls_context=context, **tcp),
    Tcp(Handler("smtp"), port=int(tls), ssl_context=context, auth_require_tls=False, **tcp),
    Tcp(Handler("smtp"), port=int(idle), timeout=2, **tcp),
    LmtpTcp(Handler("lmtp"), hostname="127.0.0.1", port=int(lmtp), **common),
    LmtpUnix(Handler("lmtp"), unix_socket=socket, **common),
]
for controller in controllers:
    controller.start()
signal.sigwait({signal.SIGTERM})

"""Twisted Mail, storing each message as it came: NAME.eml, and its recipient in NAME.to."""

import itertools
import os
import sys

from twisted.cred import checkers, portal
from twisted.internet import defer, reactor, ssl
from twisted.mail import smtp
from twisted.mail.imap4 import LOGINCredentials, PLAINCredentials
from zope.interface import implementer

folder, chain, key, _, clear, tls, idle = sys.argv[1:]
accounts = [line.split("\t") for line in open(os.path.join(folder, "users"), encoding="utf-8").read().splitlines()]
count = itertools.count()


@implementer(smtp.IMessage)
class Message:
    def __init__(self, user):
        self.lines = []
        self.recipient = str(user.dest)

    def lineReceived(self, line):
        self.lines.append(line)

    def eomReceived(self):
        path = os.path.join(folder, "mail", str(next(count)))
        with open(path + ".to", "w", encoding="utf-8") as file:
            file.write(self.recipient + "\n")
        with open(path + ".part", "wb") as file:
            file.write(b"".join(line + b"\r\n" for line in self.lines))
        os.rename(path + ".part", path + ".eml")
        return defer.succeed(None)

    def connectionLost(self):
        self.lines = None


@implementer(smtp.IMessageDelivery)
class Delivery:
    def receivedHeader(self, helo, origin, recipients):
        return b"Received: by mx.interop.test"

    def validateFrom(self, helo, origin):
        return origin

    def validateTo(self, user):
        if user.dest.local.startswith(b"nosuch"):
            raise smtp.SMTPBadRcpt(user)
        return lambda: Message(user)


@implementer(portal.IRealm)
class Realm:
    def requestAvatar(self, avatar, mind, *interfaces):
        return smtp.IMessageDelivery, Delivery(), lambda: None


access = portal.Portal(Realm())
known = checkers.InMemoryUsernamePasswordDatabaseDontUse()
for user, password in accounts:
    known.addUser(user.encode(), password.encode())
access.registerChecker(known)
context = ssl.DefaultOpenSSLContextFactory(key, chain)


class Factory(smtp.SMTPFactory):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def buildProtocol(self, address):
        challenges = {b"LOGIN": LOGINCredentials, b"PLAIN": PLAINCredentials}
        protocol = smtp.ESMTP(chal=challenges, contextFactory=context)
        protocol.portal = access
        protocol.delivery = Delivery()
        protocol.timeout = self.seconds
        protocol.host = b"mx.interop.test"
        return protocol


reactor.listenTCP(int(clear), Factory(600), interface="127.0.0.1")
reactor.listenTCP(int(idle), Factory(2), interface="127.0.0.1")
reactor.listenSSL(int(tls), Factory(600), context, interface="127.0.0.1")
reactor.run()

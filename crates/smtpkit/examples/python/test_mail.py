"""Tests of a program that sends mail, with the standard library only.

    SMTPKIT=target/debug/smtpkit python3 -m unittest discover -s crates/smtpkit/examples/python
"""

import smtplib
import unittest
from email.message import EmailMessage

from smtpkit import Serve


def welcome(port, to):
    """The program under test: sends a welcome message, and tries once more if it has to wait."""
    message = EmailMessage()
    message["From"] = "Shop <shop@example.org>"
    message["To"] = to
    message["Subject"] = "Welcome ✓"
    message.set_content("Hello, and welcome to the shop.\n")
    message.add_attachment(b"\x00\x01\x02", "application", "pdf", filename="terms.pdf")
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        try:
            smtp.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            if not all(400 <= code < 500 for code, _ in refused.recipients.values()):
                raise
            smtp.send_message(message)


class Mail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mail = Serve()
        cls.addClassCleanup(cls.mail.close)
        cls.port = cls.mail.ports["smtp"]

    def setUp(self):
        self.mail.clear()

    def test_the_message_arrives(self):
        welcome(self.port, "bob@example.org")
        [message] = self.mail.wait(to="bob@example.org")
        self.assertEqual(message["subject"], "Welcome ✓")
        self.assertEqual(message["reverse_path"], "shop@example.org")
        self.assertEqual(message["forward_paths"], ["bob@example.org"])
        self.assertIn("welcome to the shop", message["text"])
        self.assertEqual([it["name"] for it in message["attachments"]], ["terms.pdf"])
        self.assertEqual(message["findings"], [], "the client follows the protocol")

    def test_nothing_is_sent_twice(self):
        welcome(self.port, "bob@example.org")
        self.assertEqual(self.mail.ask("GET", "messages", to="bob@example.org")[1]["total"], 1)

    def test_greylisting_is_overcome(self):
        grey = {"on": "RCPT *", "counted": "envelope", "times": 1, "reply": "451 4.7.1 try again later"}
        self.mail.set_rules(grey)
        welcome(self.port, "bob@example.org")
        [message] = self.mail.wait(to="bob@example.org")
        lines = self.mail.ask("GET", f"messages/{message['id']}/dialogue")[1]["lines"]
        self.assertIn("451 4.7.1 try again later", [line["line"] for line in lines])

    def test_a_refusal_is_reported(self):
        self.mail.set_rules({"on": "RCPT TO:<bob@*", "reply": "550 5.1.1 no such mailbox"})
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            welcome(self.port, "bob@example.org")
        # Nothing arrives in this time.
        self.assertEqual(self.mail.ask("GET", "wait", count=0, timeout="100ms")[0], 200)

    def test_an_outage_in_the_middle_of_a_message(self):
        self.mail.set_rules({"inside_text": 100, "answer": ["[reset]"]})
        with self.assertRaises((smtplib.SMTPException, OSError)):
            welcome(self.port, "bob@example.org")
        self.assertEqual(self.mail.ask("GET", "messages")[1]["total"], 0)

    def test_a_mistake_in_a_rule_is_explained(self):
        status, answer = self.mail.ask("PUT", "rules", body={"rules": [{"onn": "RCPT *"}]})
        self.assertEqual(status, 400)
        self.assertIn("unknown field `onn`", answer["error"])


class End(unittest.TestCase):
    def test_the_server_ends_when_it_is_asked_to(self):
        self.assertEqual(Serve("--max-messages", "10").close(), 0)


if __name__ == "__main__":
    unittest.main()

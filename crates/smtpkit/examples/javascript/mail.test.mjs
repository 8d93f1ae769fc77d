// Tests of a program that sends mail, with Node.js 20 or later and no packages.
//
//     SMTPKIT=target/debug/smtpkit node --test crates/smtpkit/examples/javascript/mail.test.mjs

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { after, before, beforeEach, test } from "node:test";

import { Serve } from "./smtpkit.mjs";

/** The program under test: sends a message, and tries once more if it has to wait. */
async function notify(port, to) {
  const socket = connect(port, "127.0.0.1");
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const reply = async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error("the server closed the connection");
      if (value[3] !== "-") return value;
    }
  };
  const send = async (line, ...codes) => {
    socket.write(`${line}\r\n`);
    const text = await reply();
    if (codes.length > 0 && !codes.includes(text.slice(0, 3))) throw new Error(text);
    return text;
  };
  socket.on("error", () => socket.destroy());
  try {
    await reply();
    await send("EHLO client.example.org", "250");
    await send("MAIL FROM:<app@example.org>", "250");
    const first = await send(`RCPT TO:<${to}>`, "250", "451");
    if (first.startsWith("451")) await send(`RCPT TO:<${to}>`, "250");
    await send("DATA", "354");
    await send(`From: app@example.org\r\nTo: ${to}\r\nSubject: Your order\r\n\r\nIt is on its way.\r\n.`, "250");
    await send("QUIT", "221");
  } finally {
    socket.destroy();
    if (!socket.closed) await once(socket, "close");
  }
}

let mail;

before(async () => {
  mail = await Serve.start();
});
beforeEach(() => mail.clear());
after(() => mail.close());

test("the message arrives", async () => {
  await notify(mail.ports.smtp, "bob@example.org");
  const [message] = await mail.wait({ to: "bob@example.org" });
  assert.equal(message.subject, "Your order");
  assert.equal(message.reverse_path, "app@example.org");
  assert.match(message.text, /on its way/);
  assert.deepEqual(message.findings, [], "the client follows the protocol");
});

test("a wait ends as soon as the message is there", async () => {
  const waiting = mail.wait({ subject: "order", timeout: "20s" });
  await notify(mail.ports.smtp, "carla@example.org");
  const [message] = await waiting;
  assert.deepEqual(message.forward_paths, ["carla@example.org"]);
});

test("greylisting is overcome", async () => {
  const grey = { on: "RCPT *", counted: "envelope", times: 1, reply: "451 4.7.1 try again later" };
  await mail.setRules(grey);
  await notify(mail.ports.smtp, "bob@example.org");
  const [{ id }] = await mail.wait({ to: "bob@example.org" });
  const [, { lines }] = await mail.ask("GET", `messages/${id}/dialogue`);
  assert.ok(lines.some(({ line }) => line === "451 4.7.1 try again later"));
});

test("a refusal is reported, and nothing arrives", async () => {
  await mail.setRules({ on: "RCPT *", reply: "550 5.1.1 no such mailbox" });
  await assert.rejects(notify(mail.ports.smtp, "bob@example.org"), /550 5\.1\.1 no such mailbox/);
  const [status] = await mail.ask("GET", "wait", { query: { count: 0, timeout: "100ms" } });
  assert.equal(status, 200);
});

test("a reply that never comes leaves a message in doubt", async () => {
  await mail.setRules({ text: true, answer: ["[close]"] });
  await assert.rejects(notify(mail.ports.smtp, "bob@example.org"), /closed the connection/);
  assert.equal((await mail.wait({ to: "bob@example.org" })).length, 1, "it has arrived all the same");
});

test("a mistake in a rule is explained", async () => {
  const [status, { error }] = await mail.ask("PUT", "rules", { body: [{ onn: "RCPT *" }] });
  assert.equal(status, 400);
  assert.match(error, /unknown field `onn`/);
});

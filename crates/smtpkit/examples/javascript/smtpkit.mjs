// Starts `smtpkit serve` for a test, and asks its HTTP API. Copy this file into your tests.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A catching server on free ports. */
export class Serve {
  /** Starts it, with further options. */
  static async start(...options) {
    const program = process.env.SMTPKIT ?? "smtpkit";
    const args = ["serve", "--json", "--smtp", "0", "--http", "0", ...options];
    const serve = new Serve();
    serve.process = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    serve.ports = {};
    // One line for each listener; that of HTTP is the last.
    for await (const line of createInterface({ input: serve.process.stdout })) {
      const { service, port } = JSON.parse(line);
      serve.ports[service] = port;
      if (service === "http") {
        serve.process.stdout.resume();
        return serve;
      }
    }
    throw new Error(`${program} ended`);
  }

  /** Returns the status and the object of the answer. */
  async ask(method, path, { query = {}, body } = {}) {
    const url = new URL(`http://127.0.0.1:${this.ports.http}/api/v1/${path}`);
    url.search = new URLSearchParams(query);
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
    return [answer.status, await answer.json()];
  }

  /** Waits for messages that meet these conditions, such as `{ to: "bob@example.org" }`. */
  async wait(query) {
    const [status, answer] = await this.ask("GET", "wait", { query });
    assert.equal(status, 200, `no such message: ${JSON.stringify(answer)}`);
    return answer.messages;
  }

  /** Replaces the rules of the server. */
  async setRules(...rules) {
    const [status, answer] = await this.ask("PUT", "rules", { body: { rules } });
    assert.equal(status, 200, answer.error);
  }

  /** Removes all messages and rules. */
  async clear() {
    await this.ask("DELETE", "messages");
    await this.ask("DELETE", "rules");
  }

  /** Ends the server, and returns its exit status. */
  async close() {
    this.process.kill("SIGTERM");
    const [status] = await once(this.process, "exit");
    return status;
  }
}

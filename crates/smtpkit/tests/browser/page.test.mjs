// The page of `smtpkit serve` in a real browser.
//
//   PLAYWRIGHT=FOLDER node --test crates/smtpkit/tests/browser/page.test.mjs
//
// FOLDER has node_modules/playwright-core. Other variables: CHROMIUM (by default /usr/bin/chromium),
// SMTPKIT (by default target/debug/smtpkit), SCREENSHOTS (a folder, to write pictures to). With
// SMTP_PORT and HTTP_PORT a server that runs already is used, with
// `--tolerate eight-bit-without-body`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { hostile, newsletter, plain, send } from "./mail.mjs";

const { chromium } = createRequire(join(process.env.PLAYWRIGHT ?? process.cwd(), "/"))("playwright-core");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  // So that the listener of these tests is like any other server.
  "--disable-features=LocalNetworkAccessChecks"];
const WIDE = { width: 1400, height: 900 };
const NARROW = { width: 400, height: 800 };

let server;
let smtp;
let origin;
let browser;
let profile;

/** Starts `smtpkit serve` on ports that are free, and reads them from what it prints. */
async function start() {
  if (process.env.HTTP_PORT) return [Number(process.env.SMTP_PORT), `http://127.0.0.1:${process.env.HTTP_PORT}`];
  const program = process.env.SMTPKIT ?? "target/debug/smtpkit";
  server = spawn(program, ["serve", "--smtp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--tolerate", "eight-bit-without-body"], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  for await (const piece of server.stdout) {
    printed += piece;
    const found = [printed.match(/smtp:\/\/127\.0\.0\.1:(\d+)/), printed.match(/http:\/\/127\.0\.0\.1:\d+/)];
    if (found.every(Boolean)) return [Number(found[0][1]), found[1][0]];
  }
  throw new Error(`the server ended after ${printed}`);
}

before(async () => {
  [smtp, origin] = await start();
  profile = mkdtempSync(join(tmpdir(), "smtpkit-page-"));
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: FLAGS });
});

after(async () => {
  await browser?.close();
  rmSync(profile, { recursive: true, force: true });
  if (server) {
    server.kill("SIGTERM");
    await once(server, "exit");
  }
});

beforeEach(() => fetch(`${origin}/api/v1/messages`, { method: "DELETE" }));

/** Opens the page, and gives it to the test; what goes wrong in it fails the test. */
async function show(options, check) {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("dialog", (dialog) => { errors.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  try {
    await page.goto(origin);
    await page.waitForSelector("#state[data-state=live]");
    await check(page, context);
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
  }
}

/** What did not happen within this time is taken not to happen. */
const settle = (page) => page.waitForTimeout(250);

const rows = (page) => page.locator(".row");
const subjects = (page) => page.locator(".row .what").allTextContents();
const subject = (page, text) => page.locator("#subject", { hasText: text }).waitFor();

async function picture(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
}

test("a message appears without a reload", () => show({}, async (page) => {
  await page.evaluate(() => { window.isSame = true; });
  await page.getByText("No messages yet").waitFor();
  await send(smtp, [plain("first")]);
  await page.locator(".what", { hasText: "first" }).waitFor();
  await send(smtp, [plain("second"), plain("third")]);
  await page.locator(".what", { hasText: "third" }).waitFor();
  assert.deepEqual(await subjects(page), ["third", "second", "first"]);
  assert.equal(await page.locator("#count").textContent(), "3 messages");
  assert.equal(await page.evaluate(() => window.isSame), true);
}));

test("what happened while the stream was interrupted is caught up", () => show({}, async (page) => {
  await send(smtp, [plain("before")]);
  await page.locator(".what", { hasText: "before" }).waitFor();
  // The browser gives up after an answer that is an error; the page tries again.
  await page.route("**/api/v1/events", (route) => route.fulfill({ status: 503, body: "" }));
  await page.evaluate(() => {
    const old = window.EventSource;
    window.EventSource = class extends old { constructor(...all) { super(...all); window.stream = this; } };
  });
  await page.reload();
  await page.waitForSelector("#state[data-state=lost]");
  await send(smtp, [plain("meanwhile")]);
  await page.unroute("**/api/v1/events");
  await page.waitForSelector("#state[data-state=live]");
  await page.locator(".what", { hasText: "meanwhile" }).waitFor();
  assert.deepEqual(await subjects(page), ["meanwhile", "before"]);
}));

/** Counts connections and requests to a listener, which must get none. */
async function listener() {
  const seen = [];
  const trap = createServer((socket) => {
    seen.push("connection");
    socket.on("data", (data) => { seen.push(data.toString("latin1").split("\r\n")[0]); socket.end("HTTP/1.1 204 No Content\r\n\r\n"); });
    socket.on("error", () => {});
  });
  trap.listen(0, "127.0.0.1");
  await once(trap, "listening");
  return { trap, seen, url: `http://127.0.0.1:${trap.address().port}` };
}

test("a hostile message runs nothing and loads nothing", async () => {
  const { trap, seen, url } = await listener();
  try {
    await send(smtp, [hostile(url)]);
    await show({}, async (page, context) => {
      const requests = [];
      context.on("request", (request) => requests.push(request.url()));
      await rows(page).first().click();
      const frame = page.frameLocator("#panel iframe");
      await frame.getByText("The HTML is shown.").waitFor();
      await page.locator(".note", { hasText: "Remote content blocked" }).waitFor();
      for (const link of ["a link", "a script", "data"]) {
        await frame.getByText(link, { exact: true }).click();
        await frame.getByText(link, { exact: true }).click({ button: "middle" });
      }
      // Every other part of the message too.
      for (let tab = 7; tab >= 1; tab -= 1) {
        await page.locator(`#tab-${tab - 1}`).click();
        await settle(page);
      }
      await frame.getByText("The HTML is shown.").waitFor();
      assert.equal(new URL(page.url()).origin, origin);
      assert.match(await page.title(), /smtpkit$/);
      // The middle button opens the frame's own document, without any rights, in tabs of its own.
      for (const each of context.pages()) assert.equal(new URL(each.url()).origin, origin);
      assert.deepEqual(requests.filter((each) => !each.startsWith(`${origin}/`)), []);
      await picture(page, "hostile");
    });
    // Opened alone, where there is no frame around it.
    const { messages } = await (await fetch(`${origin}/api/v1/messages`)).json();
    const context = await browser.newContext();
    const alone = await context.newPage();
    await alone.goto(`${origin}/api/v1/messages/${messages[0].id}/html`);
    await alone.getByText("The HTML is shown.").waitFor();
    await settle(alone);
    assert.equal(new URL(alone.url()).origin, origin);
    await context.close();
    assert.deepEqual(seen, []);
  } finally {
    trap.close();
  }
});

/** Shows the HTML as it was sent, without `omitted`; returns what the listener saw. */
async function showAsSent(omitted, changeHeaders) {
  const { trap, seen, url } = await listener();
  try {
    await send(smtp, [hostile(url)]);
    const body = hostile(url).split("Content-Type: text/html\r\n\r\n")[1].split("\r\n--m")[0].replace(omitted, "");
    await show({}, async (page) => {
      await page.route("**/html", async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, body, headers: changeHeaders(response.headers()) });
      });
      await rows(page).first().click();
      await page.frameLocator("#panel iframe").getByText("The HTML is shown.").waitFor();
      await settle(page);
      assert.equal(new URL(page.url()).origin, origin);
      assert.match(await page.title(), /smtpkit$/);
    });
    return seen;
  } finally {
    trap.close();
  }
}

test("the content policy alone stops a hostile message too", async () => {
  // As if nothing had been removed from the HTML. But for frames and `preconnect`, for which a
  // browser may connect before it reads the policy; and no link is pressed, which makes it connect.
  const early = /<link rel=(preconnect|dns-prefetch)[^>]*>|<iframe[^>]*>/g;
  assert.deepEqual(await showAsSent(early, (headers) => headers), []);
});

test("what remains of a hostile message does nothing without the content policy", async () => {
  const { trap, seen, url } = await listener();
  try {
    await send(smtp, [hostile(url)]);
    const { messages } = await (await fetch(`${origin}/api/v1/messages`)).json();
    // Neither a policy nor a frame: a script, if one were left, would run.
    await show({}, async (page) => {
      await page.route("**/html", async (route) => {
        const response = await route.fetch();
        const { "content-security-policy": _, ...headers } = response.headers();
        await route.fulfill({ response, headers });
      });
      await page.goto(`${origin}/api/v1/messages/${messages[0].id}/html`);
      await page.getByText("The HTML is shown.").waitFor();
      for (const link of ["a link", "a script", "data"]) await page.getByText(link, { exact: true }).click();
      await settle(page);
      assert.equal(new URL(page.url()).origin, origin);
      assert.equal(await page.title(), "");
    });
    assert.deepEqual(seen, []);
  } finally {
    trap.close();
  }
});

test("without both defenses the hostile message would load much", async () => {
  const seen = await showAsSent(/<base[^>]*>|<meta[^>]*>/g, ({ "content-security-policy": _, ...others }) => others);
  for (const path of ["/image.png", "/style.css", "/css.png", "/video"]) {
    assert.ok(seen.includes(`GET ${path} HTTP/1.1`), `${path}: ${seen}`);
  }
});

test("attachments and the source are saved as they were sent", async () => {
  const octets = randomBytes(100_000);
  const content = newsletter(octets);
  await send(smtp, [content]);
  await show({ acceptDownloads: true }, async (page) => {
    await rows(page).first().click();
    await page.locator("#tab-3").click();
    const save = async (name) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name }).click()]);
      const path = join(profile, "saved");
      await download.saveAs(path);
      return [download.suggestedFilename(), readFileSync(path)];
    };
    assert.deepEqual(await save("invoice 4711.pdf"), ["invoice 4711.pdf", octets]);
    await page.locator("#tab-4").click();
    const [name, source] = await save("Download");
    assert.match(name, /^message-\d+\.eml$/);
    assert.deepEqual(source, Buffer.from(content));
  });
});

test("an image of the message is shown in its HTML", async () => {
  await send(smtp, [newsletter(Buffer.from("x"))]);
  await show({}, async (page) => {
    await rows(page).first().click();
    const image = page.frameLocator("#panel iframe").locator("img").first();
    await image.waitFor();
    assert.match(await image.getAttribute("src"), /^data:image\/png;base64,/);
    await page.locator("summary", { hasText: "1 link" }).click();
    const link = page.locator(".links a");
    assert.equal(await link.getAttribute("href"), "https://cafe.example/orders/4711?token=abc&from=mail");
    assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  });
});

test("the keyboard", async () => {
  await send(smtp, [plain("one", "needle"), plain("two"), plain("three")]);
  await show({}, async (page) => {
    const press = (key) => page.keyboard.press(key);
    await press("j");
    await subject(page, "three");
    await press("ArrowDown");
    await press("j");
    await subject(page, "one");
    await press("k");
    await subject(page, "two");
    await press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "panel");
    await press("3");
    assert.equal(await page.locator("[role=tab][aria-selected=true]").textContent(), "Headers");
    await press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement.id), "rows");
    await press("Delete");
    await subject(page, "one");
    assert.deepEqual(await subjects(page), ["three", "one"]);
    await press("?");
    await page.locator("#help[open]").waitFor();
    await press("Escape");
    await page.locator("#help[open]").waitFor({ state: "detached" });
    await press("/");
    await page.keyboard.type("needle");
    await page.locator("#count", { hasText: "1 found" }).waitFor();
    assert.deepEqual(await subjects(page), ["one"]);
    await press("Escape");
    await page.locator("#count", { hasText: "2 messages" }).waitFor();
  });
});

test("all messages are deleted after one question", async () => {
  await send(smtp, [plain("one"), plain("two"), plain("other")]);
  await show({}, async (page) => {
    await page.locator("#search").fill("other");
    await page.locator("#count", { hasText: "1 found" }).waitFor();
    await page.locator("#delete-all").click();
    await page.getByText("Delete 1 message found by “other”?").waitFor();
    await page.locator("#confirm-yes").click();
    await page.getByText("No message found").waitFor();
    await page.locator("#search").fill("");
    await page.locator("#count", { hasText: "2 messages" }).waitFor();
    await page.locator("#delete-all").click();
    await page.locator("#confirm-no").click();
    assert.equal(await rows(page).count(), 2);
    await page.locator("#delete-all").click();
    await page.getByText("Delete all 2 messages?").waitFor();
    await page.locator("#confirm-yes").click();
    await page.getByText("No messages yet").waitFor();
  });
});

test("another page deletes", () => show({}, async (page) => {
  await send(smtp, [plain("one"), plain("two")]);
  await page.locator(".what", { hasText: "two" }).click();
  await subject(page, "two");
  await fetch(`${origin}/api/v1/messages?subject=two`, { method: "DELETE" });
  await page.getByText("No message is selected.").waitFor();
  assert.deepEqual(await subjects(page), ["one"]);
}));

test("the parts of a message", async () => {
  await send(smtp, [newsletter(Buffer.from("x"))]);
  await show({}, async (page) => {
    await rows(page).first().click();
    const panel = page.locator("#panel");
    const tab = async (name, text) => {
      await page.getByRole("tab", { name }).click();
      await panel.getByText(text).first().waitFor();
    };
    await tab("Text", "Your order 4711 is on its way");
    await tab("Headers", "Café Central <orders@cafe.example>");
    await page.getByRole("button", { name: "As sent" }).click();
    await panel.getByText("=?utf-8?q?Caf=C3=A9_Central?=").waitFor();
    await tab("Source", "--mixed");
    await tab("Dialogue", "EHLO test.example");
    await panel.getByText("octets more").waitFor();
    await tab("Findings", "No mistakes of the client were found.");
    await send(smtp, [plain("octets above 127", "\u00fc")]);
    await page.locator(".row .found", { hasText: "1 finding" }).waitFor();
    await rows(page).first().click();
    await panel.getByText("eight-bit-without-body").waitFor();
    await tab("Dialogue", "eight-bit-without-body");
  });
});

test("thousands of messages stay quick", async () => {
  const count = 1500;
  await send(smtp, Array.from({ length: count }, (_, number) => plain(`message ${number}`)));
  await show({}, async (page) => {
    await page.locator("#count", { hasText: "1,500 messages" }).waitFor();
    assert.ok(await rows(page).count() < 60);
    await page.keyboard.press("j");
    await page.keyboard.press("End");
    // The rest of the list is read as it is reached.
    while (!(await page.locator(".what", { hasText: /^message 0$/ }).isVisible())) {
      await page.keyboard.press("End");
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
    await subject(page, "message 0");
    assert.ok(await rows(page).count() < 60);
    const spent = await page.evaluate(async () => {
      const begin = performance.now();
      const list = document.getElementById("rows");
      for (let at = 0; at < 20; at += 1) {
        list.scrollTop = at * 9000;
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      }
      return performance.now() - begin;
    });
    assert.ok(spent < 3000, `20 jumps took ${spent} ms`);
  });
});

test("nothing moves when a message arrives", async () => {
  await send(smtp, Array.from({ length: 50 }, (_, number) => plain(`message ${number}`)));
  await show({}, async (page) => {
    await page.locator("#count", { hasText: "50 messages" }).waitFor();
    await page.evaluate(() => { document.getElementById("rows").scrollTop = 1000; });
    await page.locator(".what", { hasText: "message 30" }).waitFor();
    await page.evaluate(() => {
      window.moved = 0;
      new PerformanceObserver((entries) => {
        for (const entry of entries.getEntries()) if (!entry.hadRecentInput) window.moved += entry.value;
      }).observe({ type: "layout-shift" });
    });
    const top = () => page.locator(".what", { hasText: "message 30" }).evaluate((it) => it.getBoundingClientRect().top);
    const place = await top();
    await send(smtp, [plain("new"), plain("newer")]);
    await page.locator("#count", { hasText: "52 messages" }).waitFor();
    assert.ok(Math.abs(await top() - place) < 1);
    assert.equal(await page.evaluate(() => window.moved), 0);
  });
});

/** Every text in sight, with its contrast (WCAG 2.2, 1.4.3); below 4.5 is a fault. */
const faults = (page) => page.evaluate(() => {
  const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => 0.2126 * channel(red / 255) + 0.7152 * channel(green / 255) + 0.0722 * channel(blue / 255);
  const background = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === "" || !element.checkVisibility() || element.closest(":disabled")) continue;
    const [one, other] = [luminance(parse(getComputedStyle(element).color)), luminance(background(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return found;
});

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

for (const colorScheme of ["light", "dark"]) {
  for (const viewport of [WIDE, NARROW]) {
    const size = viewport === WIDE ? "wide" : "narrow";
    test(`contrast and layout, ${colorScheme} and ${size}`, async () => {
      await send(smtp, [plain("Weekly report, week 48", "All green."), plain("", "Without a subject.")]);
      await send(smtp, [plain("A client that does not quit", "Bye.", "ci@build.example")], { quit: false });
      await send(smtp, [plain("Reset your password", "Use this link: https://example.org/reset?token=1"), newsletter(randomBytes(80_000))], { to: ["bob@example.org", "carol.with.a.long.name@subdomain.example.com"] });
      await show({ viewport, colorScheme }, async (page) => {
        await picture(page, `list-${colorScheme}-${size}`);
        assert.deepEqual(await faults(page), []);
        assert.equal(await overflow(page), 0);
        await page.keyboard.press("j");
        await page.keyboard.press("Enter");
        await subject(page, "Your order 4711");
        for (let tab = 1; tab <= 7; tab += 1) {
          await page.keyboard.press(String(tab));
          await settle(page);
          assert.deepEqual(await faults(page), [], `tab ${tab}`);
          assert.equal(await overflow(page), 0, `tab ${tab}`);
          await picture(page, `tab-${tab}-${colorScheme}-${size}`);
        }
        const isBackShown = await page.locator("#back").isVisible();
        assert.equal(isBackShown, viewport === NARROW);
        if (isBackShown) {
          await page.locator("#back").click();
          await rows(page).first().waitFor();
          await rows(page).nth(1).click();
          await subject(page, "Reset your password");
          await page.goBack();
          await rows(page).first().waitFor();
        }
        await page.keyboard.press("?");
        assert.deepEqual(await faults(page), []);
      });
    });
  }
}

test("every control has a name, and every tab stop is visible", async () => {
  await send(smtp, [newsletter(Buffer.from("x"))]);
  await show({}, async (page) => {
    await rows(page).first().click();
    await subject(page, "Your order 4711");
    await page.keyboard.press("3");
    const seen = new Set();
    for (let stop = 0; stop < 12; stop += 1) {
      await page.keyboard.press("Tab");
      const it = await page.evaluate(() => {
        const element = document.activeElement;
        const style = getComputedStyle(element.querySelector("[role=option][aria-selected=true]") ?? element);
        const name = element.getAttribute("aria-label") ?? element.getAttribute("aria-labelledby") ?? (element.title || element.textContent);
        return { id: element.id || element.tagName, name: name.trim(), outline: style.outlineStyle, width: style.outlineWidth };
      });
      if (it.id === "BODY") continue;
      seen.add(it.id);
      assert.notEqual(it.name, "", it.id);
      assert.deepEqual([it.outline, it.width], ["solid", "2px"], it.id);
    }
    for (const id of ["search", "delete-all", "help-open", "rows", "delete", "tab-2", "panel"]) assert.ok(seen.has(id), id);
  });
});

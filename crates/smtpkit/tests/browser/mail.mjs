// Sends messages by SMTP, and makes those that the tests of the page need.

import { connect } from "node:net";
import { once } from "node:events";

/** Sends contents on one connection, and waits for the last reply. */
export async function send(port, contents, { from = "alice@example.org", to = "bob@example.org", quit = true } = {}) {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  let wake = () => {};
  socket.setNoDelay(true);
  socket.setEncoding("latin1");
  socket.on("data", (data) => { text += data; wake(); });
  const failed = once(socket, "close").then(() => { throw new Error(`closed after ${text.slice(-200)}`); });
  failed.catch(() => {});
  const reply = async (code) => {
    for (;;) {
      const end = text.match(/^\d{3} .*\r\n/m);
      if (end) {
        const line = end[0];
        text = text.slice(end.index + line.length);
        if (!line.startsWith(code)) throw new Error(`expected ${code}, not ${line}`);
        return;
      }
      await Promise.race([new Promise((resolve) => { wake = resolve; }), failed]);
    }
  };
  const command = async (line, code) => { socket.write(`${line}\r\n`); await reply(code); };
  await reply("220");
  await command("EHLO test.example", "250");
  for (const content of contents) {
    await command(`MAIL FROM:<${from}>`, "250");
    for (const each of [to].flat()) await command(`RCPT TO:<${each}>`, "250");
    await command("DATA", "354");
    socket.write(content.replace(/^\./gm, ".."));
    await command(`${content.endsWith("\r\n") ? "" : "\r\n"}.`, "250");
  }
  if (quit) await command("QUIT", "221");
  socket.destroy();
}

const lines = (...all) => `${all.join("\r\n")}\r\n`;

export const plain = (subject, text = "Hello Bob.", from = "Alice Example <alice@example.org>") =>
  lines(`From: ${from}`, "To: Bob <bob@example.org>", `Subject: ${subject}`, `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`, "Message-ID: <1@example.org>", "", text);

/** A message with text, HTML, an image of its own, and two attachments. */
export function newsletter(attachment) {
  const base64 = (octets) => octets.toString("base64").replace(/.{76}/g, "$&\r\n");
  // One brown pixel.
  const image = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mPItpcFAAHgAMhSH0R/AAAAAElFTkSuQmCC", "base64");
  return lines(
    "From: =?utf-8?q?Caf=C3=A9_Central?= <orders@cafe.example>",
    "To: Bob Builder <bob@example.org>",
    "Cc: carol@example.org",
    "Subject: =?utf-8?q?Your_order_4711_is_confirmed_=E2=80=93_thank_you?=",
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    "Message-ID: <4711@cafe.example>",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed; boundary=mixed",
    "",
    "--mixed",
    "Content-Type: multipart/alternative; boundary=alternative",
    "",
    "--alternative",
    "Content-Type: text/plain; charset=utf-8",
    "",
    "Thank you, Bob.",
    "",
    "Your order 4711 is on its way: https://cafe.example/orders/4711?token=abc",
    "--alternative",
    "Content-Type: multipart/related; boundary=related",
    "",
    "--related",
    "Content-Type: text/html; charset=utf-8",
    "",
    "<!doctype html><html><head><style>body{font:16px/1.5 sans-serif;margin:0;background:#f4f1ec;color:#333}",
    ".card{max-width:520px;margin:24px auto;padding:28px;background:#fff;border-radius:10px}",
    "h1{font-size:22px;margin:0 0 12px;color:#6b3f1d} td{padding:6px 0;border-bottom:1px solid #eee}",
    ".go{display:inline-block;margin-top:18px;padding:10px 18px;border-radius:6px;background:#6b3f1d;color:#fff;text-decoration:none}</style></head>",
    "<body><div class=card><img src=\"cid:logo@cafe.example\" width=44 height=44 alt=Logo style=\"border-radius:50%\"><h1>Thank you, Bob</h1>",
    "<p>Your order <b>4711</b> is confirmed and on its way.</p>",
    "<table width=100%><tr><td>Espresso, whole beans<td align=right>2 &times; 12.50<tr><td>Filter paper<td align=right>4.90<tr><td><b>Total</b><td align=right><b>29.90 &euro;</b></table>",
    "<a class=go href='https://cafe.example/orders/4711?token=abc&amp;from=mail'>Follow the parcel</a>",
    "<img src='http://tracker.example/open.gif' width=1 height=1></div></body></html>",
    "--related",
    "Content-Type: image/png; name=logo.png",
    "Content-ID: <logo@cafe.example>",
    "Content-Transfer-Encoding: base64",
    "",
    base64(image),
    "--related--",
    "--alternative--",
    "--mixed",
    "Content-Type: application/pdf; name=\"invoice 4711.pdf\"",
    "Content-Disposition: attachment; filename=\"invoice 4711.pdf\"",
    "Content-Transfer-Encoding: base64",
    "",
    base64(attachment),
    "--mixed--");
}

/** A message whose HTML tries everything to reach this address, or to run something. */
export const hostile = (url) => lines(
  "From: Mallory <mallory@evil.example>",
  "To: bob@example.org",
  "Subject: <img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>",
  "X-Evil: <script>document.title='run'</script>",
  "MIME-Version: 1.0",
  "Content-Type: multipart/mixed; boundary=m",
  "",
  "--m",
  "Content-Type: text/html",
  "",
  "<html><head>",
  `<base href="${url}/base/">`,
  `<meta http-equiv=refresh content="0;url=${url}/refresh">`,
  `<link rel=preconnect href="${url}"><link rel=dns-prefetch href="${url}"><link rel=prefetch href="${url}/prefetch">`,
  `<link rel=stylesheet href="${url}/style.css"><link rel=icon href="${url}/icon.png">`,
  `<style>@import "${url}/import.css"; body{background:url(${url}/css.png)} @font-face{font-family:x;src:url(${url}/font)} p{font-family:x}</style>`,
  `<script>top.document.title='run'; fetch('${url}/fetch'); top.location='${url}/top'</script><script src="${url}/script.js"></script>`,
  `</head><body onload="fetch('${url}/onload')" background="${url}/background.png">`,
  "<p id=proof>The HTML is shown.</p>",
  `<img src="${url}/image.png" srcset="${url}/srcset.png 2x" onerror="top.document.title='run'">`,
  `<img src=x onerror="fetch('${url}/onerror')">`,
  `<svg onload="fetch('${url}/svg')"><script>fetch('${url}/svg-script')</script><image href="${url}/svg-image.png"/><use href="${url}/use.svg#x"/></svg>`,
  `<select><style><input><link rel=preconnect href="${url}"></style></select>`,
  `<svg><style><p><link rel=preconnect href="${url}"></style></svg>`,
  `<iframe src="${url}/iframe"></iframe><iframe srcdoc="<script>fetch('${url}/srcdoc')</script>"></iframe>`,
  `<object data="${url}/object"></object><embed src="${url}/embed"><video src="${url}/video" poster="${url}/poster" autoplay></video><audio src="${url}/audio" autoplay></audio>`,
  `<form action="${url}/form" id=f><input name=q value=secret autofocus onfocus="fetch('${url}/focus')"><button id=submit>Send</button></form>`,
  `<a id=link href="${url}/link" target=_top ping="${url}/ping">a link</a>`,
  `<a id=script-link href="javascript:fetch('${url}/javascript')">a script</a>`,
  `<a id=data-link href="data:text/html,<script>fetch('${url}/data')</script>" target=_top>data</a>`,
  "</body></html>",
  "--m",
  "Content-Type: image/svg+xml; name=\"../../x.svg\"",
  "Content-Disposition: attachment; filename=\"../../x.svg\"",
  "",
  `<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("${url}/attachment")</script></svg>`,
  "--m--");

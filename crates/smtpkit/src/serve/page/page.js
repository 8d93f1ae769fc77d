// The page of `serve`. What a message contains reaches the document only as text
// (`textContent`), and as HTML only in a sandboxed frame.
"use strict";

const API = "/api/v1";
const PAGE = 500;
const MOST_ROWS = 20000;
const LONGEST_SOURCE = 1 << 20;

const $ = (id) => document.getElementById(id);
const wide = matchMedia("(min-width: 800px)");

/** Makes an element; strings become text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

async function ask(path, options = {}) {
  const response = await fetch(API + path, options);
  const value = await response.json();
  if (!response.ok) throw Object.assign(new Error(value.error), { status: response.status });
  return value;
}

let alertTimer;
function report(error) {
  if (error.name === "AbortError") return;
  $("alert").textContent = error.message || "The request failed.";
  $("alert").hidden = false;
  clearTimeout(alertTimer);
  alertTimer = setTimeout(() => { $("alert").hidden = true; }, 6000);
}

const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

function size(octets) {
  if (octets < 1024) return plural(octets, "octet");
  const units = ["KiB", "MiB", "GiB"];
  let value = octets / 1024;
  while (value >= 1024 && units.length > 1) { value /= 1024; units.shift(); }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[0]}`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
function when(text) {
  const date = new Date(text);
  const isToday = date.toDateString() === new Date().toDateString();
  return make("time", { datetime: text, title: text }, (isToday ? clock : day).format(date));
}

// The list: the newest message first. `items` may be the beginning only; more is loaded on scrolling.

const list = {
  items: [],
  total: 0,
  search: "",
  selected: null,
  read: new Set(),
  isLoaded: false,
  isLoadingMore: false,
  generation: 0,
};

function query(parameters) {
  const search = list.search === "" ? {} : { search: list.search };
  return `?${new URLSearchParams({ ...search, ...parameters })}`;
}

const indexOf = (id) => list.items.findIndex((item) => item.id === id);

/** Reads the list from the server; what happened since it was last read is in it. */
async function load() {
  const generation = ++list.generation;
  const page = await ask(`/messages${query({ limit: Math.max(PAGE, Math.min(list.items.length, 10000)) })}`);
  if (generation !== list.generation) return;
  const added = list.isLoaded ? page.messages.filter((item) => item.id > (list.items[0]?.id ?? 0)).length : 0;
  list.items = page.messages;
  list.total = page.total;
  list.isLoaded = true;
  keepScroll(added);
  showList();
}

async function loadMore() {
  if (list.isLoadingMore || list.items.length >= Math.min(list.total, MOST_ROWS)) return;
  list.isLoadingMore = true;
  const generation = list.generation;
  try {
    const page = await ask(`/messages${query({ limit: PAGE, before: list.items.at(-1).id })}`);
    if (generation === list.generation) {
      list.items.push(...page.messages);
      list.total = page.total;
      showList();
    }
  } finally {
    list.isLoadingMore = false;
  }
}

const rowHeight = () => 4.25 * parseFloat(getComputedStyle(document.documentElement).fontSize);

/** Keeps the same rows in sight when rows are added above them. */
function keepScroll(added) {
  const rows = $("rows");
  if (added > 0 && rows.scrollTop > 0) {
    $("space").style.height = `${list.items.length * rowHeight()}px`;
    rows.scrollTop += added * rowHeight();
  }
}

const drawn = new Map();

function showList() {
  const height = rowHeight();
  const rows = $("rows");
  $("space").style.height = `${list.items.length * height}px`;
  const first = Math.max(0, Math.floor(rows.scrollTop / height) - 6);
  const last = Math.min(list.items.length, Math.ceil((rows.scrollTop + rows.clientHeight) / height) + 6);
  const shown = new Map();
  for (let index = first; index < last; index += 1) {
    const item = list.items[index];
    let row = drawn.get(item.id);
    if (!row) {
      row = rowOf(item);
      drawn.set(item.id, row);
    }
    shown.set(item.id, row);
    row.style.top = `${index * height}px`;
    row.setAttribute("aria-posinset", index + 1);
    row.setAttribute("aria-setsize", list.total);
    row.setAttribute("aria-selected", item.id === list.selected);
    row.classList.toggle("read", list.read.has(item.id));
  }
  for (const [id, row] of drawn) {
    if (!shown.has(id)) {
      row.remove();
      drawn.delete(id);
    }
  }
  // In the order in which they are read aloud.
  let next = $("space").firstChild;
  for (const row of shown.values()) {
    if (row === next) next = next.nextSibling;
    else $("space").insertBefore(row, next);
  }
  if (drawn.has(list.selected)) rows.setAttribute("aria-activedescendant", `row-${list.selected}`);
  else rows.removeAttribute("aria-activedescendant");
  showCount();
  if (last > list.items.length - 50 && list.items.length > 0) loadMore().catch(report);
}

function rowOf(item) {
  const marks = make("span", { class: "marks" });
  if (item.attachments > 0) marks.append(make("span", {}, plural(item.attachments, "file")));
  if (item.findings > 0) marks.append(make("span", { class: "found" }, plural(item.findings, "finding")));
  // The display name, if there is one.
  const from = item.header_from.replace(/^"?([^"<]*[^"<\s])"?\s*<.*$/, "$1") || item.reverse_path || "<>";
  const row = make("div", { class: "row", role: "option", id: `row-${item.id}` },
    subjectOf(item, "span", "what"),
    when(item.received),
    make("span", { class: "from" }, `${from} → ${item.forward_paths.join(", ")}`),
    marks);
  row.addEventListener("click", () => {
    select(item.id);
    open(item.id, true).catch(report);
  });
  return row;
}

function subjectOf(item, tag, name) {
  return item.subject === ""
    ? make(tag, { class: `${name} missing` }, "(no subject)")
    : make(tag, { class: name, dir: "auto" }, item.subject);
}

function showCount() {
  const isSearch = list.search !== "";
  $("count").textContent = !list.isLoaded ? "" : isSearch ? `${list.total.toLocaleString("en")} found` : plural(list.total, "message");
  $("delete-all").disabled = list.total === 0;
  $("delete-all").textContent = isSearch ? "Delete found" : "Delete all";
  $("empty").hidden = !list.isLoaded || list.items.length > 0;
  document.title = list.total > 0 && !isSearch ? `(${list.total}) smtpkit` : "smtpkit";
  $("empty").dataset.search === String(isSearch) || showEmpty(isSearch);
}

let listeners = [];
function showEmpty(isSearch) {
  $("empty").dataset.search = String(isSearch);
  if (isSearch) {
    $("empty").replaceChildren(make("h2", {}, "No message found"), make("p", {}, "Each word must be in an address, the subject or the text."));
    return;
  }
  const smtp = listeners.filter((url) => !url.startsWith("http"));
  $("empty").replaceChildren(
    make("h2", {}, "No messages yet"),
    make("p", {}, "Messages appear here as soon as they are sent to"),
    make("pre", {}, smtp.length > 0 ? smtp.join("\n") : "(no listener)"));
}

/** Selects a row and brings it into sight. */
function select(id) {
  list.selected = id;
  const index = indexOf(id);
  const height = rowHeight();
  const rows = $("rows");
  if (index >= 0) {
    if (index * height < rows.scrollTop) rows.scrollTop = index * height;
    const bottom = (index + 1) * height - rows.clientHeight;
    if (bottom > rows.scrollTop) rows.scrollTop = bottom;
  }
  showList();
}

let openTimer;
function move(step) {
  if (list.items.length === 0) return;
  const index = indexOf(list.selected);
  const next = index < 0 ? 0 : Math.max(0, Math.min(list.items.length - 1, index + step));
  const { id } = list.items[next];
  select(id);
  // With a key held down only the last message is read.
  clearTimeout(openTimer);
  if (wide.matches || showsMessage()) openTimer = setTimeout(() => open(id, false).catch(report), 60);
}

// The message.

let current = null;
let reading = null;
let chosenTab = null;
const showsMessage = () => document.body.classList.contains("shows-message");

async function open(id, byHand) {
  clearTimeout(openTimer);
  reading?.abort();
  reading = new AbortController();
  if (current?.id !== id) {
    const message = await ask(`/messages/${id}`, { signal: reading.signal });
    current = message;
    list.read.add(id);
    showMessage();
  }
  if (!wide.matches && byHand && !showsMessage()) history.pushState(null, "", `#${id}`);
  else history.replaceState(null, "", `#${id}`);
  if (byHand) document.body.classList.add("shows-message");
  showList();
}

function close() {
  clearTimeout(openTimer);
  reading?.abort();
  document.body.classList.remove("shows-message");
  history.replaceState(null, "", location.pathname);
  $("rows").focus();
  showList();
}

/** Shows no message, because the one that was shown is gone. */
function forget() {
  current = null;
  $("view").hidden = true;
  $("none").hidden = false;
  $("panel").replaceChildren();
  if (showsMessage()) close();
  else history.replaceState(null, "", location.pathname);
}

const TABS = [
  { name: "HTML", has: (it) => it.html, show: showHtml },
  { name: "Text", has: () => true, show: showText },
  { name: "Headers", has: () => true, show: showHeaders },
  { name: "Attachments", has: (it) => it.attachments.length > 0, number: (it) => it.attachments.length, show: showAttachments },
  { name: "Source", has: () => true, show: showSource },
  { name: "Dialogue", has: () => true, show: showDialogue },
  { name: "Findings", has: () => true, number: (it) => it.findings.length, isWarning: true, show: showFindings },
];

function showMessage() {
  const it = current;
  $("none").hidden = true;
  $("view").hidden = false;
  $("subject").replaceChildren(subjectOf(it, "span", "subject"));
  const fact = (name, ...value) => [make("dt", {}, name), make("dd", {}, ...value)];
  const address = (text) => make("span", { class: "address" }, text);
  const paths = it.forward_paths.map((path) => `<${path}>`).join(" ");
  const secured = [it.tls ? `TLS ${it.tls}` : "in clear", it.user === null ? null : `login ${it.user}`];
  $("facts").replaceChildren(
    ...fact("From", it.header_from || make("span", { class: "missing" }, "(no From field)")),
    ...(it.header_to === "" ? [] : fact("To", it.header_to)),
    ...fact("Envelope", address(`<${it.reverse_path}>`), " → ", address(paths)),
    ...fact("Received", when(it.received), ` · ${it.protocol.toUpperCase()}, ${secured.filter(Boolean).join(", ")} · ${size(it.size)}`));
  const isUsual = chosenTab !== null && TABS[chosenTab].has(it);
  showTab(isUsual ? chosenTab : TABS.findIndex((tab) => tab.has(it)));
}

function showTab(index) {
  const tabs = TABS.map((tab, at) => {
    const number = tab.number ? tab.number(current) : 0;
    const button = make("button", {
      type: "button", role: "tab", id: `tab-${at}`, "aria-controls": "panel",
      "aria-selected": at === index, tabindex: at === index ? 0 : -1, disabled: tab.has(current) ? null : "",
    }, tab.name, number > 0 ? make("span", { class: tab.isWarning ? "number found" : "number" }, String(number)) : null);
    button.addEventListener("click", () => chooseTab(at));
    return button;
  });
  const hadFocus = $("tabs").contains(document.activeElement);
  $("tabs").replaceChildren(...tabs);
  if (hadFocus) tabs[index].focus();
  tabs[index].scrollIntoView({ block: "nearest", inline: "nearest" });
  $("panel").setAttribute("aria-labelledby", `tab-${index}`);
  $("panel").scrollTop = 0;
  TABS[index].show(current, $("panel"));
}

function chooseTab(index) {
  if (current === null || !TABS[index].has(current)) return;
  chosenTab = index;
  showTab(index);
}

const inset = (...children) => make("div", { class: "inset" }, ...children);

function showHtml(it, panel) {
  const parts = [];
  if (it.remote > 0) parts.push(make("p", { class: "note" }, `Remote content blocked: ${plural(it.remote, "reference")} to content elsewhere.`));
  // A new element each time, so that the history of the tab has no entry for it.
  parts.push(make("iframe", { sandbox: "", referrerpolicy: "no-referrer", title: "HTML of the message", src: `${API}/messages/${it.id}/html` }));
  if (it.links.length > 0) parts.push(linksOf(it));
  panel.replaceChildren(...parts);
}

function linksOf(it) {
  const links = it.links.map((link) => {
    const isWeb = /^https?:\/\//i.test(link);
    return make("li", {}, isWeb ? make("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, link) : link);
  });
  return make("details", { class: "links" }, make("summary", {}, plural(it.links.length, "link")), make("ol", {}, ...links));
}

function showText(it, panel) {
  const parts = [];
  if (it.text_from_html) parts.push(make("p", { class: "note plain" }, "There is no text part; this is the HTML without its tags."));
  if (it.text_is_cut) parts.push(make("p", { class: "note plain" }, "This is the beginning of the text; the source has all of it."));
  const isEmpty = it.text.trim() === "";
  parts.push(inset(isEmpty ? make("p", { class: "quiet" }, "The text is empty.") : make("pre", { dir: "auto" }, it.text)));
  if (!it.html && it.links.length > 0) parts.push(linksOf(it));
  panel.replaceChildren(...parts);
}

let isRaw = false;
function showHeaders(it, panel) {
  const toggle = make("button", { type: "button", "aria-pressed": isRaw }, "As sent");
  toggle.addEventListener("click", () => {
    isRaw = !isRaw;
    showHeaders(it, panel);
    panel.querySelector("button").focus();
  });
  const rows = it.header_fields.map((field) => make("tr", {}, make("th", { scope: "row" }, field.name), make("td", { dir: "auto" }, isRaw ? field.raw : field.text)));
  const commands = [it.mail, ...it.rcpt].join("\n");
  panel.replaceChildren(inset(
    make("div", { class: "tools" }, make("span", { class: "quiet" }, plural(it.header_fields.length + it.header_fields_omitted, "field")), toggle),
    make("table", { class: "headers" }, make("tbody", {}, ...rows)),
    it.header_fields_omitted > 0 ? make("p", { class: "quiet" }, `${plural(it.header_fields_omitted, "field")} more; the source has them.`) : null,
    make("p", { class: "quiet commands" }, "Envelope, as sent"),
    make("pre", {}, commands)));
}

function showAttachments(it, panel) {
  const rows = it.attachments.map((file) => make("tr", {},
    make("td", {}, make("a", { href: `${API}/messages/${it.id}/attachments/${file.index}`, download: file.name }, file.name)),
    make("td", {}, file.type),
    make("td", { class: "number" }, size(file.size))));
  const head = make("tr", {}, make("th", { scope: "col" }, "Name"), make("th", { scope: "col" }, "Type"), make("th", { scope: "col", class: "number" }, "Size"));
  panel.replaceChildren(inset(make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))));
}

/** Shows what takes a request, unless another message or tab is shown by then. */
async function showLater(it, panel, work) {
  const place = inset(make("p", { class: "quiet" }, "Loading"));
  panel.replaceChildren(place);
  try {
    const shown = await work();
    if (place.isConnected) place.replaceChildren(...shown);
  } catch (error) {
    if (place.isConnected) place.replaceChildren(make("p", { class: "quiet" }, error.message));
  }
}

function showSource(it, panel) {
  const path = `${API}/messages/${it.id}/source`;
  return showLater(it, panel, async () => {
    const response = await fetch(path);
    if (!response.ok) throw new Error("The message was removed.");
    const { octets, isCut } = await beginning(response.body.getReader());
    let text;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(octets, { stream: isCut });
    } catch {
      text = new TextDecoder("windows-1252").decode(octets);
    }
    const about = isCut ? `The first ${size(octets.length)} of ${size(it.size)}` : size(it.size);
    return [
      make("div", { class: "tools" }, make("span", { class: "quiet" }, about), make("a", { href: path, download: `message-${it.id}.eml` }, "Download")),
      make("pre", {}, text),
    ];
  });
}

async function beginning(reader) {
  const pieces = [];
  let length = 0;
  while (length < LONGEST_SOURCE) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.length;
  }
  const isCut = length >= LONGEST_SOURCE;
  if (isCut) reader.cancel();
  const octets = new Uint8Array(await new Blob(pieces).arrayBuffer());
  return { octets: octets.subarray(0, LONGEST_SOURCE), isCut };
}

function showDialogue(it, panel) {
  const marks = { client: "C:", server: "S:", stage: "" };
  return showLater(it, panel, async () => {
    const value = await ask(`/messages/${it.id}/dialogue`);
    const rows = [];
    value.lines.forEach((line, index) => {
      rows.push(make("tr", { class: line.speaker }, make("td", {}, `${(line.elapsed_ms / 1000).toFixed(3)} s`), make("td", {}, marks[line.speaker]), make("td", {}, line.line)));
      for (const finding of value.findings.filter((each) => each.at === index)) {
        rows.push(make("tr", { class: "finding" }, make("td", { colspan: 3 }, `${finding.lint}: ${finding.what}. ${finding.remedy}`)));
      }
    });
    const more = value.lines_omitted > 0 ? make("p", { class: "quiet" }, `${plural(value.lines_omitted, "line")} more.`) : null;
    return [make("table", { class: "dialogue" }, make("tbody", {}, ...rows)), ...(more ? [more] : [])];
  });
}

function showFindings(it, panel) {
  if (it.findings.length === 0) {
    panel.replaceChildren(inset(make("p", { class: "quiet" }, "No mistakes of the client were found.")));
    return;
  }
  const items = it.findings.map((finding) => make("li", {}, make("strong", {}, finding.lint), make("div", {}, finding.what), make("div", { class: "quiet" }, finding.remedy)));
  panel.replaceChildren(inset(make("ul", { class: "findings" }, ...items)));
}

// Removal.

function drop(ids) {
  const gone = new Set(ids);
  const before = list.items.length;
  const rows = $("rows");
  const above = list.items.slice(0, Math.floor(rows.scrollTop / rowHeight())).filter((item) => gone.has(item.id)).length;
  list.items = list.items.filter((item) => !gone.has(item.id));
  if (above > 0) rows.scrollTop -= above * rowHeight();
  if (gone.has(list.selected)) list.selected = null;
  if (current !== null && gone.has(current.id)) forget();
  return before - list.items.length;
}

async function remove(id) {
  const index = indexOf(id);
  await ask(`/messages/${id}`, { method: "DELETE" }).catch((error) => {
    // Another page was faster.
    if (error.status !== 404) throw error;
  });
  list.total -= drop([id]);
  const next = list.items[Math.min(index, list.items.length - 1)];
  if (index >= 0 && next) {
    select(next.id);
    if (wide.matches) await open(next.id, false);
  }
  showList();
}

// What the open question is about: the search may change while it is shown.
let removing = "";

function askToRemoveAll() {
  if (list.total === 0) return;
  removing = list.search;
  const them = plural(list.total, "message");
  $("confirm-text").textContent = list.search === "" ? `Delete all ${them}?` : `Delete ${them} found by “${list.search}”?`;
  $("confirm").showModal();
}

async function removeAll() {
  $("confirm").close();
  const condition = removing === "" ? "" : `?${new URLSearchParams({ search: removing })}`;
  await ask(`/messages${condition}`, { method: "DELETE" });
  await load();
}

// Changes, as they happen. When the stream was interrupted the list is read again.

let retryTimer;
let reloadTimer;
let isReloading = false;
let pending = [];

function connect() {
  clearTimeout(retryTimer);
  const events = new EventSource(`${API}/events`);
  events.addEventListener("open", () => {
    state("live");
    refresh();
  });
  events.addEventListener("error", () => {
    state("lost");
    // A browser gives up after an answer that is an error.
    if (events.readyState === EventSource.CLOSED) retryTimer = setTimeout(connect, 3000);
  });
  events.addEventListener("added", (event) => change({ added: JSON.parse(event.data) }));
  events.addEventListener("removed", (event) => change({ removed: JSON.parse(event.data) }));
  events.addEventListener("cleared", (event) => change({ cleared: JSON.parse(event.data) }));
  events.addEventListener("lagged", refresh);
}

function state(name) {
  $("state").dataset.state = name;
  $("state-text").textContent = name === "live" ? "live" : "reconnecting";
}

/** Reads status and list; changes that come meanwhile are applied afterwards. */
async function refresh() {
  isReloading = true;
  try {
    const status = await ask("/status");
    listeners = status.listeners;
    delete $("empty").dataset.search;
    await load();
    if (current !== null && indexOf(current.id) < 0 && list.items.length >= list.total && list.search === "") forget();
  } catch (error) {
    report(error);
  } finally {
    isReloading = false;
    flush();
  }
}

function change(event) {
  pending.push(event);
  if (pending.length === 1) requestAnimationFrame(flush);
  // A page in the background has no frames.
  if (pending.length > 5000) flush();
}

function flush() {
  if (isReloading || !list.isLoaded) return;
  const events = pending;
  pending = [];
  if (events.length === 0) return;
  let added = [];
  for (const event of events) {
    if (event.added) added.push(event.added);
    if (event.removed) {
      const gone = new Set(event.removed.ids);
      added = added.filter((item) => !gone.has(item.id));
      drop(event.removed.ids);
    }
    if (event.cleared) {
      added = [];
      drop(list.items.map((item) => item.id));
      if (current !== null) forget();
    }
  }
  if (list.search !== "") {
    clearTimeout(reloadTimer);
    reloadTimer = setTimeout(() => load().catch(report), 250);
  } else {
    const newest = list.items[0]?.id ?? 0;
    const fresh = added.filter((item) => item.id > newest).reverse();
    list.items = [...fresh, ...list.items].slice(0, MOST_ROWS);
    const last = Object.values(events.at(-1))[0];
    list.total = last.stored;
    keepScroll(fresh.length);
  }
  showList();
}

// Input.

let searchTimer;
$("search").addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(() => {
    list.search = $("search").value.trim();
    $("rows").scrollTop = 0;
    load().catch(report);
  }, 150);
});

$("rows").addEventListener("scroll", () => requestAnimationFrame(showList), { passive: true });
addEventListener("resize", () => requestAnimationFrame(showList));
wide.addEventListener("change", showList);
$("delete").addEventListener("click", () => current && remove(current.id).catch(report));
$("delete-all").addEventListener("click", askToRemoveAll);
$("confirm-no").addEventListener("click", () => $("confirm").close());
$("confirm-yes").addEventListener("click", () => removeAll().catch(report));
$("help-open").addEventListener("click", () => $("help").showModal());
$("help-close").addEventListener("click", () => $("help").close());
$("back").addEventListener("click", close);
addEventListener("popstate", () => (location.hash === "" ? showsMessage() && close() : openFromHash()));

function openFromHash() {
  const id = Number(location.hash.slice(1));
  if (!Number.isSafeInteger(id) || id <= 0) return;
  select(id);
  open(id, !wide.matches).catch(report);
}

$("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  let index = TABS.findIndex((_, at) => $(`tab-${at}`).getAttribute("aria-selected") === "true");
  do index = (index + step + TABS.length) % TABS.length; while (!TABS[index].has(current));
  chooseTab(index);
  event.preventDefault();
});

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  PageDown: () => move(Math.max(1, Math.floor($("rows").clientHeight / rowHeight()) - 1)),
  PageUp: () => move(-Math.max(1, Math.floor($("rows").clientHeight / rowHeight()) - 1)),
  Home: () => move(-list.items.length),
  End: () => move(list.items.length),
  Enter: () => {
    if (list.selected === null) move(0);
    if (list.selected !== null) open(list.selected, true).then(() => $("panel").focus()).catch(report);
  },
  Delete: () => list.selected !== null && remove(list.selected).catch(report),
  "/": () => {
    if (showsMessage() && !wide.matches) close();
    $("search").focus();
    $("search").select();
  },
  "?": () => $("help").showModal(),
  Escape: () => close(),
};

/** Keys that elements in the message need for themselves. */
const OWN_KEYS = new Set(["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End", "Enter"]);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return;
  const target = event.target;
  if (target === $("search")) {
    if (event.key === "Escape") {
      if ($("search").value !== "") {
        $("search").value = "";
        $("search").dispatchEvent(new Event("input"));
      }
      $("rows").focus();
    } else if (event.key === "ArrowDown" || event.key === "Enter") {
      $("rows").focus();
      move(event.key === "Enter" && list.selected !== null ? 0 : 1);
    } else {
      return;
    }
    event.preventDefault();
    return;
  }
  const isInMessage = $("message").contains(target) || target.tagName === "BUTTON";
  if (OWN_KEYS.has(event.key) && isInMessage) return;
  const number = /^[1-7]$/.test(event.key) ? Number(event.key) : 0;
  if (number > 0) chooseTab(number - 1);
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else return;
  event.preventDefault();
});

connect();
openFromHash();

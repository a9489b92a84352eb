// The page: what is set, what is shown, and when.

import { make, partsOf, question, Step } from "./answers.js";
import { Api } from "./api.js";
import { turn } from "./turns.js";

const BASE = new URL("/v1", location.href).href;
const at = (id) => document.getElementById(id);
const messages = [];
const pictures = [];
let models = [];
let tools = new Map();
let running = null;
/** Whether the end of the conversation is kept in sight, and where it was scrolled to last. */
let following = true;
let scrolled = 0;

// --- what is set

const kept = ["key", "thinking", "effort", "max", "system", "own", "extra", "text", "model"];

function ticked() {
  return [...document.querySelectorAll("#tools input:checked")].map((each) => each.value);
}

/** Keep something for a reload of this tab. */
function store(name, value) {
  try {
    sessionStorage.removeItem(name);
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // There is no room for it, or there is no storage: it lasts as long as the page.
  }
}

function stored(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

function keep() {
  const values = kept.map((id) => [id, id === "thinking" ? at(id).checked : at(id).value]);
  store("moonbase", { ...Object.fromEntries(values), ticked: ticked() });
}

function api() {
  return new Api(BASE, at("key").value.trim() || "any");
}

function model() {
  return models.find((each) => each.id === at("model").value);
}

/** The JSON in a field, `empty` where there is none; null, with a word beside the field, where it does not fit. */
function json(id, fits, wanted, empty) {
  const text = at(id).value.trim();
  const fault = at(`${id}-fault`);
  fault.hidden = true;
  if (!text) return empty;
  try {
    const value = JSON.parse(text);
    if (fits(value)) return value;
    fault.textContent = `This must be ${wanted}.`;
  } catch (error) {
    fault.textContent = `This is not JSON: ${error.message}`;
  }
  fault.hidden = false;
  return null;
}

/** More members of the request. */
function extra() {
  const fits = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  return json("extra", fits, 'a JSON object, such as {"temperature": 1}', {});
}

/** Tools whose results the user writes. */
function own() {
  const fits = (value) => Array.isArray(value) && value.every((tool) => tool?.function?.name);
  return json("own", fits, "a list of tools as a request has them, each with a function and its name", []);
}

function settings(more, written) {
  const uris = ticked();
  const chosen = [...tools].filter(([, { uri }]) => uris.includes(uri));
  const mine = written.map((tool) => [tool.function.name, { tool }]);
  return {
    thinking: at("thinking").checked,
    effort: at("effort").value,
    maxTokens: Number(at("max").value) || 0,
    system: at("system").value.trim(),
    tools: new Map([...chosen, ...mine]),
    extra: more,
  };
}

function showModel() {
  const chosen = model();
  if (!chosen) return;
  const both = chosen.supports_thinking_type === "both";
  at("thinking-row").hidden = !both;
  at("effort-row").hidden = !chosen.think_efforts;
  const efforts = chosen.think_efforts?.valid_efforts ?? [];
  const before = at("effort").value;
  at("effort").replaceChildren(...efforts.map((each) => make("option", { value: each, textContent: each })));
  at("effort").value = efforts.includes(before) ? before : (chosen.think_efforts?.default_effort ?? "");
  at("attach").hidden = !chosen.supports_image_in;
  at("facts").textContent = `${chosen.context_length.toLocaleString("en")} tokens of context`;
}

async function load() {
  const before = stored("moonbase") ?? {};
  notice("");
  try {
    models = await api().models();
    const chosen = at("model").value || before.model;
    at("model").replaceChildren(...models.map((each) => make("option", { value: each.id, textContent: each.display_name ?? each.id })));
    const fits = models.find((each) => each.id === chosen) ?? models.find((each) => each.supports_thinking_type === "both") ?? models[0];
    at("model").value = fits?.id ?? "";
    showModel();
    await loadTools(before.ticked ?? []);
    await showBalance();
  } catch (error) {
    notice(error.status === 401 ? refused(error) : error.message);
  }
}

function refused(error) {
  if (!at("key").value) return "This server asks for an API key: set yours under Settings.";
  return `The API key under Settings was refused: ${error.message}`;
}

async function loadTools(chosen) {
  tools = new Map();
  const rows = [];
  for (const { id: uri, tools: declared } of await api().formulas()) {
    const functions = declared.filter((tool) => tool.function);
    if (!functions.length) continue;
    for (const tool of functions) tools.set(tool.function.name, { uri, tool });
    const box = make("input", { type: "checkbox", value: uri, checked: chosen.includes(uri) });
    rows.push(make("label", { title: functions[0].function.description ?? "" }, box, ` ${uri.replace(/^moonshot\/|:latest$/g, "")}`));
  }
  if (rows.length) at("tools").replaceChildren(...rows);
}

async function showBalance() {
  const left = await api().balance();
  at("balance").textContent = `Balance: $${left.toLocaleString("en", { maximumFractionDigits: 6 })}`;
}

function notice(text) {
  at("notice").textContent = text;
  at("notice").hidden = !text;
}

// --- what is shown

function follow() {
  if (following) at("talk").scrollTop = at("talk").scrollHeight;
}

/** Who scrolls up reads there, until the end is in sight again. */
function scrolledTo() {
  const { scrollTop, scrollHeight, clientHeight } = at("talk");
  following = scrollHeight - scrollTop - clientHeight < 40 || (following && scrollTop >= scrolled);
  scrolled = scrollTop;
}

const growth = new ResizeObserver((grown) => {
  if (running || grown.some(({ target }) => target === at("talk"))) follow();
});

/** Show a question, and room for its answer. */
function show(message) {
  at("welcome")?.remove();
  const asked = question(message, () => takeBack(message, asked));
  const box = make("article", { className: "answer", ariaLabel: "Answer" });
  growth.observe(box);
  at("talk").append(asked, box);
  return { asked, box };
}

/** Show the conversation that this tab had before it was loaded again. */
function showStored() {
  messages.push(...(stored("moonbase.talk") ?? []));
  // It was being answered.
  if (messages.at(-1)?.role === "user") {
    giveBack(messages.pop());
    store("moonbase.talk", messages);
  }
  let box, step;
  for (const message of messages) {
    if (message.role === "user") ({ box } = show(message));
    else if (message.role === "tool") step.result(message.tool_call_id, message.content);
    else {
      step = new Step(box, BASE, null);
      step.recall(message);
    }
  }
  follow();
}

/** Put a question back to where it was written, before what stands there by now. */
function giveBack(message) {
  const { text, pictures: shown } = partsOf(message);
  at("text").value = [text, at("text").value].filter(Boolean).join("\n\n");
  pictures.unshift(...shown);
  showPictures();
}

/** Go back to before a question, to ask it anew. */
function takeBack(message, asked) {
  messages.length = messages.indexOf(message);
  while (asked.nextSibling) asked.nextSibling.remove();
  asked.remove();
  giveBack(message);
  store("moonbase.talk", messages);
  at("text").focus();
}

function showPictures() {
  const shown = pictures.map((src, index) => {
    const picture = make("button", { type: "button", title: "Remove this picture", ariaLabel: "Remove this picture" }, make("img", { src, alt: "" }));
    picture.addEventListener("click", () => {
      pictures.splice(index, 1);
      showPictures();
    });
    return picture;
  });
  at("pictures").replaceChildren(...shown);
}

// --- what happens

async function ask() {
  // The server may be back, or the key be right by now.
  if (!model()) await load();
  const text = at("text").value.trim();
  const [more, written] = [extra(), own()];
  if (running || !(text || pictures.length) || !model()) return;
  const unfit = more === null || written === null;
  notice(unfit ? "What stands under Settings as JSON cannot be sent; the fault is told there." : "");
  if (unfit) return;
  const parts = pictures.splice(0).map((url) => ({ type: "image_url", image_url: { url } }));
  const message = { role: "user", content: parts.length ? [...parts, { type: "text", text }] : text };
  at("text").value = "";
  showPictures();
  const { asked, box } = show(message);
  running = new AbortController();
  busy(true);
  messages.push(message);
  store("moonbase.talk", messages);
  following = true;
  follow();
  try {
    await answer(box, settings(more, written), running.signal);
  } catch (error) {
    // Nothing half-said stays in the conversation; what was asked goes back, unless the page has a new conversation.
    messages.pop();
    asked.classList.add("undone");
    box.classList.add("undone");
    const stopped = error.name === "AbortError";
    box.append(make("p", { className: stopped ? "quiet" : "fault", textContent: stopped ? "Stopped; this is not part of the conversation." : error.message }));
    if (asked.isConnected) giveBack(message);
  } finally {
    running = null;
    // Also where the page is about to go, which ends the answer.
    store("moonbase.talk", messages);
    keep();
    busy(false);
    follow();
    showBalance().catch(() => {});
  }
}

async function answer(box, chosen, signal) {
  let step;
  const typed = (call) => step.typed(call, signal);
  for await (const event of turn(api(), model(), messages, chosen, signal, typed)) {
    if (event.kind === "request") step = new Step(box, BASE, event.body);
    else if (event.kind === "frame") step.lines.push(event.text);
    else if (event.kind === "answer") step.end(event.answer);
    else if (event.kind === "result") step.result(event.call.id, event.text);
    else step.take(event);
  }
}

function busy(is) {
  const held = document.activeElement;
  at("talk").ariaBusy = String(is);
  at("send").disabled = is;
  at("stop").hidden = !is;
  at("model").disabled = is;
  at("state").textContent = is ? "answering …" : "";
  if (!is && [document.body, at("send"), at("stop")].includes(held)) toText();
}

/** On to the next message; on a phone that would bring up the keyboard, over the answer. */
function toText() {
  if (!matchMedia("(pointer: coarse)").matches) at("text").focus();
}

async function attach(files) {
  for (const file of files) {
    if (!file.type.startsWith("image/")) continue;
    const reader = new FileReader();
    await new Promise((done) => {
      reader.addEventListener("loadend", done);
      reader.readAsDataURL(file);
    });
    if (reader.result) pictures.push(reader.result);
  }
  showPictures();
}

/** Pictures out of another program; text is pasted and dropped as ever. */
function take(event, data) {
  if (!data.files.length || data.getData("text/plain")) return;
  event.preventDefault();
  if (!at("attach").hidden) attach(data.files);
}

function begin() {
  const before = stored("moonbase") ?? {};
  for (const id of kept.filter((each) => each in before && each !== "model")) {
    if (id === "thinking") at(id).checked = before[id];
    else at(id).value = before[id];
  }
  at("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  at("text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    ask();
  });
  at("stop").addEventListener("click", () => running?.abort());
  at("new").addEventListener("click", () => {
    running?.abort();
    messages.length = 0;
    store("moonbase.talk", messages);
    at("talk").replaceChildren();
    at("text").focus();
  });
  at("show-settings").addEventListener("click", () => {
    const shown = at("settings").classList.toggle("shown");
    at("show-settings").setAttribute("aria-expanded", String(shown));
  });
  at("talk").addEventListener("scroll", scrolledTo);
  growth.observe(at("talk"));
  at("model").addEventListener("change", showModel);
  at("own").addEventListener("change", own);
  at("extra").addEventListener("change", extra);
  at("key").addEventListener("change", load);
  at("file").addEventListener("change", async () => {
    await attach(at("file").files);
    at("file").value = "";
  });
  at("text").addEventListener("paste", (event) => take(event, event.clipboardData));
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  document.addEventListener("drop", (event) => take(event, event.dataTransfer));
  document.addEventListener("change", keep);
  window.addEventListener("pagehide", keep);
  showStored();
  load();
  toText();
}

begin();

// The page: what is set, what is shown, and when.

import { Api } from "./api.js";
import { blocks } from "./text.js";
import { asCurl, turn } from "./turns.js";

const BASE = new URL("/v1", location.href).href;
/** Characters from which a thought is folded when the answer begins. */
const LONG = 600;
const at = (id) => document.getElementById(id);
const messages = [];
const pictures = [];
let models = [];
let tools = new Map();
let running = null;

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// --- what is set

const kept = ["key", "thinking", "effort", "max", "system", "extra", "model"];

function ticked() {
  return [...document.querySelectorAll("#tools input:checked")].map((each) => each.value);
}

function keep() {
  const values = kept.map((id) => [id, id === "thinking" ? at(id).checked : at(id).value]);
  sessionStorage.setItem("moonbase", JSON.stringify({ ...Object.fromEntries(values), ticked: ticked() }));
}

function recall() {
  try {
    return JSON.parse(sessionStorage.getItem("moonbase")) ?? {};
  } catch {
    return {};
  }
}

function api() {
  return new Api(BASE, at("key").value.trim() || "any");
}

function model() {
  return models.find((each) => each.id === at("model").value);
}

/** More members of the request; null, with a word beside the field, where it is no JSON object. */
function extra() {
  const text = at("extra").value.trim();
  const fault = at("extra-fault");
  fault.hidden = true;
  if (!text) return {};
  try {
    const value = JSON.parse(text);
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return value;
    fault.textContent = 'This must be a JSON object, such as {"temperature": 1}.';
  } catch (error) {
    fault.textContent = `This is not JSON: ${error.message}`;
  }
  fault.hidden = false;
  return null;
}

function settings(more) {
  const uris = ticked();
  const chosen = [...tools].filter(([, { uri }]) => uris.includes(uri));
  return {
    thinking: at("thinking").checked,
    effort: at("effort").value,
    maxTokens: Number(at("max").value) || 0,
    system: at("system").value.trim(),
    tools: new Map(chosen),
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
  const before = recall();
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
    notice(error.status === 401 ? "This server asks for an API key: set yours under Settings." : error.message);
  }
}

async function loadTools(chosen) {
  const formulas = await api().formulas();
  const listed = await Promise.all(formulas.map(async ({ id }) => [id, await api().tools(id)]));
  tools = new Map();
  const rows = [];
  for (const [uri, declared] of listed) {
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

/** Elements for the blocks of an answer; text is only ever set as text. */
function rendered(text) {
  return blocks(text).map((block) => {
    if (block.kind === "code") return make("pre", {}, make("code", { textContent: block.text }));
    if (block.kind === "heading") return make("h2", {}, ...inline(block.spans));
    if (block.kind === "paragraph") return make("p", {}, ...inline(block.spans));
    return make(block.ordered ? "ol" : "ul", {}, ...block.items.map((item) => make("li", {}, ...inline(item))));
  });
}

function inline(spans) {
  return spans.map(({ kind, text, href }) => {
    if (kind === "code" || kind === "strong") return make(kind, { textContent: text });
    if (kind === "link") return make("a", { href, rel: "noreferrer noopener", target: "_blank", textContent: text });
    return text;
  });
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** One step of an answer, as it comes. */
class Step {
  constructor(parent, body) {
    this.began = performance.now();
    this.first = this.thought = 0;
    this.body = body;
    this.lines = [];
    this.text = "";
    this.calls = [];
    this.box = make("div");
    parent.append(this.box);
  }

  take({ kind, text, index }) {
    this.first ||= performance.now();
    if (kind === "thinking") this.#think(text);
    else this.#thoughtEnds();
    if (kind === "content") this.#say(text);
    if (kind === "call") this.#call(index, text);
    if (kind === "arguments") this.calls[index].given.textContent += text;
  }

  #think(text) {
    if (!this.thinking) {
      this.thinking = make("div");
      this.label = make("summary", { textContent: "Thinking …" });
      this.box.append(make("details", { className: "thinking", open: true }, this.label, this.thinking));
    }
    this.thinking.append(text);
  }

  #thoughtEnds() {
    if (!this.label || this.thought) return;
    this.thought = performance.now();
    this.label.textContent = `Thought for ${((this.thought - this.first) / 1000).toFixed(1)} s`;
    // A long thought would push the answer out of sight.
    this.label.parentElement.open = this.thinking.textContent.length < LONG;
  }

  #say(text) {
    this.text += text;
    if (!this.content) {
      this.content = make("div", { className: "content" });
      this.box.append(this.content);
    }
    // Once a frame of the screen is often enough, however fast the tokens come.
    this.drawing ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.drawing = null;
    this.content.replaceChildren(...rendered(this.text));
  }

  #call(index, name) {
    const given = make("pre");
    const label = make("summary", { textContent: `Tool: ${name}` });
    const box = make("details", { className: "call" }, label, given);
    this.calls[index] = { given, box, label };
    this.box.append(box);
  }

  result(call, text) {
    const shown = this.calls.find(({ given }) => given.dataset.id === call.id);
    shown?.box.append(make("pre", { textContent: text.length > 4000 ? `${text.slice(0, 4000)} …` : text }));
  }

  end(answer) {
    this.#thoughtEnds();
    if (this.content) this.#draw();
    for (const [index, call] of (answer.message.tool_calls ?? []).entries()) {
      this.calls[index].given.textContent = pretty(call.function.arguments);
      this.calls[index].given.dataset.id = call.id;
    }
    this.box.append(this.#foot(answer));
  }

  #foot(answer) {
    const parts = [];
    const usage = answer.usage;
    if (usage) {
      const thought = usage.completion_tokens_details?.reasoning_tokens;
      parts.push(`${usage.prompt_tokens} tokens read${usage.cached_tokens ? ` (${usage.cached_tokens} cached)` : ""}`);
      parts.push(`${usage.completion_tokens} written${thought ? ` (${thought} thinking)` : ""}`);
    }
    if (this.first) {
      const seconds = (performance.now() - this.first) / 1000;
      parts.push(`first after ${Math.round(this.first - this.began)} ms`);
      if (usage && seconds > 0.05) parts.push(`${Math.round(usage.completion_tokens / seconds)} a second`);
    }
    if (answer.finish === "length") parts.push("cut: the budget is used up");
    const curl = make("button", { type: "button", className: "small", textContent: "Copy as curl" });
    curl.addEventListener("click", async () => {
      await navigator.clipboard.writeText(asCurl(BASE, this.body));
      curl.textContent = "Copied";
    });
    const wire = make("button", { type: "button", className: "small", textContent: "On the wire" });
    wire.addEventListener("click", () => {
      this.wire ??= make(
        "div",
        { hidden: true },
        make("details", { open: true }, make("summary", { textContent: "Request" }), make("pre", { textContent: JSON.stringify(this.body, null, 2) })),
        make("details", {}, make("summary", { textContent: `Answer, ${this.lines.length} frames` }), make("pre", { textContent: this.lines.join("\n") })),
      );
      this.wire.hidden = !this.wire.hidden;
      this.box.append(this.wire);
      if (!this.wire.hidden) this.wire.scrollIntoView({ block: "nearest" });
    });
    return make("div", { className: "foot quiet" }, parts.join(" · "), curl, wire);
  }
}

function follow() {
  const talk = at("talk");
  if (talk.scrollHeight - talk.scrollTop - talk.clientHeight < 160) talk.scrollTop = talk.scrollHeight;
}

// --- what happens

async function ask() {
  const text = at("text").value.trim();
  const more = extra();
  if (running || !(text || pictures.length) || !model() || more === null) return;
  at("welcome")?.remove();
  notice("");
  const shown = pictures.splice(0);
  const parts = shown.map((url) => ({ type: "image_url", image_url: { url } }));
  const content = parts.length ? [...parts, { type: "text", text }] : text;
  const said = make("div", { className: "user" }, ...shown.map((src) => make("img", { src, alt: "picture" })), text);
  const box = make("article", { className: "answer", ariaLabel: "Answer" });
  at("talk").append(said, box);
  at("text").value = "";
  at("pictures").replaceChildren();
  running = new AbortController();
  busy(true);
  messages.push({ role: "user", content });
  try {
    await answer(box, settings(more), running.signal);
  } catch (error) {
    // Nothing half-said stays in the conversation; what was asked goes back to where it was written.
    messages.pop();
    box.classList.add("undone");
    const stopped = error.name === "AbortError";
    box.append(make("p", { className: stopped ? "quiet" : "fault", textContent: stopped ? "Stopped; this is not part of the conversation." : error.message }));
    at("text").value ||= text;
    pictures.push(...shown);
    showPictures();
  } finally {
    running = null;
    busy(false);
    follow();
    showBalance().catch(() => {});
  }
}

async function answer(box, chosen, signal) {
  let step;
  for await (const event of turn(api(), model(), messages, chosen, signal)) {
    if (event.kind === "request") step = new Step(box, event.body);
    else if (event.kind === "frame") step.lines.push(event.text);
    else if (event.kind === "answer") step.end(event.answer);
    else if (event.kind === "result") step.result(event.call, event.text);
    else step.take(event);
    follow();
  }
}

function busy(is) {
  at("send").disabled = is;
  at("stop").hidden = !is;
  at("model").disabled = is;
  at("state").textContent = is ? "answering …" : "";
  if (!is) at("text").focus();
}

function showPictures() {
  at("pictures").replaceChildren(...pictures.map((src) => make("img", { src, alt: "picture to send" })));
}

async function attach() {
  for (const file of at("file").files) {
    const reader = new FileReader();
    await new Promise((done) => {
      reader.addEventListener("loadend", done);
      reader.readAsDataURL(file);
    });
    if (reader.result) pictures.push(reader.result);
  }
  at("file").value = "";
  showPictures();
}

function begin() {
  const before = recall();
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
    at("talk").replaceChildren();
    at("text").focus();
  });
  at("show-settings").addEventListener("click", () => {
    const shown = at("settings").classList.toggle("shown");
    at("show-settings").setAttribute("aria-expanded", String(shown));
  });
  at("model").addEventListener("change", showModel);
  at("extra").addEventListener("change", extra);
  at("key").addEventListener("change", load);
  at("file").addEventListener("change", attach);
  document.addEventListener("change", keep);
  load();
}

begin();

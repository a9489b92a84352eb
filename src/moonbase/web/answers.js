// What is shown of a conversation: questions, and the steps of an answer as they come.

import { blocks } from "./text.js";
import { asCurl } from "./turns.js";

/** Characters from which a thought is folded when the answer begins. */
const LONG = 600;
/** Characters of a tool's result that are shown. */
const SHOWN = 4000;

export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function button(label, act) {
  const made = make("button", { type: "button", className: "small", textContent: label });
  made.addEventListener("click", () => act(made));
  return made;
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers lend their clipboard to https and to this machine alone; a page of another one has to mark what it copies.
  const field = make("textarea", { value: text });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/** Text and pictures of a message of the user, as it stands in a request. */
export function partsOf({ content }) {
  if (typeof content === "string") return { text: content, pictures: [] };
  return {
    text: content.find((part) => part.type === "text")?.text ?? "",
    pictures: content.filter((part) => part.type === "image_url").map((part) => part.image_url.url),
  };
}

/** A question; `edit` is called when it is to be written anew. */
export function question(message, edit) {
  const { text, pictures } = partsOf(message);
  const shown = pictures.map((src) => make("img", { src, alt: "picture" }));
  return make("article", { className: "user", ariaLabel: "You" }, make("div", {}, ...shown, text), button("Edit", edit));
}

/** Elements for the blocks of an answer; text is only ever set as text. */
function rendered(block) {
  if (block.kind === "code") return make("pre", {}, make("code", { textContent: block.text }));
  if (block.kind === "heading") return make("h2", {}, ...inline(block.spans));
  if (block.kind === "rule") return make("hr");
  if (block.kind === "quote") return make("blockquote", {}, ...block.blocks.map(rendered));
  if (block.kind === "table") return make("div", { className: "wide" }, make("table", {}, ...block.rows.map(row)));
  if (block.kind === "paragraph") return make("p", {}, ...inline(block.spans));
  const items = block.items.map((item) => make("li", {}, ...item.map(rendered)));
  return block.ordered ? make("ol", { start: block.start }, ...items) : make("ul", {}, ...items);
}

function row(cells, index) {
  return make("tr", {}, ...cells.map((cell) => make(index ? "td" : "th", {}, ...inline(cell))));
}

function inline(spans) {
  return spans.map(({ kind, text, href }) => {
    if (kind === "text") return text;
    if (kind === "link") return make("a", { href, rel: "noreferrer noopener", target: "_blank", textContent: text });
    return make(kind, { textContent: text });
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
export class Step {
  /** `base` is the address up to and with `/v1`, `body` what was asked there. */
  constructor(parent, base, body) {
    this.began = performance.now();
    this.first = this.thought = 0;
    this.base = base;
    this.body = body;
    this.lines = [];
    this.text = "";
    this.drawn = [];
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
    if (this.thinking.textContent.length >= LONG) this.label.parentElement.open = false;
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

  /** Draw what has changed: what stands is left alone, with what the reader has marked in it. */
  #draw() {
    this.drawing = null;
    const wanted = blocks(this.text);
    const keys = wanted.map((block) => JSON.stringify(block));
    const changed = keys.findIndex((key, index) => key !== this.drawn[index]);
    if (changed === -1 && keys.length === this.drawn.length) return;
    const from = changed === -1 ? keys.length : changed;
    while (this.content.childElementCount > from) this.content.lastElementChild.remove();
    this.content.append(...wanted.slice(from).map(rendered));
    this.drawn = keys;
  }

  #call(index, name) {
    const given = make("pre");
    const label = make("summary", { textContent: `Tool: ${name}` });
    const box = make("details", { className: "call" }, label, given);
    this.calls[index] = { given, box, label };
    this.box.append(box);
  }

  result(id, text) {
    this.#boxOf(id)?.append(make("pre", { textContent: text.length > SHOWN ? `${text.slice(0, SHOWN)} …` : text }));
  }

  /** What the user writes as the result of a call; `signal` ends the waiting for it. */
  typed(call, signal) {
    const label = `What ${call.function.name} gives back`;
    const field = make("textarea", { rows: 3, ariaLabel: label, placeholder: label });
    const form = make("form", {}, field, make("button", { className: "small", textContent: "Give this back" }));
    const box = this.#boxOf(call.id);
    box.append(form);
    box.open = true;
    field.focus();
    const given = new Promise((done, fail) => {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        done(field.value);
      });
      signal.addEventListener("abort", () => fail(signal.reason));
    });
    return given.finally(() => form.remove());
  }

  #boxOf(id) {
    return this.calls.find(({ given }) => given.dataset.id === id)?.box;
  }

  end(answer) {
    this.#close(answer.message);
    this.box.append(this.#foot(answer));
  }

  /** Show a message of an earlier time, of which no more than itself is known. */
  recall(message) {
    if (message.reasoning_content) {
      this.#think(message.reasoning_content);
      this.label.textContent = "Thinking";
      this.label.parentElement.open = false;
    }
    if (message.content) this.#say(message.content);
    for (const [index, call] of (message.tool_calls ?? []).entries()) this.#call(index, call.function.name);
    this.#close(message);
  }

  #close(message) {
    if (this.first) this.#thoughtEnds();
    if (this.content) this.#draw();
    for (const [index, call] of (message.tool_calls ?? []).entries()) {
      this.calls[index].given.textContent = pretty(call.function.arguments);
      this.calls[index].given.dataset.id = call.id;
    }
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
    const curl = button("Copy as curl", async () => {
      await copy(asCurl(this.base, this.body));
      curl.textContent = "Copied";
    });
    const wire = button("On the wire", () => this.#showWire());
    return make("div", { className: "foot quiet" }, parts.join(" · "), make("span", {}, curl, " ", wire));
  }

  #showWire() {
    this.wire ??= make(
      "div",
      { hidden: true },
      make("details", { open: true }, make("summary", { textContent: "Request" }), make("pre", { textContent: JSON.stringify(this.body, null, 2) })),
      make("details", {}, make("summary", { textContent: `Answer, ${this.lines.length} frames` }), make("pre", { textContent: this.lines.join("\n") })),
    );
    this.wire.hidden = !this.wire.hidden;
    this.box.append(this.wire);
    if (!this.wire.hidden) this.wire.scrollIntoView({ block: "nearest" });
  }
}

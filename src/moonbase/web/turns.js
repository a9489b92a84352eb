// A conversation with a model: what is asked, what is answered, and the tools that run in between.

import { Failure } from "./api.js";

/** How often the model may be asked for one message of the user: each round of tools is a step. */
export const STEPS = 16;

/** One answer, put together from its frames; `message` is what the next request sends back, thinking and all. */
export class Answer {
  constructor() {
    this.message = { role: "assistant", content: "" };
    this.finish = null;
    this.usage = null;
  }

  /** Take a frame; returns what it added: {kind: "thinking" | "content" | "call" | "arguments", text, index?}. */
  add(chunk) {
    const added = [];
    this.usage = chunk.usage ?? this.usage;
    for (const choice of chunk.choices ?? []) {
      const delta = choice.delta ?? {};
      this.usage = choice.usage ?? this.usage;
      this.finish = choice.finish_reason ?? this.finish;
      if (delta.reasoning_content !== undefined && delta.reasoning_content !== null) {
        this.message.reasoning_content = (this.message.reasoning_content ?? "") + delta.reasoning_content;
        added.push({ kind: "thinking", text: delta.reasoning_content });
      }
      if (delta.content) {
        this.message.content += delta.content;
        added.push({ kind: "content", text: delta.content });
      }
      for (const part of delta.tool_calls ?? []) added.push(this.#call(part));
    }
    if (chunk.error) throw new Failure(chunk.error.message, { type: chunk.error.type });
    return added;
  }

  #call(part) {
    const calls = (this.message.tool_calls ??= []);
    const known = calls[part.index];
    if (known === undefined) {
      const { name = "", arguments: text = "" } = part.function ?? {};
      calls[part.index] = { id: part.id, type: "function", function: { name, arguments: text } };
      return { kind: "call", index: part.index, text: name };
    }
    known.function.arguments += part.function?.arguments ?? "";
    return { kind: "arguments", index: part.index, text: part.function?.arguments ?? "" };
  }
}

/**
 * The body of a request. `model` is an entry of `/models`; `settings`: thinking (boolean), effort, maxTokens, system,
 * tools (a Map of function names to {uri, tool}, without `uri` where the user is asked for the result), and extra
 * (members that are added, and win).
 */
export function requestBody(model, messages, settings) {
  const body = { model: model.id, messages: [...messages], stream: true, stream_options: { include_usage: true } };
  if (settings.system) body.messages.unshift({ role: "system", content: settings.system });
  if (model.supports_thinking_type === "both") body.thinking = { type: settings.thinking ? "enabled" : "disabled" };
  if (model.think_efforts && settings.effort) body.reasoning_effort = settings.effort;
  if (settings.maxTokens) body.max_tokens = settings.maxTokens;
  if (settings.tools?.size) body.tools = [...settings.tools.values()].map(({ tool }) => tool);
  return { ...body, ...settings.extra };
}

/**
 * One message of the user, answered to the end: yields what happens, in order.
 *
 * {kind: "request", body}, {kind: "frame", text}, what `Answer.add` returns, {kind: "answer", answer}, and for each call
 * {kind: "result", call, text}; `typed(call, signal)` is asked for results of the user's own tools. `messages` grows by what the next request needs; what is thrown leaves it as it was.
 */
export async function* turn(api, model, messages, settings, signal, typed) {
  const said = [];
  for (let step = 0; step < STEPS; step += 1) {
    const body = requestBody(model, [...messages, ...said], settings);
    yield { kind: "request", body };
    const answer = new Answer();
    for await (const text of api.frames(body, signal)) {
      yield { kind: "frame", text };
      yield* answer.add(JSON.parse(text));
    }
    said.push(answer.message);
    yield { kind: "answer", answer };
    if (answer.finish !== "tool_calls") {
      messages.push(...said);
      return;
    }
    for (const call of answer.message.tool_calls) {
      const { name, arguments: given } = call.function;
      const known = settings.tools?.get(name);
      let text = `Error: there is no tool named ${name}`;
      if (known) text = await (known.uri ? api.call(known.uri, name, given, signal) : typed(call, signal));
      said.push({ role: "tool", tool_call_id: call.id, name, content: text });
      yield { kind: "result", call, text };
    }
  }
  throw new Failure(`the model still calls tools after ${STEPS} steps`);
}

/** The same request for a terminal; the key stays out of it. */
export function asCurl(base, body) {
  const quoted = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  const heads = '-H "Authorization: Bearer $MOONSHOT_API_KEY" \\\n  -H "Content-Type: application/json"';
  return `curl -N ${base}/chat/completions \\\n  ${heads} \\\n  -d '${quoted}'`;
}

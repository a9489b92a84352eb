// The playground's modules without a page: frames, answers, requests and text. Run by `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Api, Failure, payloads } from "../../src/moonbase/web/api.js";
import { blocks, spans } from "../../src/moonbase/web/text.js";
import { Answer, asCurl, requestBody, turn } from "../../src/moonbase/web/turns.js";

const BOTH = { id: "kimi-k2.6", supports_thinking_type: "both" };
const DATE = { type: "function", function: { name: "date", parameters: { type: "object", properties: {} } } };

function streamOf(...pieces) {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

async function all(generator) {
  const found = [];
  for await (const each of generator) found.push(each);
  return found;
}

function frame(delta, rest = {}) {
  return `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null, ...rest }] })}\n\n`;
}

/** `fetch` that answers each request to chat with the next of `streams`, and runs every tool. */
function serving(...streams) {
  const asked = [];
  const send = async (url, given) => {
    asked.push([new URL(url).pathname, given.body && JSON.parse(given.body)]);
    if (url.endsWith("/fibers")) return Response.json({ status: "succeeded", context: { output: "Monday" } });
    return new Response(streams.shift());
  };
  return { api: new Api("http://here/v1", "key", send), asked };
}

test("frames come whole, wherever the bytes are cut", async () => {
  const bytes = new TextEncoder().encode('data: {"text":"moon 🌙"}\r\n\r\n: a comment\n\ndata: [DONE]\n\n');
  const wanted = ['{"text":"moon 🌙"}', "[DONE]"];
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    assert.deepEqual(await all(payloads(streamOf(bytes.slice(0, cut), bytes.slice(cut)))), wanted);
  }
});

test("a stream without its end is a failure", async () => {
  const { api } = serving(frame({ content: "half" }));
  await assert.rejects(all(api.frames({})), /broke off/);
});

test("a stream that is torn is a failure in words", async () => {
  const torn = new ReadableStream({
    pull(controller) {
      controller.error(new TypeError("network error"));
    },
  });
  await assert.rejects(all(payloads(torn)), /broke off/);
});

test("a key that no header can carry is told of, and not sent", async () => {
  const api = new Api("http://here/v1", "sk-“one”", () => assert.fail("sent"));
  await assert.rejects(api.models(), /API key/);
});

test("an answer is put together, its thinking and calls too", () => {
  const answer = new Answer();
  const deltas = [
    { role: "assistant", content: "" },
    { reasoning_content: "Two " },
    { reasoning_content: "calls." },
    { tool_calls: [{ index: 0, id: "date:0", type: "function", function: { name: "date", arguments: "" } }] },
    { tool_calls: [{ index: 1, id: "date:1", type: "function", function: { name: "date", arguments: "{" } }] },
    { tool_calls: [{ index: 0, function: { arguments: "{}" } }] },
    { tool_calls: [{ index: 1, function: { arguments: "}" } }] },
  ];
  const kinds = deltas.flatMap((delta) => answer.add({ choices: [{ delta }] })).map(({ kind }) => kind);
  answer.add({ choices: [{ delta: {}, finish_reason: "tool_calls", usage: { prompt_tokens: 9 } }] });
  assert.deepEqual(kinds, ["thinking", "thinking", "call", "call", "arguments", "arguments"]);
  assert.equal(answer.message.reasoning_content, "Two calls.");
  assert.deepEqual(answer.message.tool_calls.map((call) => [call.id, call.function.arguments]), [
    ["date:0", "{}"],
    ["date:1", "{}"],
  ]);
  assert.deepEqual([answer.finish, answer.usage.prompt_tokens], ["tool_calls", 9]);
});

test("a turn runs tools and keeps the thinking for what follows", async () => {
  const call = { index: 0, id: "date:0", function: { name: "date", arguments: "{}" } };
  const { api, asked } = serving(
    `${frame({ reasoning_content: "I ask." })}${frame({ tool_calls: [call] })}${frame({}, { finish_reason: "tool_calls" })}data: [DONE]\n\n`,
    `${frame({ content: "Monday." })}${frame({}, { finish_reason: "stop" })}data: [DONE]\n\n`,
  );
  const messages = [{ role: "user", content: "Which day?" }];
  const tools = new Map([["date", { uri: "moonshot/date:latest", tool: DATE }]]);
  const events = await all(turn(api, BOTH, messages, { thinking: true, tools }));
  assert.deepEqual(asked.map(([path]) => path), [
    "/v1/chat/completions",
    "/v1/formulas/moonshot/date:latest/fibers",
    "/v1/chat/completions",
  ]);
  assert.equal(asked[2][1].messages[1].reasoning_content, "I ask.");
  assert.deepEqual(messages.map(({ role }) => role), ["user", "assistant", "tool", "assistant"]);
  assert.equal(events.find(({ kind }) => kind === "result").text, "Monday");
});

test("the user writes what a tool of their own gives back", async () => {
  const call = { index: 0, id: "date:0", function: { name: "date", arguments: "{}" } };
  const { api, asked } = serving(
    `${frame({ tool_calls: [call] })}${frame({}, { finish_reason: "tool_calls" })}data: [DONE]\n\n`,
    `${frame({ content: "So be it." })}${frame({}, { finish_reason: "stop" })}data: [DONE]\n\n`,
  );
  const messages = [{ role: "user", content: "Which day?" }];
  const typed = async ({ function: { name } }) => `${name}, typed`;
  await all(turn(api, BOTH, messages, { tools: new Map([["date", { tool: DATE }]]) }, null, typed));
  assert.deepEqual(asked.map(([path]) => path), ["/v1/chat/completions", "/v1/chat/completions"]);
  assert.deepEqual([asked[0][1].tools, messages[2].content], [[DATE], "date, typed"]);
});

test("what fails in the middle leaves the conversation as it was", async () => {
  const broken = { error: { message: "no more", type: "server_error" } };
  const { api } = serving(`${frame({ content: "half" })}data: ${JSON.stringify(broken)}\n\n`);
  const messages = [{ role: "user", content: "x" }];
  await assert.rejects(all(turn(api, BOTH, messages, {})), new Failure("no more", { type: "server_error" }));
  assert.equal(messages.length, 1);
});

test("a refusal is told in the server's words", async () => {
  const told = { error: { message: "Incorrect API key provided", type: "incorrect_api_key_error" } };
  const api = new Api("http://here/v1", "", async () => Response.json(told, { status: 401 }));
  await assert.rejects(api.models(), new Failure("Incorrect API key provided", { status: 401, type: "incorrect_api_key_error" }));
  const proxy = new Api("http://here/v1", "", async () => new Response("<html>", { status: 502 }));
  await assert.rejects(proxy.models(), /status 502/);
});

test("requests say what the model's entry allows", () => {
  const settings = { thinking: false, effort: "low", maxTokens: 9, system: "Be brief.", extra: { temperature: 1 } };
  const body = requestBody(BOTH, [{ role: "user", content: "x" }], settings);
  assert.deepEqual([body.thinking, body.reasoning_effort, body.max_tokens], [{ type: "disabled" }, undefined, 9]);
  assert.deepEqual([body.messages[0].content, body.temperature, body.tools], ["Be brief.", 1, undefined]);
  const only = { id: "kimi-k3", supports_thinking_type: "only", think_efforts: { valid_efforts: ["low"] } };
  const other = requestBody(only, [], settings);
  assert.deepEqual([other.thinking, other.reasoning_effort], [undefined, "low"]);
});

test("a command for the terminal is quoted, and has no key", () => {
  const command = asCurl("http://here/v1", { text: "it's" });
  assert.match(command, /\$MOONSHOT_API_KEY/);
  assert.match(command, /it'\\''s/);
});

test("text is blocks and never HTML", () => {
  const kinds = blocks("# One\ntwo **three**\n- four\n- five\n\n```js\n<b>6</b>\n# no heading\n```\n1. seven\n~~~\nopen").map(({ kind }) => kind);
  assert.deepEqual(kinds, ["heading", "paragraph", "list", "code", "list", "code"]);
  assert.equal(blocks("```\n<b>6</b>\n```")[0].text, "<b>6</b>");
  assert.deepEqual(spans("a `b` [c](https://d.example) [e](javascript:f)").map(({ kind, text }) => [kind, text]), [
    ["text", "a "],
    ["code", "b"],
    ["text", " "],
    ["link", "c"],
    ["text", " [e](javascript:f)"],
  ]);
  assert.deepEqual(spans("a *b* 2*3*4").map(({ kind }) => kind), ["text", "em", "text"]);
  assert.deepEqual(blocks(""), []);
});

test("lists keep their numbers, whatever stands in their items", () => {
  const [list, after] = blocks("3. three\n   - a\n   - b\n\n   ```\n   code\n   ```\n\n4. four\nafter");
  assert.deepEqual([list.ordered, list.start, list.items.length, after.kind], [true, 3, 2, "paragraph"]);
  assert.deepEqual(list.items[0].map(({ kind }) => kind), ["paragraph", "list", "code"]);
  assert.deepEqual([list.items[0][1].items.length, list.items[0][2].text], [2, "code"]);
  const two = blocks("1. one\n\n- other\n* * *");
  assert.deepEqual(two.map(({ kind, ordered }) => [kind, ordered]), [["list", true], ["list", false]]);
});

test("tables, quotes and rules", () => {
  const [table, text] = blocks("| a | b |\n|:--|--:|\n| `1` | 2 |\n\nx | y");
  assert.deepEqual(table.rows.map((row) => row.map(([{ kind, text }]) => [kind, text])), [
    [["text", "a"], ["text", "b"]],
    [["code", "1"], ["text", "2"]],
  ]);
  assert.equal(text.kind, "paragraph");
  const kinds = blocks("> - quoted\n> more\n---\ntext\n***").map(({ kind }) => kind);
  assert.deepEqual(kinds, ["quote", "rule", "paragraph", "rule"]);
});

test("a model that runs in circles stops no page", () => {
  for (const part of ["- ", "> ", "[", "**", "*a ", "| ", "1. ", "`", "\n- ", "\n> > - ", "\n|-|", "\n```\n", "[a](http://"]) {
    assert.ok(Array.isArray(blocks(part.repeat(20_000))));
  }
});

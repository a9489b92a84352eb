// The platform's API as the page uses it: public endpoints only, and nothing of the page.

/** What went wrong, in the server's words where it said any. `status` is 0 where no answer came. */
export class Failure extends Error {
  constructor(message, { status = 0, type = "" } = {}) {
    super(message);
    this.name = "Failure";
    this.status = status;
    this.type = type;
  }
}

/** For a stream that ends before its end, whether the connection was closed or torn. */
const BROKEN = "the answer broke off: the connection ended before [DONE]";

export class Api {
  /** `base` is the address up to and with `/v1`; `send` is `fetch`, for tests. */
  constructor(base, key, send = (...given) => fetch(...given)) {
    this.base = base;
    this.key = key;
    this.send = send;
  }

  async models() {
    return (await this.#json("/models")).data;
  }

  /** The formulas that the server has, each with its `tools`. */
  async formulas() {
    return (await this.#json("/formulas")).data;
  }

  async balance() {
    return (await this.#json("/users/me/balance")).data.available_balance;
  }

  /** The text that a tool gives back; a failure is told to the model in words, as the platform's examples do. */
  async call(uri, name, text, signal) {
    const fiber = await this.#json(`/formulas/${uri}/fibers`, { name, arguments: text }, signal);
    const context = fiber.context ?? {};
    if (fiber.status === "succeeded") return context.output ?? context.encrypted_output ?? "";
    return `Error: ${fiber.error ?? context.error ?? "the tool failed"}`;
  }

  /** The frames of a streamed answer, as text: what stands behind each `data: `, without the last, `[DONE]`. */
  async *frames(body, signal) {
    const answer = await this.#ask("/chat/completions", body, signal);
    let done = false;
    for await (const frame of payloads(answer.body)) {
      done = frame === "[DONE]";
      if (!done) yield frame;
    }
    if (!done) throw new Failure(BROKEN);
  }

  async #json(path, body, signal) {
    return (await this.#ask(path, body, signal)).json();
  }

  async #ask(path, body, signal) {
    if (/[^ -~]/.test(this.key)) throw new Failure("the API key holds a sign that no key has; copy it again");
    const headers = { Authorization: `Bearer ${this.key}` };
    const given = { headers, signal };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      Object.assign(given, { method: "POST", body: JSON.stringify(body) });
    }
    let answer;
    try {
      answer = await this.send(this.base + path, given);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure("the server does not answer; is it running?");
    }
    if (answer.ok) return answer;
    throw await refusal(answer);
  }
}

async function refusal(answer) {
  const said = await answer.text();
  let told = {};
  try {
    told = JSON.parse(said).error ?? {};
  } catch {
    // Not the platform's envelope: a proxy's page, perhaps.
  }
  const message = told.message ?? `the server answered with the status ${answer.status}`;
  return new Failure(message, { status: answer.status, type: told.type ?? "" });
}

function brokenOff(error) {
  throw error.name === "AbortError" ? error : new Failure(BROKEN);
}

/** What stands behind `data: ` in each frame of a stream of bytes (contract.md 2.1). */
export async function* payloads(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read().catch(brokenOff);
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop();
      for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6).trimEnd();
      if (done) return;
    }
  } finally {
    // Who stops reading lets the server stop too.
    await reader.cancel().catch(() => {});
  }
}

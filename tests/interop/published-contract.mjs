// Calls every method of a gateway, plays turns with a tool call and a subagent, pairs a newcomer, and
// checks each frame that comes against the published schema:
// `node published-contract.mjs PROTOCOL_PACKAGE AJV_PACKAGE`. Prints one JSON object.
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { PublishedSchema } from "./published_schema.mjs";

const { GATEWAY_URL: url, GATEWAY_TOKEN: token, NEWCOMER_TOKEN: sharedToken } = process.env;
const schema = new PublishedSchema(process.argv[2], process.argv[3]);
const report = { frames: 0, events: {}, invalid: [], unnumbered: [], early: [], failed: {}, notCalled: [] };
const called = new Set(["connect"]);

/** One connection, with everything that came on it. */
class Connection {
  #socket = new WebSocket(url);
  #methods = new Map();
  #frames = [];
  #waiting = [];
  #number = 0;

  constructor() {
    this.#socket.onmessage = ({ data }) => this.#received(JSON.parse(data));
    this.#socket.onerror = () => fail("the WebSocket was not opened");
  }

  /** The first frame that fits, also one that came before; `undefined` when none comes. */
  frame(fits, patience = 20_000) {
    const found = this.#frames.find(fits);
    if (found) return Promise.resolve(found);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patience);
      const take = (frame) => (clearTimeout(timer), resolve(frame));
      this.#waiting.push({ fits, take });
    });
  }

  event(name, fits = () => true) {
    return this.frame((frame) => frame.event === name && fits(frame.payload));
  }

  send(method, params = {}) {
    const id = `${this.#methods.size + 1}`;
    this.#methods.set(id, method);
    this.#socket.send(JSON.stringify({ type: "req", id, method, params }));
    return id;
  }

  /** The answer to a request; the last one of a method that answers twice. */
  async answer(id, isLast = () => true) {
    const method = this.#methods.get(id);
    const frame = await this.frame((frame) => frame.id === id && (!frame.ok || isLast(frame.payload)));
    if (!frame) fail(`${method} was not answered`);
    if (frame.ok) called.add(method);
    else report.failed[method] = frame.error.message;
    return frame;
  }

  call(method, params, isLast) {
    return this.answer(this.send(method, params), isLast);
  }

  async connect(params, device) {
    const challenge = await this.event("connect.challenge");
    const { nonce } = challenge.payload;
    return this.call("connect", device ? { ...params, device: device(params, nonce) } : params);
  }

  close() {
    this.#socket.close();
  }

  #received(frame) {
    this.#frames.push(frame);
    report.frames += 1;
    const method = this.#methods.get(frame.id);
    for (const problem of schema.problems(frame, method)) {
      report.invalid.push({ of: frame.event ?? method, problem });
    }
    if (frame.type === "event") this.#event(frame);
    else this.#answer(frame, method);
    for (const { take } of this.#waiting.filter(({ fits }) => fits(frame))) take(frame);
    this.#waiting = this.#waiting.filter(({ fits }) => !fits(frame));
  }

  #event({ event, seq }) {
    report.events[event] = (report.events[event] ?? 0) + 1;
    const expected = event === "connect.challenge" ? undefined : ++this.#number;
    if (seq !== expected) report.unnumbered.push({ event, seq, expected });
  }

  /** What says that a run has ended comes after the run's last events. */
  #answer({ ok, payload }, method) {
    if (!ok || !["agent", "agent.wait"].includes(method) || payload.status !== "ok") return;
    const isOf = ({ payload: { runId } = {} }) => runId === payload.runId;
    const ends = this.#frames.filter((frame) => frame.type === "event" && isOf(frame));
    const chat = ends.some(({ event, payload }) => event === "chat" && payload.state === "final");
    const agent = ends.some(({ event, payload }) => event === "agent" && payload.data.phase === "end");
    if (!chat || !agent) report.early.push({ method, run: payload.runId, chat, agent });
  }
}

function fail(why) {
  console.error(why);
  process.exit(1);
}

const connectParams = (scopes, token, displayName) => ({
  minProtocol: 4,
  maxProtocol: 4,
  client: { id: "cli", version: "1.0.0", platform: "linux", mode: "cli", displayName },
  caps: ["tool-events"],
  role: "operator",
  scopes,
  auth: { token },
});

/** A device of its own key, as a function that signs a challenge. */
function newDevice() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key = Buffer.from(publicKey.export({ format: "jwk" }).x, "base64url");
  const id = createHash("sha256").update(key).digest("hex");
  const prove = ({ client, role, scopes, auth }, nonce) => {
    const signedAt = Date.now();
    const fields = ["v3", id, client.id, client.mode, role, scopes.join(","), signedAt, auth.token, nonce, "linux", ""];
    const signature = sign(null, Buffer.from(fields.join("|")), privateKey).toString("base64url");
    return { id, publicKey: key.toString("base64url"), signature, signedAt, nonce };
  };
  return { id, prove };
}

/** Methods that need nothing, or nothing but these parameters. */
const PLAIN = {
  "agent.identity.get": {},
  "agents.list": {},
  "channels.status": {},
  "chat.message.get": { sessionKey: "agent:main:main", messageId: "nothing" },
  "chat.metadata": {},
  "chat.startup": { sessionKey: "agent:main:main" },
  "commands.list": {},
  "config.get": {},
  "cron.list": {},
  "cron.runs": {},
  "cron.status": {},
  "device.pair.list": {},
  "exec.approval.list": {},
  "exec.approvals.get": {},
  health: {},
  "last-heartbeat": {},
  "logs.tail": { limit: 5 },
  "models.authStatus": {},
  "models.list": {},
  "node.list": {},
  "node.pair.list": {},
  "openclaw.approval.list": {},
  "plugin.approval.list": {},
  "plugins.list": {},
  "progressCard.get": { sessionKey: "agent:main:main" },
  "question.list": {},
  "sessions.abort": { key: "agent:main:main" },
  "sessions.branches.list": { sessionKey: "agent:main:main" },
  "sessions.companion.state": { sessionKey: "agent:main:main" },
  "sessions.create": { key: "made-for-the-contract", label: "Made" },
  "sessions.get": { key: "agent:main:main" },
  "sessions.list": { includeLastMessage: true, includeDerivedTitles: true },
  "sessions.observer.visibility": { visible: true },
  "sessions.resolve": { key: "agent:main:main" },
  "skills.status": {},
  status: {},
  "system-event": { text: "a note" },
  "system-presence": {},
  "taskSuggestions.list": {},
  "tasks.list": {},
  "tools.catalog": {},
  "update.status": {},
  "usage.status": {},
};

const MAIN = "agent:main:main";
const OTHER = "agent:main:contract";
const gateway = new Connection();
const wanted = ["admin", "read", "write", "approvals", "pairing"].map((scope) => `operator.${scope}`);
const hello = await gateway.connect(connectParams(wanted, token));
if (!hello.ok) fail(`connect was refused: ${hello.error.message}`);

await gateway.call("sessions.subscribe");
await gateway.call("sessions.messages.subscribe", { key: OTHER });
await turns();
for (const [method, params] of Object.entries(PLAIN)) await gateway.call(method, params);
await sessions();
await approvals();
await newcomers();
await gateway.call("sessions.messages.unsubscribe", { key: OTHER });
gateway.close();

report.notCalled = hello.payload.features.methods.filter((method) => !called.has(method));
console.log(JSON.stringify(report));
process.exit(0);

async function turns() {
  const turn = async (runId, message, sessionKey = MAIN) => {
    await gateway.call("chat.send", { sessionKey, message, idempotencyKey: runId });
    return gateway.send("agent.wait", { runId });
  };
  await gateway.answer(await turn("plain", "please repeat marmalade"));

  const waits = await turn("with-tool", "/run echo from-a-tool");
  const asked = await gateway.event("exec.approval.requested");
  await gateway.call("exec.approval.list");
  await gateway.call("exec.approval.resolve", { id: asked.payload.id, decision: "allow-once" });
  await gateway.answer(waits);

  await gateway.answer(await turn("with-subagent", "/spawn part: say done"));
  const isOfChild = ({ state, spawnedBy }) => state === "final" && spawnedBy === MAIN;
  if (!(await gateway.event("chat", isOfChild))) fail("the subagent did not end");

  const params = { message: "please repeat ginger", sessionKey: OTHER, idempotencyKey: "of-agent" };
  await gateway.call("agent", params, ({ status }) => status === "ok");

  const held = await turn("to-abort", "/run echo never", OTHER);
  await gateway.event("exec.approval.requested", ({ id }) => id !== asked.payload.id);
  await gateway.call("chat.abort", { sessionKey: OTHER, runId: "to-abort" });
  await gateway.answer(held);
}

async function sessions() {
  await gateway.call("chat.history", { sessionKey: MAIN, limit: 20 });
  await gateway.call("sessions.describe", { key: MAIN });
  await gateway.call("sessions.preview", { keys: [MAIN, OTHER] });
  await gateway.call("sessions.patch", { key: OTHER, label: "Contract" });
  await gateway.call("sessions.reset", { key: OTHER });
  await gateway.call("sessions.delete", { key: OTHER });
}

async function approvals() {
  const params = { command: "make all", timeoutMs: 60_000, twoPhase: true };
  const request = gateway.send("exec.approval.request", params);
  const accepted = await gateway.answer(request);
  const { id } = accepted.payload;
  const wait = gateway.send("exec.approval.waitDecision", { id });
  await gateway.call("exec.approval.resolve", { id, decision: "deny" });
  await gateway.answer(wait);
}

async function newcomers() {
  const requestPairing = async (device, name) => {
    const newcomer = new Connection();
    const answer = await newcomer.connect(connectParams(["operator.read"], sharedToken, name), device.prove);
    return { newcomer, answer };
  };
  const requested = (device) => gateway.event("device.pair.requested", ({ deviceId }) => deviceId === device.id);

  const unwanted = newDevice();
  await requestPairing(unwanted, "Unwanted");
  const refused = await requested(unwanted);
  await gateway.call("device.pair.reject", { requestId: refused.payload.requestId });

  const wanted = newDevice();
  await requestPairing(wanted, "Kitchen laptop");
  const welcome = await requested(wanted);
  await gateway.call("device.pair.approve", { requestId: welcome.payload.requestId });
  const { newcomer, answer } = await requestPairing(wanted, "Kitchen laptop");
  if (!answer.ok) fail(`the newcomer was refused: ${answer.error.message}`);
  delete report.failed.connect;
  await newcomer.call("health");
  const deviceId = wanted.id;
  await gateway.call("device.pair.list");
  await gateway.call("device.pair.rename", { deviceId, label: "Kitchen" });
  await gateway.call("device.token.rotate", { deviceId, role: "operator" });
  // The token that it gets in the other's place.
  await requestPairing(wanted, "Kitchen laptop");
  await gateway.call("device.token.revoke", { deviceId, role: "operator" });
  await gateway.call("device.pair.remove", { deviceId });
}

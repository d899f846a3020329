// Checks frames against the schema that OpenClaw publishes (@openclaw/gateway-protocol).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** The definition of what a method answers. The package names no other results. */
const RESULTS = {
  "agent.identity.get": ["AgentIdentityResult", ""],
  "agents.list": ["AgentsListResult", ""],
  "channels.status": ["ChannelsStatusResult", ""],
  "chat.history": ["SessionRow", "sessionInfo"],
  "chat.message.get": ["ChatMessageGetResult", ""],
  "chat.startup": ["SessionRow", "sessionInfo"],
  "commands.list": ["CommandsListResult", ""],
  connect: ["HelloOk", ""],
  "cron.list": ["CronJob", "jobs.*"],
  "device.pair.list": ["DevicePairRequestedEvent", "pending.*"],
  "device.token.rotate": ["DeviceTokenRotateResult", ""],
  "exec.approvals.get": ["ExecApprovalsSnapshot", ""],
  health: ["HelloOk/properties/snapshot/properties/health", ""],
  "logs.tail": ["LogsTailResult", ""],
  "models.list": ["ModelsListResult", ""],
  "plugins.list": ["PluginsListResult", ""],
  "progressCard.get": ["ProgressCardGetResult", ""],
  "question.list": ["QuestionListResult", ""],
  "sessions.branches.list": ["SessionsBranchesListResult", ""],
  "sessions.companion.state": ["SessionsCompanionStateResult", ""],
  "sessions.create": ["SessionsCreateResult", ""],
  "sessions.delete": ["SessionsDeleteResult", ""],
  "sessions.describe": ["SessionRow", "session"],
  "sessions.list": ["SessionRow", "sessions.*"],
  "sessions.observer.visibility": ["SessionsObserverVisibilityResult", ""],
  "sessions.resolve": ["SessionsResolveResult", ""],
  "system-presence": ["PresenceEntry", "*"],
  "taskSuggestions.list": ["TaskSuggestionsListResult", ""],
  "tasks.list": ["TasksListResult", ""],
  "tools.catalog": ["ToolsCatalogResult", ""],
  "tools.effective": ["ToolsEffectiveResult", ""],
  "update.status": ["UpdateStatusResult", ""],
};

/** The definition of what an event carries. */
const EVENTS = {
  agent: ["AgentEvent", ""],
  "device.pair.requested": ["DevicePairRequestedEvent", ""],
  "device.pair.resolved": ["DevicePairResolvedEvent", ""],
  presence: ["PresenceEntry", "presence.*"],
  "session.message": ["SessionRow", "session"],
  "session.tool": ["AgentEvent", ""],
  "sessions.changed": ["SessionRow", "session"],
  shutdown: ["ShutdownEvent", ""],
  tick: ["TickEvent", ""],
};

const CHAT_STATES = {
  aborted: "ChatAbortedEvent",
  delta: "ChatDeltaEvent",
  error: "ChatErrorEvent",
  final: "ChatFinalEvent",
  status: "ChatStatusEvent",
};

/** Properties that the published schema does not know and that 2026.9.6 itself sends: all that is allowed
 * beyond it. */
const ALSO_SENT = {
  AgentEvent: ["agentId", "sessionId", "sessionKey"],
  HelloOk: ["auth.method"],
};

const at = (value, path) =>
  path === ""
    ? [value]
    : path.split(".").reduce((found, name) => found.flatMap((one) => parts(one, name)), [value]);

function parts(value, name) {
  if (value === null || typeof value !== "object") return [];
  if (name === "*") return Object.values(value);
  return name in value ? [value[name]] : [];
}

export class PublishedSchema {
  #ajv;
  #compiled = new Map();

  constructor(protocolPackage, ajvPackage) {
    const Ajv = createRequire(import.meta.url)(ajvPackage).default;
    this.#ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false });
    const text = readFileSync(join(protocolPackage, "protocol.schema.json"), "utf8");
    this.#ajv.addSchema(JSON.parse(text), "protocol");
  }

  /** What is wrong with a frame, if anything; `method` is what an answer answers. */
  problems(frame, method) {
    const problems = this.#fits(frame.type === "event" ? "EventFrame" : "ResponseFrame", frame);
    if (frame.type === "res" && !frame.ok) return [...problems, ...this.#fits("ErrorShape", frame.error)];
    const [definition, path] = this.#definition(frame, method);
    const values = definition ? at(frame.payload, path).filter((value) => value !== null) : [];
    return [...problems, ...values.flatMap((value) => this.#fits(definition, value))];
  }

  #definition({ type, event, payload }, method) {
    if (event === "chat") return [CHAT_STATES[payload.state] ?? "ChatEvent", ""];
    return (type === "event" ? EVENTS[event] : RESULTS[method]) ?? [];
  }

  #fits(definition, value) {
    let validate = this.#compiled.get(definition);
    if (!validate) {
      validate = this.#ajv.compile({ $ref: `protocol#/definitions/${definition}` });
      this.#compiled.set(definition, validate);
    }
    const known = structuredClone(value);
    for (const path of ALSO_SENT[definition] ?? []) {
      const names = path.split(".");
      const name = names.pop();
      for (const holder of at(known, names.join("."))) delete holder[name];
    }
    if (validate(known)) return [];
    return validate.errors.map(({ instancePath, message, params }) =>
      [definition, instancePath, message, JSON.stringify(params)].filter(Boolean).join(" "),
    );
  }
}

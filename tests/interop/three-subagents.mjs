// Starts aimock, a model server, with the rules of a conversation in which three subagents are
// started and answered from: `node three-subagents.mjs PATH_OF_AIMOCK PORT`.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [package_, port] = process.argv.slice(2);
const { LLMock } = await import(pathToFileURL(join(package_, "dist", "index.js")).href);

const parts = ["alpha", "beta", "gamma"];

function texts(request) {
  return request.messages
    .filter((message) => message.role !== "assistant")
    .map(({ content }) =>
      typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("\n"),
    );
}

const hasAllResults = (request) =>
  parts.every((part) => texts(request).some((text) => text.includes(`result-of-${part}`)));

const model = new LLMock({ port: Number(port) });
model.addFixture({
  match: { predicate: hasAllResults },
  response: { content: `All three are done: ${parts.map((part) => `result-of-${part}`).join(", ")}.` },
});
for (const part of parts) {
  model.addFixture({
    match: { userMessage: `do part ${part}`, hasToolResult: false },
    response: { content: `result-of-${part}` },
  });
}
model.addFixture({
  match: { userMessage: "three subagents", hasToolResult: false },
  response: {
    toolCalls: parts.map((part) => ({
      name: "sessions_spawn",
      arguments: JSON.stringify({ task: `do part ${part}`, label: part }),
    })),
  },
});
model.addFixture({
  match: { toolResultContains: "childSessionKey" },
  response: { content: "Three subagents are at work." },
});
model.addFixture({ match: { userMessage: "" }, response: { content: "ok" } });

await model.start();
console.log(`listening on ${model.url}`);

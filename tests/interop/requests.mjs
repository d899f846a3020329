// Connects with the token of a program, sends the requests of a file one after another, and prints their first
// answers, in order, as one JSON list. The first of them is the answer to `connect`.
import { readFileSync } from "node:fs";

const requests = JSON.parse(readFileSync(process.argv[2], "utf8"));
const socket = new WebSocket(process.env.GATEWAY_URL);
const answers = [];

const client = { id: "cli", version: "1.0.0", platform: process.platform, mode: "cli" };
requests.unshift({
  method: "connect",
  params: {
    minProtocol: 4,
    maxProtocol: 4,
    client,
    caps: [],
    role: "operator",
    scopes: ["operator.admin", "operator.pairing", "operator.approvals", "operator.questions"],
    auth: { token: process.env.GATEWAY_TOKEN },
  },
});

function next() {
  const request = requests[answers.length];
  if (request) return socket.send(JSON.stringify({ type: "req", id: String(answers.length), ...request }));
  console.log(JSON.stringify(answers));
  socket.close();
}

socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.event === "connect.challenge") {
    next();
  } else if (frame.type === "res" && frame.id === String(answers.length)) {
    answers.push(frame);
    next();
  }
};
socket.onclose = () => {
  if (answers.length < requests.length) {
    console.error(`the gateway closed after ${answers.length} of ${requests.length} answers`);
    process.exit(1);
  }
};

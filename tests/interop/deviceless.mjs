// Connects without a device, as OpenClaw's newest command line does on this computer, and prints the
// gateway's answer.
const socket = new WebSocket(process.env.GATEWAY_URL);

socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.event === "connect.challenge") {
    const client = { id: "cli", version: "1.0.0", platform: process.platform, mode: "cli" };
    const params = {
      minProtocol: 4,
      maxProtocol: 4,
      client,
      caps: [],
      role: "operator",
      scopes: ["operator.read"],
      auth: { token: process.env.GATEWAY_TOKEN },
    };
    socket.send(JSON.stringify({ type: "req", id: "1", method: "connect", params }));
  } else if (frame.id === "1") {
    console.log(JSON.stringify(frame));
    socket.close();
  }
};
socket.onerror = () => {
  console.error("the WebSocket was not opened: Node's own client did not accept the answer to its upgrade");
  process.exit(1);
};

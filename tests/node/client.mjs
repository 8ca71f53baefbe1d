// Drives socket.io-client for the tests: commands come as JSON lines on stdin, what happens goes out
// as JSON lines on stdout. A command: {"id", "socket", "do": "open" | "call" | "close", ...}.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const CALL_TIMEOUT_MS = 5000;
const sockets = new Map();

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

function open({ socket: name, url, options }) {
  const socket = io(url, { forceNew: true, ...options });
  sockets.set(name, socket);
  socket.on("connect", () => {
    say({ socket: name, what: "connect", args: [socket.id] });
  });
  socket.io.engine.on("upgrade", (transport) => {
    say({ socket: name, what: "upgrade", args: [transport.name] });
  });
  socket.on("connect_error", (error) => {
    say({ socket: name, what: "connect_error", args: [error.message, error.data ?? null] });
  });
  socket.on("disconnect", (reason) => say({ socket: name, what: "disconnect", args: [reason] }));
  socket.onAny((event, ...args) => say({ socket: name, what: "event", args: [event, ...args] }));
}

async function call({ id, socket, event, args }) {
  let answer;
  try {
    answer = await sockets.get(socket).timeout(CALL_TIMEOUT_MS).emitWithAck(event, ...args);
  } catch (error) {
    answer = { failed: error.message };
  }
  say({ id, answer });
}

const commands = { open, call, close: ({ socket }) => sockets.get(socket).close() };
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
lines.on("close", () => sockets.forEach((socket) => socket.close()));

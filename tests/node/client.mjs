// Drives socket.io-client for the tests: commands come as JSON lines on stdin, what happens goes out
// as JSON lines on stdout. A command: {"id", "socket", "do", ...}, with one of the commands below.
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
    say({ socket: name, what: "connect", args: [socket.id, socket.recovered] });
  });
  socket.io.engine.on("upgrade", (transport) => {
    say({ socket: name, what: "upgrade", args: [transport.name] });
  });
  socket.on("connect_error", (error) => {
    // What a request was answered that was refused as a request; without an answer the status is 0.
    const request = error.context;
    if (request?.status) say({ socket: name, what: "refusal", args: [JSON.parse(request.responseText)] });
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

// Ends the connection beneath the socket, which then comes back by itself.
function drop({ socket: name }) {
  sockets.get(name).io.engine.close();
}

// Says goodbye, and comes back when it is told to.
const disconnect = ({ socket }) => sockets.get(socket).disconnect();
const connect = ({ socket }) => sockets.get(socket).connect();

const commands = { open, call, drop, disconnect, connect, close: ({ socket }) => sockets.get(socket).close() };
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
});
lines.on("close", () => sockets.forEach((socket) => socket.close()));

// Publish to Herald from Node 18 or newer, with nothing to install.
// HERALD_URL=http://localhost:1055 HERALD_KEY=… node publish.mjs
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const TRIES = 6; // with the waits between them less than the 5 minutes that Herald knows a key of a call
const ANSWER_MS = 10_000;
const LONGEST_WAIT_MS = 30_000;
const AGAIN = [408, 409, 429, 500, 502, 503, 504]; // any other refusal would be the same once more

class Refused extends Error {}

// POSTs the body and returns the answer; what is sent several times is published once.
async function call(path, body) {
  const request = {
    method: "POST",
    headers: {
      Authorization: `Bearer ${process.env.HERALD_KEY}`,
      "Content-Type": "application/json",
      "Idempotency-Key": randomUUID(),
    },
    body: JSON.stringify(body),
  };
  for (let attempt = 1; ; attempt++) {
    let wait = 250 * 2 ** attempt * (0.5 + Math.random() / 2);
    try {
      const signal = AbortSignal.timeout(ANSWER_MS);
      const answer = await fetch(process.env.HERALD_URL + path, { ...request, signal });
      if (answer.ok) return await answer.json();
      const refusal = new Refused(await answer.text());
      if (!AGAIN.includes(answer.status)) throw refusal;
      if (attempt === TRIES) throw refusal;
      wait = Math.max(wait, 1000 * (Number(answer.headers.get("Retry-After")) || 0));
    } catch (error) {
      // Anything else: not reached, no answer, half an answer.
      if (error instanceof Refused || attempt === TRIES) throw error;
    }
    await sleep(Math.min(wait, LONGEST_WAIT_MS));
  }
}

try {
  const order = { event: "order.created", room: "orders", data: { orderId: "cfa3f520" } };
  console.log(JSON.stringify(await call("/events", order)));
  const paid = { event: "order.paid", room: "orders", data: { paymentId: "9b93e1a0" } };
  // An answer for each event, in order: an id, or an error.
  console.log(JSON.stringify(await call("/events/batch", { events: [order, paid] })));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

// @ts-check
/**
 * Herald's calls: in the name of the person who is signed in (`Session`), and in that of the app
 * that is looked at (`AppCalls`), by a key that lives in this page's memory alone.
 *
 * @typedef {{code: string, message: string, fields?: Record<string, unknown>}} Refusal
 */

/** A call that was refused, or that nobody answered; the message tells what to do. */
export class CallFailed extends Error {
  /** @param {number} status 0 where nobody answered @param {Refusal} refusal */
  constructor(status, refusal) {
    super(refusal.message);
    this.status = status;
    this.refusal = refusal;
  }

  /** The message, and what is wrong with which field. */
  get whole() {
    const fields = this.refusal.fields ? ` ${JSON.stringify(this.refusal.fields)}` : "";
    return this.message + fields;
  }
}

/** What is told of an error: all that is known of a call that failed.
 *
 * @param {unknown} error
 */
export function messageOf(error) {
  if (error instanceof CallFailed) return error.whole;
  return error instanceof Error ? error.message : String(error);
}

/**
 * @typedef {{status: number, body: any, ms: number}} Answer
 * @typedef {{method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} Options
 */

/**
 * Call, and return the answer whatever its status.
 *
 * @param {string} path @param {Options} options
 * @returns {Promise<Answer>}
 */
export async function call(path, { method = "GET", body, headers = {}, signal } = {}) {
  const given = { Accept: "application/json", ...headers };
  if (body !== undefined) Object.assign(given, { "Content-Type": "application/json" });
  const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  const begun = performance.now();
  let answer;
  try {
    answer = await fetch(path, { method, body: text, headers: given, signal, cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new CallFailed(0, { code: "unreachable", message: "Herald does not answer. Is it running?" });
  }
  const told = await answer.text();
  return { status: answer.status, body: parsed(told), ms: performance.now() - begun };
}

/** @param {Answer} answer */
function require(answer) {
  if (answer.status < 400) return answer.body;
  const refusal = answer.body?.error ?? { code: "unknown", message: `Herald answered ${answer.status}.` };
  throw new CallFailed(answer.status, refusal);
}

/** @param {string} text */
function parsed(text) {
  try {
    return text === "" ? null : JSON.parse(text, exactly);
  } catch {
    return null;
  }
}

/** Keep an integer that JavaScript would round, such as an id of 64 bits, as it is written.
 *
 * @param {string} _ @param {any} value @param {{source?: string}} [context] older browsers give none
 */
function exactly(_, value, context) {
  const isRounded = typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "");
  return isRounded ? /** @type {any} */ (JSON).rawJSON(context?.source) : value;
}

/**
 * Write a query string; what is empty is left out.
 *
 * @param {string} path @param {Record<string, string | number | null | undefined>} query
 */
export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/**
 * @typedef {{id: string, appName: string, appUrl: string, timeZone: string, createdAt: string}} App
 * @typedef {{user: {id: string, email: string, name: string}, csrfToken: string}} Profile
 */

/** The person who is signed in, by the cookie, which no script sees. */
export class Session {
  /** @param {Profile} profile */
  constructor(profile) {
    this.profile = profile;
  }

  /** Begin; goes to the sign-in where nobody is signed in. */
  static async open() {
    return new Session(await signedIn(await call("/auth/profile")));
  }

  /** @param {string} path @param {AbortSignal} [signal] */
  async get(path, signal) {
    return signedIn(await call(path, { signal }));
  }

  /** @param {string} path @param {unknown} body */
  async post(path, body) {
    const headers = { "X-CSRF-Token": this.profile.csrfToken };
    return signedIn(await call(path, { method: "POST", body, headers }));
  }

  /** Return their apps, oldest first.
   *
   * @returns {Promise<App[]>}
   */
  async apps() {
    return (await this.get("/auth/apps")).apps;
  }
}

/** @param {Answer} answer */
function signedIn(answer) {
  if (answer.status === 401) {
    location.assign("/auth/login");
    return new Promise(() => {}); // the page goes
  }
  return require(answer);
}

const RENEW_BEFORE_MS = 5 * 60_000;
const LEAST_MS = 60_000;

/** What is called with a key of one app: the page's own, good for an hour and renewed in time. */
export class AppCalls {
  /** @param {Session} session @param {App} app */
  constructor(session, app) {
    this.app = app;
    this.#session = session;
  }

  #session;
  /** @type {Promise<{apiKey: string, expiresAt: string}> | null} */
  #key = null;
  #renewAt = 0;

  /** Return a key that is good for the next minutes. */
  async key() {
    if (this.#key === null || Date.now() > this.#renewAt) {
      this.#renewAt = Date.now() + RENEW_BEFORE_MS; // until the answer says more
      this.#key = this.#session.post("/console/key", { appName: this.app.appName });
      this.#key.then(
        // One of the last minutes of a sign-in is no longer good than that.
        ({ expiresAt }) => (this.#renewAt = Math.max(Date.now() + LEAST_MS, Date.parse(expiresAt) - RENEW_BEFORE_MS)),
        () => (this.#key = null),
      );
    }
    return (await this.#key).apiKey;
  }

  /** Ask for another key with the next call: this one was refused. */
  forgetKey() {
    this.#key = null;
  }

  /** Call, and return the answer whatever its status. A key that is good no more is renewed once.
   *
   * @param {string} path @param {Options} [options]
   */
  async answer(path, options = {}) {
    const first = await this.#asked(path, options);
    if (first.status !== 401) return first;
    this.forgetKey();
    return this.#asked(path, options);
  }

  /** @param {string} path @param {AbortSignal} [signal] */
  async get(path, signal) {
    return require(await this.answer(path, { signal }));
  }

  /** @param {string} path */
  async delete(path) {
    return require(await this.answer(path, { method: "DELETE" }));
  }

  /** @param {string} path @param {Options} options */
  async #asked(path, options) {
    const headers = { ...options.headers, Authorization: `Bearer ${await this.key()}` };
    return call(path, { ...options, headers });
  }
}

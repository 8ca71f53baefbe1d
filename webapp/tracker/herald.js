// Herald's tracker: the views and events of a page become hits of POST /collect. See docs/tracker.md.
//
// <script defer src="https://herald.example.com/herald.js" data-key="…"></script>
//
// It is served without comments and indentation: so a comment has lines of its own, and no text
// goes over more than one line.
(function () {
  "use strict";

  // How many hits wait at most; of more the oldest are dropped.
  const MOST_WAITING = 500;
  // How many a call brings at most, and of how many characters: a browser sends 64 KiB when a page
  // is left, and a character has up to 3 bytes.
  const MOST_AT_ONCE = 50;
  const MOST_CHARACTERS = 20000;
  const LONGEST_ADDRESS = 8192;
  const LONGEST_TITLE = 500;
  // As many are sent at once; fewer wait for others to come.
  const ENOUGH = 20;
  const GATHER_MS = 1000;
  // An answer that has not come by then is not waited for.
  const ANSWER_MS = 15000;
  const FIRST_RETRY_MS = 1000;
  const LONGEST_RETRY_MS = 300000;
  // Retry-After is followed up to this.
  const LONGEST_PAUSE_MS = 3600000;
  // What an earlier page has left is sent until then.
  const OLDEST_MS = 7 * 24 * 3600000;
  // Routers tend to push an address and replace it at once, and to set the title last.
  const SETTLE_MS = 50;

  const SESSION = "herald.session";

  // An element of that id would be found there, too.
  if (window.herald && window.herald.track) return;
  const known = [document.currentScript, document.querySelector("script[data-key]")];
  const script = known.find((each) => each && each.hasAttribute("data-key"));
  const option = (name) => (script && script.getAttribute("data-" + name)) || "";
  const key = option("key");
  // Sites of one origin may have keys of different apps.
  const LEFT = "herald.left." + key.slice(-8);
  const host = option("host") || (script && script.src ? new URL(".", script.src).href : "");
  const target = host.replace(/\/+$/, "") + "/collect?key=" + encodeURIComponent(key);
  const unwanted =
    navigator.globalPrivacyControl === true || [navigator.doNotTrack, window.doNotTrack].includes("1");

  const counts = { sent: 0, beaconed: 0, rejected: 0, dropped: 0, retries: 0 };
  let waiting = [];
  // What is in a call that has no answer yet.
  let underWay = [];
  let atOnce = MOST_AT_ONCE;
  let failures = 0;
  let timer = 0;
  // By a clock that nobody sets.
  let pausedUntil = 0;
  let userId;
  let sessionId;
  let lastView = "";
  let isOver = unwanted || !key;
  let hasWarned = false;

  function warn(message) {
    if (!hasWarned) console.warn("herald.js: " + message);
    hasWarned = true;
  }

  // Also on pages without TLS, which have no crypto.randomUUID.
  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Where storage is blocked the first look at it throws: then nothing is kept.
  function attempt(what, otherwise) {
    try {
      return what();
    } catch {
      return otherwise;
    }
  }

  // An address without what the site wants nobody to have.
  function shown(address) {
    const url = attempt(() => new URL(address));
    if (!url) return "";
    if (option("hash") !== "true") url.hash = "";
    if (option("query") === "false") url.search = "";
    return url.href.slice(0, LONGEST_ADDRESS);
  }

  function bounded(hits) {
    const tooMany = Math.max(0, hits.length - MOST_WAITING);
    counts.dropped += tooMany;
    return hits.slice(tooMany);
  }

  function add(event, metadata, more) {
    if (isOver) return;
    const hit = {
      event,
      url: shown(location.href),
      timestamp: Date.now(),
      messageId: newId(),
      sessionId,
      userId,
      metadata,
      ...more,
    };
    if (JSON.stringify(hit).length > MOST_CHARACTERS) {
      counts.dropped += 1;
      warn("a hit may have " + MOST_CHARACTERS + " characters: send less metadata");
      return;
    }
    waiting = bounded(waiting.concat(hit));
    schedule();
  }

  // How many of the first hits one call may bring.
  function fitting(hits) {
    let characters = 0;
    const tooLong = hits.findIndex((hit, index) => {
      characters += JSON.stringify(hit).length + 1;
      return index && characters > MOST_CHARACTERS;
    });
    return Math.min(atOnce, tooLong < 0 ? hits.length : tooLong);
  }

  // By sentAt Herald puts a wrong clock right.
  const body = (hits) => JSON.stringify({ sentAt: Date.now(), batch: hits });

  function schedule() {
    const delay = waiting.length >= ENOUGH ? 0 : GATHER_MS;
    clearTimeout(timer);
    timer = setTimeout(send, Math.max(delay, pausedUntil - performance.now()));
  }

  function send() {
    if (isOver || underWay.length || !waiting.length) return;
    underWay = waiting.splice(0, fitting(waiting));
    const patience = new AbortController();
    const end = setTimeout(() => patience.abort(), ANSWER_MS);
    // A text and a key in the address need no preflight. keepalive: the page may go meanwhile.
    fetch(target, {
      method: "POST",
      body: body(underWay),
      credentials: "omit",
      keepalive: true,
      signal: patience.signal,
    })
      .then((answer) => answer.json().catch(() => ({})).then((said) => answered(answer, said)))
      .catch(() => retry(0))
      .then(() => clearTimeout(end));
  }

  function answered(answer, said) {
    const status = answer.status;
    if (status === 429 || status === 408 || status >= 500) {
      // A batch of more hits than a limit grants would never be taken.
      if (status === 429) atOnce = Math.ceil(underWay.length / 2);
      retry(1000 * answer.headers.get("Retry-After") || 0);
      return;
    }
    if (answer.ok) {
      const rejected = said.rejected || [];
      counts.sent += underWay.length - rejected.length;
      counts.rejected += rejected.length;
      if (rejected.length) warn("a hit was refused: " + JSON.stringify(rejected[0].error));
      atOnce = Math.min(MOST_AT_ONCE, atOnce * 2);
    } else {
      counts.dropped += underWay.length;
      warn("hits were refused with " + status + ": " + JSON.stringify(said.error));
      // A key that does not serve will not serve the next hits.
      isOver = status === 401 || status === 403;
    }
    underWay = [];
    failures = 0;
    schedule();
  }

  // The same hits go once more, by the same ids: what of them was taken counts once.
  function retry(pause) {
    const backoff = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures) / 2;
    const delay = Math.min(LONGEST_PAUSE_MS, Math.max(pause, backoff)) + Math.random() * backoff;
    failures += 1;
    counts.retries += 1;
    waiting = bounded(underWay.concat(waiting));
    underWay = [];
    pausedUntil = performance.now() + delay;
    schedule();
  }

  // The page may never run again. The browser sends what waits, also when the page is gone; what
  // Herald would not take just now, and what has no answer yet, is left to the next page.
  function leave() {
    if (isOver) return;
    view();
    if (!failures && navigator.onLine !== false) handOver();
    if (leaveBehind(underWay.concat(waiting))) waiting = [];
    else handOver();
  }

  function handOver() {
    while (waiting.length) {
      const hits = waiting.slice(0, fitting(waiting));
      if (!navigator.sendBeacon || !navigator.sendBeacon(target, body(hits))) return;
      counts.beaconed += hits.length;
      waiting = waiting.slice(hits.length);
    }
  }

  function leaveBehind(hits) {
    if (!hits.length) return true;
    return attempt(() => {
      const left = JSON.parse(localStorage.getItem(LEFT) || "[]");
      const ids = left.map((hit) => hit.messageId);
      const all = left.concat(hits.filter((hit) => !ids.includes(hit.messageId)));
      localStorage.setItem(LEFT, JSON.stringify(bounded(all)));
      return true;
    }, false);
  }

  // What pages before this one have left.
  function takeUp() {
    const left = attempt(() => {
      const text = localStorage.getItem(LEFT) || "[]";
      localStorage.removeItem(LEFT);
      return JSON.parse(text);
    }, []);
    const hits = left.filter((hit) => Date.now() - hit.timestamp < OLDEST_MS);
    counts.dropped += left.length - hits.length;
    waiting = bounded(hits.concat(waiting));
    if (waiting.length) schedule();
  }

  function page() {
    const referrer = lastView || shown(document.referrer);
    lastView = shown(location.href);
    const title = document.title.slice(0, LONGEST_TITLE);
    const screenSize = screen.width + "x" + screen.height;
    add("page_view", { title, language: navigator.language, screenSize }, { referrer });
  }

  // A page view, unless the address is that of the last one.
  function view() {
    if (option("auto") !== "false" && shown(location.href) !== lastView) page();
  }

  const viewSoon = () => setTimeout(view, SETTLE_MS);

  function watchAddress() {
    for (const name of ["pushState", "replaceState"]) {
      const original = history[name];
      history[name] = function (...args) {
        const result = original.apply(this, args);
        viewSoon();
        return result;
      };
    }
    addEventListener("popstate", viewSoon);
    addEventListener("hashchange", viewSoon);
  }

  function watchVisitor() {
    addEventListener("pagehide", leave);
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") leave();
      else takeUp();
    });
    addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      // Somebody has come back to a page that the browser had kept as it was.
      lastView = "";
      view();
    });
    addEventListener("online", () => {
      pausedUntil = 0;
      schedule();
    });
  }

  function start() {
    sessionId = attempt(() => sessionStorage.getItem(SESSION)) || newId();
    attempt(() => sessionStorage.setItem(SESSION, sessionId));
    takeUp();
    watchAddress();
    watchVisitor();
    view();
  }

  window.herald = {
    track: (event, metadata) => add(event, metadata),
    identify: (id) => {
      userId = id == null ? undefined : String(id);
    },
    page,
    flush: send,
    counts: () => ({ ...counts, waiting: waiting.length + underWay.length }),
    isOn: () => !isOver,
  };
  if (!key) warn("the script tag needs data-key: a key that may do nothing but collect");
  if (isOver) return;
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
})();

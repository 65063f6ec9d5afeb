/**
 * The connection to the server: requests, and the stream of updates.
 */

/** Milliseconds before reopening a stream that the browser has given up. */
const AGAIN = 3000;
/** The maximum number of batches to request of a run. */
const BATCHES = 5000;

/** Request JSON. If the token is no longer accepted, go to the login. */
async function ask(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (answer.status === 401) window.location.assign("/");
  if (!answer.ok) throw new Error(`${address} was answered with ${answer.status}`);
  return answer.json();
}

/** @returns {Promise<{now: number, runs: object[]}>} all runs, newest first */
export function fetchRuns() {
  return ask("/api/runs");
}

/**
 * @param {string} id of a run
 * @returns {Promise<{run: object, epochs: object[], batches: object[]}>} its summary and points
 */
export function fetchRun(id) {
  return ask(`/api/runs/${encodeURIComponent(id)}?batches=${BATCHES}`);
}

/** The stream of updates, reopened whenever it breaks. */
export class Connection {
  /**
   * @param {{opened: () => void, update: (message: object) => void, state: (live: boolean) => void}} listener
   */
  constructor(listener) {
    this.listener = listener;
    this.open();
    // Browsers have few connections per server, so a hidden page closes its own.
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  open() {
    this.close();
    const source = new EventSource("/api/events");
    this.source = source;
    source.addEventListener("open", () => {
      this.listener.state(true);
      this.listener.opened();
    });
    source.addEventListener("update", (event) => this.listener.update(JSON.parse(event.data)));
    source.addEventListener("error", () => this.broken(source));
  }

  close() {
    window.clearTimeout(this.timer);
    this.source?.close();
  }

  /** Handle an error. The browser retries by itself unless the answer was not a stream. */
  broken(source) {
    if (source.readyState === EventSource.CLOSED) this.again();
    else this.listener.state(false);
  }

  /** Reopen the stream after a delay. */
  again() {
    this.close();
    this.listener.state(false);
    this.timer = window.setTimeout(() => this.look(), AGAIN);
  }

  /** Find out why the stream was rejected with an ordinary request, because an EventSource does not tell. */
  async look() {
    try {
      await fetchRuns();
    } catch (error) {
      console.debug("the server cannot be asked yet:", error.message);
    }
    this.open();
  }
}

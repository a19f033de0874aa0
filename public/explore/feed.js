/**
 * Requests snapshots: at once, then every 15 seconds while the page is visible.
 *
 * After a failure the last snapshot stays, and the delay increases until the next success. The
 * user can retry at once.
 *
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").WindowName} WindowName
 * @typedef {{kind: "unreachable" | "refused" | "upstream", code: string}} Trouble `refused`: an unexpected
 *   response; `upstream`: the route responds, but its source of analytics does not.
 * @typedef {{onSnapshot: (snapshot: Snapshot) => void, onTrouble: (trouble: Trouble) => void}} Listener
 */
import { readSnapshot, record } from "./snapshot.js";

export const REFRESH_MS = 15_000;
const TIMEOUT_MS = 20_000;
const DELAY_MAX_MS = 120_000;

/** @param {WindowName} window */
export const sourceOf = (window) => `/api/explore/analytics?window=${window}&top=100`;

export class Feed {
	/** @param {Listener} listener */
	constructor(listener) {
		this.listener = listener;
		/** @type {WindowName} */
		this.window = "today";
		this.failures = 0;
		this.requestedAt = 0;
		this.timer = 0;
		/** @type {AbortController | null} */
		this.pending = null;
		document.addEventListener("visibilitychange", () => this.#onVisibilityChange());
	}

	/**
	 * Requests a window now and from now on.
	 *
	 * @param {WindowName} window
	 */
	follow(window) {
		this.window = window;
		this.failures = 0;
		this.request();
	}

	/** Requests a snapshot now; a pending request is aborted. */
	async request() {
		clearTimeout(this.timer);
		this.pending?.abort();
		const pending = new AbortController();
		this.pending = pending;
		this.requestedAt = Date.now();
		const found = await fetchSnapshot(this.window, pending.signal);
		if (pending.signal.aborted) {
			return;
		}
		this.pending = null;
		if ("kind" in found) {
			this.failures += 1;
			this.listener.onTrouble(found);
		} else {
			this.failures = 0;
			this.listener.onSnapshot(found);
		}
		this.#schedule(Math.min(REFRESH_MS * 2 ** this.failures, DELAY_MAX_MS));
	}

	/** @param {number} delay */
	#schedule(delay) {
		clearTimeout(this.timer);
		if (!document.hidden) {
			this.timer = setTimeout(() => this.request(), delay);
		}
	}

	#onVisibilityChange() {
		if (document.hidden) {
			clearTimeout(this.timer);
		} else if (!this.pending) {
			this.#schedule(Math.max(0, this.requestedAt + REFRESH_MS - Date.now()));
		}
	}
}

/**
 * @param {WindowName} window
 * @param {AbortSignal} signal
 * @returns {Promise<Snapshot | Trouble>}
 */
async function fetchSnapshot(window, signal) {
	try {
		const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
		const source = sourceOf(window);
		const response = await (takePrefetched(source) ??
			fetch(source, { signal: limited, headers: { accept: "application/json" } }));
		const body = record(await response.json().catch(() => null));
		if (body.ok === true && body.snapshot) {
			return readSnapshot(body.snapshot, window);
		}
		const code = typeof body.error === "string" ? body.error : `status ${response.status}`;
		return { kind: response.ok && body.ok === false ? "upstream" : "refused", code };
	} catch {
		return { kind: "unreachable", code: "no response" };
	}
}

/**
 * Returns the response that `early.js` requested, once and only for the same window.
 *
 * @param {string} source
 * @returns {Promise<Response> | null}
 */
function takePrefetched(source) {
	const page = /** @type {{prefetched?: {source: string, response: Promise<Response>}}} */ (globalThis);
	const prefetched = page.prefetched;
	delete page.prefetched;
	return prefetched?.source === source ? prefetched.response : null;
}

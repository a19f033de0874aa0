/**
 * Where the figures come from: asked for at once, then every 15 seconds while the page is seen.
 *
 * A failure leaves the last figures where they are; the next attempt comes later each time, or
 * when the reader asks for it.
 *
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").WindowName} WindowName
 * @typedef {{kind: "unreachable" | "refused" | "upstream", code: string}} Trouble `refused`: an answer of another
 *   kind; `upstream`: the route answers, but what it asks for figures does not.
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
		this.askedAt = 0;
		this.timer = 0;
		/** @type {AbortController | null} */
		this.asking = null;
		document.addEventListener("visibilitychange", () => this.#seen());
	}

	/**
	 * Asks for a window now, and goes on with that one.
	 *
	 * @param {WindowName} window
	 */
	follow(window) {
		this.window = window;
		this.failures = 0;
		this.ask();
	}

	/** Asks now; an answer that is still on its way is not waited for. */
	async ask() {
		clearTimeout(this.timer);
		this.asking?.abort();
		const asking = new AbortController();
		this.asking = asking;
		this.askedAt = Date.now();
		const found = await fetchSnapshot(this.window, asking.signal);
		if (asking.signal.aborted) {
			return;
		}
		this.asking = null;
		if ("kind" in found) {
			this.failures += 1;
			this.listener.onTrouble(found);
		} else {
			this.failures = 0;
			this.listener.onSnapshot(found);
		}
		this.#plan(Math.min(REFRESH_MS * 2 ** this.failures, DELAY_MAX_MS));
	}

	/** @param {number} delay */
	#plan(delay) {
		clearTimeout(this.timer);
		if (!document.hidden) {
			this.timer = setTimeout(() => this.ask(), delay);
		}
	}

	#seen() {
		if (document.hidden) {
			clearTimeout(this.timer);
		} else if (!this.asking) {
			this.#plan(Math.max(0, this.askedAt + REFRESH_MS - Date.now()));
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
		const response = await (askedEarly(source) ??
			fetch(source, { signal: limited, headers: { accept: "application/json" } }));
		const answer = record(await response.json().catch(() => null));
		if (answer.ok === true && answer.snapshot) {
			return readSnapshot(answer.snapshot, window);
		}
		const code = typeof answer.error === "string" ? answer.error : `status ${response.status}`;
		return { kind: response.ok && answer.ok === false ? "upstream" : "refused", code };
	} catch {
		return { kind: "unreachable", code: "no answer" };
	}
}

/**
 * Takes the answer that `early.js` asked for, once and only for the window that is wanted.
 *
 * @param {string} source
 * @returns {Promise<Response> | null}
 */
function askedEarly(source) {
	const page = /** @type {{asked?: {source: string, response: Promise<Response>}}} */ (globalThis);
	const asked = page.asked;
	delete page.asked;
	return asked?.source === source ? asked.response : null;
}

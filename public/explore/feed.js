/**
 * Requests figures: at once, then every 15 seconds while the page is visible.
 *
 * After a failure the last figures stay, and the delay increases until the next success. The
 * user can retry at once.
 *
 * @typedef {{kind: "unreachable" | "refused" | "upstream", code: string}} Trouble `refused`: an unexpected
 *   response; `upstream`: the route responds, but its source of analytics does not.
 */
import { record } from "./snapshot.js";

export const REFRESH_MS = 15_000;
const TIMEOUT_MS = 20_000;
const DELAY_MAX_MS = 120_000;

/** @template T */
export class Feed {
	/**
	 * @param {(body: Record<string, unknown>) => T | null} read Parses a response; `null` if it has no figures.
	 * @param {{onFigures: (figures: T) => void, onTrouble: (trouble: Trouble) => void}} listener
	 * @param {number} [refreshMs]
	 */
	constructor(read, listener, refreshMs = REFRESH_MS) {
		this.read = read;
		this.listener = listener;
		this.refreshMs = refreshMs;
		this.source = "";
		this.failures = 0;
		this.requestedAt = 0;
		this.timer = 0;
		/** @type {AbortController | null} */
		this.pending = null;
		document.addEventListener("visibilitychange", () => this.#onVisibilityChange());
	}

	/** @param {string} source Requests this address now and from now on. */
	follow(source) {
		this.source = source;
		this.failures = 0;
		this.request();
	}

	/** Requests figures now; a pending request is aborted. */
	async request() {
		clearTimeout(this.timer);
		this.pending?.abort();
		const pending = new AbortController();
		this.pending = pending;
		this.requestedAt = Date.now();
		const found = await this.#fetch(pending.signal);
		if (pending.signal.aborted) {
			return;
		}
		this.pending = null;
		if ("trouble" in found) {
			this.failures += 1;
			this.listener.onTrouble(found.trouble);
		} else {
			this.failures = 0;
			this.listener.onFigures(found.figures);
		}
		this.#schedule(Math.min(this.refreshMs * 2 ** this.failures, Math.max(DELAY_MAX_MS, this.refreshMs)));
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
		} else if (!this.pending && this.source) {
			this.#schedule(Math.max(0, this.requestedAt + this.refreshMs - Date.now()));
		}
	}

	/**
	 * @param {AbortSignal} signal
	 * @returns {Promise<{figures: T} | {trouble: Trouble}>}
	 */
	async #fetch(signal) {
		try {
			const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
			const response = await (takePrefetched(this.source) ??
				fetch(this.source, { signal: limited, headers: { accept: "application/json" } }));
			const body = record(await response.json().catch(() => null));
			const figures = body.ok === true ? this.read(body) : null;
			if (figures !== null) {
				return { figures };
			}
			const code = typeof body.error === "string" ? body.error : `status ${response.status}`;
			return { trouble: { kind: response.ok && body.ok === false ? "upstream" : "refused", code } };
		} catch {
			return { trouble: { kind: "unreachable", code: "no response" } };
		}
	}
}

/**
 * Returns the response that `early.js` requested, once and only for the same address.
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

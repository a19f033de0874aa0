/**
 * Writes what scripts do to a file: one trace of an invocation per line, as JSON.
 */
import { appendFile, mkdir, rename, stat } from "node:fs/promises";
import path from "node:path";

/** When the file has this size, it becomes `FILE.1`, and a new one begins. */
const MAX_BYTES = 4 * 1024 * 1024;

export class ScriptLog {
	/** @type {Promise<unknown>} */
	#last = Promise.resolve();

	/** @param {string} file Absolute path. */
	constructor(file) {
		this.file = file;
	}

	/**
	 * Appends traces; concurrent calls write one after another.
	 *
	 * @param {unknown[]} traces
	 */
	append(traces) {
		const text = traces.map((trace) => `${JSON.stringify(trace)}\n`).join("");
		const written = this.#last.then(() => this.#write(text));
		// A failed write must not prevent later ones; its own caller gets the error.
		this.#last = written.catch(() => {});
		return written;
	}

	async #write(/** @type {string} */ text) {
		const size = (await stat(this.file).catch(() => undefined))?.size ?? 0;
		if (size === 0) await mkdir(path.dirname(this.file), { recursive: true });
		if (size >= MAX_BYTES) await rename(this.file, `${this.file}.1`);
		await appendFile(this.file, text, { mode: 0o600 });
	}
}

/**
 * Records what wrangler passes to miniflare; loaded into wrangler with `node --import`.
 *
 * CLAWR_RECORDING is the file to write, CLAWR_STATE the run's state folder. The paths of the run
 * become the placeholders that `replay.mjs` replaces.
 */
import { renameSync, writeFileSync } from "node:fs";
import Module from "node:module";
import { serialize } from "node:v8";
import { FOLDER, STATE } from "./placeholders.mjs";

const { CLAWR_RECORDING: file, CLAWR_STATE: state } = process.env;
const WORKER = "clawr-dispatcher";
const { _load: load } = Module;

/** Copies what can be stored: functions and objects of classes are the session's own. */
function stored(value) {
	if (typeof value === "string") return value.replaceAll(process.cwd(), FOLDER).replaceAll(state, STATE);
	if (typeof value === "function") return undefined;
	if (typeof value !== "object" || value === null) return value;
	if (value instanceof Uint8Array) return new Uint8Array(value);
	if (Array.isArray(value)) return value.map(stored);
	if (![Object.prototype, null].includes(Object.getPrototypeOf(value))) return undefined;
	const entries = Object.entries(value).map(([name, one]) => [name, stored(one)]);
	return Object.fromEntries(entries.filter(([, one]) => one !== undefined));
}

Module._load = function loadRecorded(request, ...rest) {
	const found = load.call(this, request, ...rest);
	if (request !== "miniflare") return found;
	class Miniflare extends found.Miniflare {
		constructor(options) {
			super(options);
			// wrangler's other one is its proxy.
			if (options.workers.some(({ config }) => config.name === WORKER)) {
				writeFileSync(`${file}.new`, serialize(stored(options)));
				renameSync(`${file}.new`, file);
			}
		}
	}
	return new Proxy(found, { get: (target, name) => (name === "Miniflare" ? Miniflare : target[name]) });
};

/**
 * Forms that send a request to a free operation of an API and show its response as text.
 *
 * Requests stay below the API's own address, have no cookies, and go only where the page's policy
 * allows: to its own origin.
 *
 * @typedef {{name: string, place: "path" | "query" | "body", kind: string, is_required: boolean, example: string}} Parameter
 * @typedef {{
 *   name: string, method: string, prefix: string, path: string, isAnyPath: boolean, isFree: boolean,
 *   parameters: Parameter[], body: string | null, mediaType: string,
 * }} Operation
 */
import { make } from "./dom.js";
import { duration } from "./format.js";

const TIMEOUT_MS = 30_000;
/** What is shown of a response. */
const SHOWN_BYTES = 64_000;
const TEXT = /^(?:text\/|application\/(?:json|xml|javascript)|image\/svg|[\w.+-]+\/[\w.+-]+\+(?:json|xml)|$)/i;

/**
 * @param {Operation} operation
 * @returns {HTMLFormElement}
 */
export function tryForm(operation) {
	/** @type {Map<Parameter, HTMLInputElement>} */
	const inputs = new Map();
	const form = make("form", { class: "try", "aria-label": `Try ${operation.name}` });
	form.append(make("h3", {}, "Try it"));
	const path = operation.isAnyPath
		? make("input", { value: operation.path, spellcheck: "false", maxlength: 2_000 })
		: null;
	if (path) {
		form.append(make("label", {}, make("span", {}, "Path and query"), path));
	}
	for (const parameter of operation.parameters.filter(({ place }) => place !== "body")) {
		const input = make("input", { value: parameter.example, required: parameter.is_required, maxlength: 2_000 });
		inputs.set(parameter, input);
		form.append(make("label", {}, make("span", {}, parameter.name), input));
	}
	const body = operation.body === null ? null : make("textarea", { rows: 4, spellcheck: "false" }, operation.body);
	if (body) {
		form.append(make("label", { class: "body" }, make("span", {}, "Body"), body));
	}
	const button = make("button", { type: "submit", class: "button" }, "Send request");
	const hint = make("span", { class: "quiet" }, "A real request: it counts as a call.");
	const result = make("div", { class: "result", role: "status" });
	form.append(make("p", { class: "send" }, button, hint), result);
	form.addEventListener("submit", async (event) => {
		event.preventDefault();
		const address = addressOf(operation, path?.value ?? operation.path, inputs);
		if (address === null) {
			result.replaceChildren(make("p", { class: "failed" }, `The path must stay below ${operation.prefix}/.`));
			return;
		}
		button.disabled = true;
		result.replaceChildren(make("p", { class: "quiet" }, "Waiting for the response …"));
		result.replaceChildren(...(await send(operation, address, body?.value ?? null)));
		button.disabled = false;
	});
	return form;
}

/**
 * @param {Operation} operation
 * @param {string} path
 * @param {ReadonlyMap<Parameter, HTMLInputElement>} inputs
 * @returns {URL | null} `null` for an address outside the API.
 */
export function addressOf(operation, path, inputs) {
	let filled = path.startsWith("/") ? path : `/${path}`;
	const query = new URLSearchParams();
	for (const [{ name, place }, { value }] of inputs) {
		if (place === "path") {
			filled = filled.replaceAll(`{${name}}`, encodeURIComponent(value));
		} else if (value !== "") {
			query.append(name, value);
		}
	}
	let address;
	try {
		address = new URL(`${operation.prefix}${filled}`, location.origin);
	} catch {
		return null;
	}
	for (const [name, value] of query) {
		address.searchParams.append(name, value);
	}
	// Dot segments, also encoded ones, are resolved by now.
	return address.origin === location.origin && address.pathname.startsWith(`${operation.prefix}/`) ? address : null;
}

/**
 * @param {Operation} operation
 * @param {URL} address
 * @param {string | null} body
 * @returns {Promise<HTMLElement[]>}
 */
async function send(operation, address, body) {
	const started = performance.now();
	try {
		const response = await fetch(address, {
			method: operation.method,
			body,
			headers: body === null ? {} : { "content-type": operation.mediaType },
			credentials: "omit",
			cache: "no-store",
			signal: AbortSignal.timeout(TIMEOUT_MS),
		});
		const took = performance.now() - started;
		const type = response.headers.get("content-type") ?? "";
		const text = await readText(response, type);
		const line = `${response.status} ${response.statusText} · ${duration(took)}${type ? ` · ${type}` : ""}`;
		return [
			make("p", { class: response.ok ? "" : "failed" }, line),
			make("pre", { tabindex: 0, role: "region", "aria-label": "Response", dir: "auto" }, make("code", {}, text)),
		];
	} catch (error) {
		const isLate = error instanceof DOMException && error.name === "TimeoutError";
		const reason = isLate ? `There was no response within ${TIMEOUT_MS / 1_000} s.` : "The request failed.";
		return [make("p", { class: "failed" }, reason)];
	}
}

/**
 * @param {Response} response
 * @param {string} type
 * @returns {Promise<string>} The beginning of the body, indented if it is JSON.
 */
async function readText(response, type) {
	if (!TEXT.test(type)) {
		await response.body?.cancel();
		return "The response is no text, so it is not shown.";
	}
	const reader = response.body?.getReader();
	const decoder = new TextDecoder();
	let text = "";
	let bytes = 0;
	while (reader) {
		const { done, value } = await reader.read();
		if (done) {
			break;
		}
		bytes += value.length;
		text += decoder.decode(value, { stream: true });
		if (bytes > SHOWN_BYTES) {
			await reader.cancel();
			return `${text.slice(0, SHOWN_BYTES)}\n… the rest is not shown.`;
		}
	}
	return indented(text) || "The response has no body.";
}

/** @param {string} text JSON is indented, unless a number in it has more digits than JavaScript keeps. */
function indented(text) {
	if (/\d{16}/.test(text)) {
		return text;
	}
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}

/**
 * The detail of one API, and how to call it.
 *
 * @typedef {import("./snapshot.js").Api} Api
 * @typedef {import("./snapshot.js").WindowName} WindowName
 */
import { byId, make, write } from "./dom.js";
import { callPrice, count, duration, money, percent, share } from "./format.js";
import { snippetsOf } from "./snippets.js";
import { sparkline } from "./sparkline.js";

const COPIED_MS = 2_000;
const PERIODS = { today: "Today", week: "This week", overall: "Overall" };

/** @type {readonly {label: string, value: (api: Api) => string}[]} */
const FIGURES = [
	{ label: "Calls", value: (api) => count(api.calls) },
	{ label: "Revenue", value: (api) => money(api.revenueMicros) },
	{ label: "Callers", value: (api) => count(api.callers) },
	{ label: "Price per call", value: (api) => callPrice(api.priceUsd) },
	{ label: "Mean latency", value: (api) => duration(api.latencyMs) },
	{ label: "95th percentile", value: (api) => duration(api.p95LatencyMs) },
	{ label: "Uptime", value: (api) => percent(api.uptimePct) },
	{ label: "Errors", value: (api) => percent(api.errorRatePct) },
	{ label: "Busiest caller's share", value: (api) => share(api.topCallerShare) },
	{ label: "Busiest hour's share", value: (api) => share(api.maxHourShare) },
	{ label: "Callers per call", value: (api) => api.diversityRatio.toFixed(2) },
	{ label: "Score", value: (api) => api.score.toFixed(2) },
];

export class Detail {
	/** @param {() => void} close Called when the user closes it. */
	constructor(close) {
		this.dialog = byId("detail", HTMLDialogElement);
		this.id = "";
		/** @type {Map<string, HTMLElement>} */
		this.values = new Map();
		this.title = make("h2", { id: "detail-title" });
		this.about = make("p", { class: "quiet" });
		this.trend = make("div", { class: "detail-trend" });
		this.snippets = make("div", { class: "snippets" });
		this.written = "";
		const figures = FIGURES.map(({ label }) => {
			const value = make("dd");
			this.values.set(label, value);
			return make("div", {}, make("dt", {}, label), value);
		});
		const button = make("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
		button.addEventListener("click", () => this.dialog.close());
		this.period = make("h3");
		this.dialog.append(
			make("div", { class: "detail-head" }, make("div", {}, this.title, this.about), button),
			this.period,
			this.trend,
			make("dl", { class: "detail-figures" }, ...figures),
			make("h3", {}, "How to call it"),
			this.snippets,
		);
		this.dialog.addEventListener("close", close);
		this.dialog.addEventListener("click", (event) => {
			if (event.target === this.dialog) {
				this.dialog.close();
			}
		});
	}

	/**
	 * @param {Api | null} api The API to show; `null` if it is not in this window.
	 * @param {string} id The id of the API.
	 * @param {WindowName} window
	 */
	show(api, id, window) {
		this.id = id;
		write(this.title, api ? api.endpoint : "Not called in this period");
		write(this.about, api ? `${api.owner} · ${api.category} · rank ${api.rank}` : `No API ${id} is in these figures.`);
		write(this.period, PERIODS[window]);
		this.dialog.classList.toggle("empty", api === null);
		if (api) {
			this.#fill(api, window);
		}
		if (!this.dialog.open) {
			this.dialog.showModal();
		}
	}

	/** Closes it without calling `close`. */
	hide() {
		this.id = "";
		if (this.dialog.open) {
			this.dialog.close();
		}
	}

	/**
	 * @param {Api} api
	 * @param {WindowName} window
	 */
	#fill(api, window) {
		for (const { label, value } of FIGURES) {
			const cell = this.values.get(label);
			if (cell) {
				write(cell, value(api));
			}
		}
		const spark = sparkline(api.trend, window === "today" ? "hour" : "day", 560, 72);
		this.trend.replaceChildren(spark);
		const snippets = snippetsOf(api, location.origin);
		const written = snippets.map(({ text }) => text).join("\n");
		// Unchanged snippets are kept, because the user may be selecting or copying text.
		if (this.written !== written) {
			this.written = written;
			const free =
				api.priceUsd === 0
					? "It is free: no account and no payment."
					: "It answers 402 when it wants to be paid; an x402 client pays by itself.";
			this.snippets.replaceChildren(make("p", {}, free), ...snippets.map(shown));
		}
	}
}

/** @param {import("./snippets.js").Snippet} snippet */
function shown({ name, text }) {
	const code = make("code", {}, text);
	const said = make("span", { class: "unseen", role: "status" });
	const button = make("button", { type: "button", "aria-label": `Copy ${name}` }, "Copy");
	button.addEventListener("click", async () => {
		const copied = await copy(text, code);
		write(button, copied ? "Copied" : "Marked");
		write(said, copied ? `${name} copied.` : "Selected; copy it with your keyboard.");
		setTimeout(() => {
			write(button, "Copy");
			write(said, "");
		}, COPIED_MS);
	});
	const pre = make("pre", { tabindex: 0, role: "region", "aria-label": `${name} example` }, code);
	return make("figure", { class: "snippet" }, make("figcaption", {}, make("span", {}, name), button, said), pre);
}

/**
 * @param {string} text
 * @param {HTMLElement} code Selected if the clipboard is not available.
 * @returns {Promise<boolean>}
 */
async function copy(text, code) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		getSelection()?.selectAllChildren(code);
		return false;
	}
}

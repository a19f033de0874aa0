/**
 * The use of one API: figures and charts of a range, uptime by day, callers and recent payments.
 *
 * @typedef {import("./usage.js").ApiUsage} ApiUsage
 * @typedef {import("./chart.js").Panel} Panel
 */
import { Chart } from "./chart.js";
import { make, write } from "./dom.js";
import { Feed } from "./feed.js";
import { axisCount, axisMoney, clock, count, date, duration, errorRate, money, plural } from "./format.js";
import { changeText, shownChange } from "./hero.js";
import { PERIODS } from "./ranges.js";
import { REASONS } from "./status.js";
import { uptimeRow } from "./uptime.js";
import { readUsage } from "./usage.js";

const RANGES = ["24h", "7d", "30d", "90d"];
const START = "7d";
const REFRESH_MS = 60_000;
const HEIGHTS = { high: 130, low: 110, lines: 3 };

/** @type {readonly Panel[]} */
const PANELS = [
	{ name: "calls", label: "Calls", value: (point) => point.calls, axis: axisCount, full: count, unit: 1, ...HEIGHTS },
	{
		name: "errors",
		label: "Errors",
		value: (point) => point.errors,
		axis: axisCount,
		full: count,
		unit: 1,
		...HEIGHTS,
	},
	{
		name: "latency",
		label: "Mean latency",
		value: (point) => point.latencyMs,
		axis: (value) => (value > 0 ? duration(value) : "0"),
		full: duration,
		unit: 1,
		...HEIGHTS,
	},
	{
		name: "revenue",
		label: "Revenue",
		value: (point) => point.revenueMicros,
		axis: axisMoney,
		full: money,
		unit: 10_000,
		...HEIGHTS,
	},
];

/** @type {readonly {label: string, value: (sums: import("./usage.js").Sums) => number, full: (value: number) => string, isCost: boolean}[]} `isCost`: less is better. */
const FIGURES = [
	{ label: "Calls", value: (sums) => sums.calls, full: count, isCost: false },
	{ label: "Revenue", value: (sums) => sums.revenueMicros, full: money, isCost: false },
	{
		label: "Error rate",
		value: (sums) => sums.errorRatePct,
		full: errorRate,
		isCost: true,
	},
	{ label: "Mean latency", value: (sums) => sums.latencyMs, full: duration, isCost: true },
];

export class Use {
	/**
	 * @param {HTMLElement} section
	 * @param {string} slug
	 */
	constructor(section, slug) {
		this.slug = slug;
		const given = new URLSearchParams(location.search).get("range") ?? "";
		this.range = RANGES.includes(given) ? given : START;
		this.section = section;
		this.ranges = make("nav", { class: "windows", "aria-label": "Range" });
		this.notice = make("div", { class: "notice", role: "status" });
		this.figures = make("dl", { class: "figures" });
		this.charts = PANELS.map((panel) => {
			const box = make("div", { class: "chart", tabindex: 0, role: "group" });
			const readout = make("p", { class: "readout", "aria-live": "polite" });
			const name = make("h3", {}, panel.label);
			const element = make(
				"div",
				{ class: `small-chart ${panel.name}` },
				make("div", { class: "card-head" }, name, readout),
				box,
			);
			const chart = new Chart({ box, readout }, panel.label, [panel], (point) => panel.full(panel.value(point)));
			return { panel, chart, element };
		});
		this.uptime = make("div", { class: "uptime-part" });
		this.callers = make("div", { class: "callers-part" });
		this.payments = make("div", { class: "payments-part" });
		/** @type {Feed<ApiUsage>} */
		this.feed = new Feed(
			readUsage,
			{ onFigures: (usage) => this.#show(usage), onTrouble: (trouble) => this.#complain(trouble) },
			REFRESH_MS,
		);
		for (const range of RANGES) {
			this.ranges.append(make("a", { href: `?range=${range}`, "data-range": range }, PERIODS[range].label));
		}
		this.ranges.addEventListener("click", (event) => {
			const link = event.target instanceof Element ? event.target.closest("a") : null;
			if (link && !(event.metaKey || event.ctrlKey || event.shiftKey)) {
				event.preventDefault();
				history.pushState(null, "", link.href);
				this.#choose(link.dataset.range ?? START);
			}
		});
		addEventListener("popstate", () => {
			const shown = new URLSearchParams(location.search).get("range") ?? "";
			this.#choose(RANGES.includes(shown) ? shown : START);
		});
	}

	/** Shows the section and requests its figures. */
	start() {
		const title = this.section.querySelector("h2");
		this.section.replaceChildren(
			make("div", { class: "card-head" }, title ?? "", this.ranges),
			this.notice,
			this.figures,
			make("div", { class: "small-charts" }, ...this.charts.map(({ element }) => element)),
			this.uptime,
			make("div", { class: "halves" }, this.callers, this.payments),
		);
		this.section.hidden = false;
		this.#choose(this.range);
	}

	/** @param {string} range */
	#choose(range) {
		this.range = range;
		for (const link of this.ranges.querySelectorAll("a")) {
			link.toggleAttribute("aria-current", false);
			if (link.dataset.range === range) {
				link.setAttribute("aria-current", "page");
			}
		}
		this.section.setAttribute("aria-busy", "true");
		this.feed.follow(`/api/explore/usage?api=${encodeURIComponent(this.slug)}&range=${range}`);
	}

	/** @param {ApiUsage} usage */
	#show(usage) {
		this.section.removeAttribute("aria-busy");
		this.notice.className = "notice stale";
		write(
			this.notice,
			usage.complete ? "" : "Some calls are still missing from these figures; they will be added soon.",
		);
		this.#showFigures(usage);
		const { name } = PERIODS[this.range];
		for (const { panel, chart } of this.charts) {
			const summary = `${plural(usage.totals.calls, "call")} ${name}.`;
			const { series, isHourly } = usage;
			chart.show({ series, isHourly, places: series.length, isOpen: true, summary: `${panel.label}: ${summary}` });
		}
		this.uptime.replaceChildren(uptimeRow(usage.days));
		this.#showCallers(usage.callers);
		this.#showPayments(usage);
	}

	/** @param {ApiUsage} usage */
	#showFigures({ totals, previous }) {
		const { versus } = PERIODS[this.range];
		this.figures.replaceChildren(
			...FIGURES.map(({ label, value, full, isCost }) => {
				const now = value(totals);
				const cell = make("dd", { class: "change" });
				if (previous && value(previous) > 0) {
					const change = changeText(now, value(previous), full, isCost ? ["higher", "lower"] : undefined);
					const shown = shownChange(change, versus);
					shown.dataset.trend =
						change.direction === "same" ? "" : (change.direction === "up") === isCost ? "bad" : "good";
					cell.append(shown);
				}
				return make("div", {}, make("dt", {}, label), make("dd", { class: "value" }, full(now)), cell);
			}),
		);
	}

	/** @param {import("./usage.js").Callers} callers */
	#showCallers({ paying, others }) {
		const all = Math.max(1, paying + others);
		const bar = make("div", { class: "split", "aria-hidden": "true" }, make("span"));
		bar.style.setProperty("--part", (paying / all).toFixed(4));
		this.callers.replaceChildren(
			make("h3", {}, "Callers so far"),
			bar,
			make(
				"dl",
				{ class: "pairs" },
				make("div", {}, make("dt", { class: "key paying" }, "Paying"), make("dd", {}, count(paying))),
				make("div", {}, make("dt", { class: "key others" }, "Not paying"), make("dd", {}, count(others))),
			),
		);
	}

	/** @param {ApiUsage} usage */
	#showPayments({ payments }) {
		const head = ["Time (UTC)", "Amount", "Network", "Transaction"].map((name) => make("th", { scope: "col" }, name));
		const rows = payments.map(({ at, amountMicros, network, transaction, link }) => {
			const short = transaction.length > 16 ? `${transaction.slice(0, 10)}…${transaction.slice(-4)}` : transaction;
			const shown = make("code", { title: transaction }, short || "–");
			const where = link ? make("a", { href: link, rel: "noreferrer nofollow", target: "_blank" }, shown) : shown;
			return make(
				"tr",
				{},
				make("th", { scope: "row" }, `${date(at)}, ${clock(at)}`),
				make("td", {}, money(amountMicros)),
				make("td", {}, network),
				make("td", {}, where),
			);
		});
		const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
		const scroller = make(
			"div",
			{ class: "scroller", tabindex: 0, role: "region", "aria-label": "Recent paid calls" },
			table,
		);
		this.payments.replaceChildren(
			make("h3", {}, "Recent paid calls"),
			rows.length > 0 ? scroller : make("p", { class: "quiet" }, "No payment was settled lately."),
		);
	}

	/** @param {import("./feed.js").Trouble} trouble */
	#complain(trouble) {
		this.section.removeAttribute("aria-busy");
		const button = make("button", { type: "button", id: "retry" }, "Try again");
		button.addEventListener("click", () => this.feed.request());
		this.notice.className = "notice failed";
		this.notice.replaceChildren(make("p", {}, `${REASONS[trouble.kind]} (${trouble.code})`), button);
	}
}

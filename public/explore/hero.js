/**
 * The totals of a period, each with its change from the previous period.
 *
 * @typedef {import("./snapshot.js").Totals} Totals
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 */
import { byId, make, write } from "./dom.js";
import { clock, count, date, fullDate, money, shortCount, shortMoney } from "./format.js";
import { PERIODS, periodNamed } from "./ranges.js";

/** @type {Readonly<Record<string, {name: keyof Totals, short: (value: number) => string, full: (value: number) => string}>>} */
const FIGURES = {
	calls: { name: "calls", short: shortCount, full: count },
	revenue: { name: "revenueMicros", short: shortMoney, full: money },
	agents: { name: "agents", short: shortCount, full: count },
	apis: { name: "apis", short: shortCount, full: count },
};

/**
 * @param {Snapshot} snapshot
 * @param {string} period
 */
export function showTotals(snapshot, period) {
	for (const cell of byId("hero", HTMLElement).querySelectorAll("[data-figure]")) {
		const figure = FIGURES[cell.getAttribute("data-figure") ?? ""];
		const [, value, change] = cell.children;
		const now = snapshot.totals[figure.name];
		const before = snapshot.previous ? snapshot.previous[figure.name] : null;
		cell.toggleAttribute("hidden", now === null);
		if (now === null) {
			continue;
		}
		write(value, figure.short(now));
		value.setAttribute("title", figure.full(now));
		if (before === null || (before === 0 && now === 0)) {
			change.replaceChildren();
			continue;
		}
		const shown = changeText(now, before, figure.full);
		const element = shownChange(shown, periodNamed(period).versus);
		if (change.textContent !== element.textContent) {
			change.replaceChildren(...element.childNodes);
		}
		change.setAttribute("data-direction", shown.direction);
	}
}

/** Shows that there are no totals. */
export function showNoTotals() {
	for (const cell of byId("hero", HTMLElement).querySelectorAll("[data-figure]")) {
		const [, value, change] = cell.children;
		write(value, "–");
		value.removeAttribute("title");
		change.replaceChildren();
	}
}

/**
 * @typedef {{direction: "same" | "up" | "down", text: string}} Change
 *
 * @param {number} now
 * @param {number} before
 * @param {(value: number) => string} full
 * @param {readonly [string, string]} [words] For a value that is greater, and for one that is smaller.
 * @returns {Change}
 */
export function changeText(now, before, full, [greater, smaller] = ["more", "less"]) {
	if (now === before) {
		return { direction: "same", text: "The same" };
	}
	const more = now > before;
	const amount = before === 0 ? full(now - before) : relative(now, before);
	return { direction: more ? "up" : "down", text: `${amount} ${more ? greater : smaller}` };
}

/**
 * @param {Change} change
 * @param {string} versus What it is compared with, in words.
 * @returns {HTMLElement}
 */
export function shownChange({ direction, text }, versus) {
	const arrow = direction === "same" ? "" : make("span", { "aria-hidden": "true" }, direction === "up" ? "▲ " : "▼ ");
	return make("span", { "data-direction": direction }, arrow, `${text} `, make("span", { class: "versus" }, versus));
}

/**
 * @param {number} now
 * @param {number} before Greater than zero.
 */
function relative(now, before) {
	const percent = (Math.abs(now - before) / before) * 100;
	if (percent >= 1_000) {
		return `${shortCount(Math.round(now / before))}×`;
	}
	return `${percent < 10 ? percent.toFixed(1) : Math.round(percent)}%`;
}

/**
 * @param {Snapshot} snapshot
 * @param {string} period
 * @returns {string} The time range in words.
 */
export function periodText({ startAt, series, generatedAt }, period) {
	const first = startAt ?? series[0]?.startAt;
	if (!first) {
		return "Calls, revenue and quality of every published API, counted as they happen.";
	}
	const last = generatedAt ?? first;
	if (period === "today") {
		return `${fullDate(first)}, since midnight UTC.`;
	}
	if (period === "overall") {
		return `Everything since ${fullDate(first)}.`;
	}
	if (period === "24h") {
		return `${date(first)}, ${clock(first)} to ${date(last)}, ${clock(last)} UTC.`;
	}
	return Object.hasOwn(PERIODS, period)
		? `${date(first)} to ${fullDate(last)}, ${period === "week" ? "seven days with today" : "with today"}.`
		: `${fullDate(first)}, from midnight to midnight UTC.`;
}

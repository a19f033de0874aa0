/**
 * The totals of a period, each with its change from the previous period.
 *
 * @typedef {import("./snapshot.js").Totals} Totals
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 */
import { byId, make, write } from "./dom.js";
import { count, date, fullDate, money, shortCount, shortMoney } from "./format.js";

/** @type {Readonly<Record<string, {name: keyof Totals, short: (value: number) => string, full: (value: number) => string}>>} */
const FIGURES = {
	calls: { name: "calls", short: shortCount, full: count },
	revenue: { name: "revenueMicros", short: shortMoney, full: money },
	agents: { name: "agents", short: shortCount, full: count },
	apis: { name: "apis", short: shortCount, full: count },
	directories: { name: "directories", short: shortCount, full: count },
};

const BEFORE = { today: "than yesterday by now", week: "than the week before", overall: "than before" };
const SAME = { today: "as yesterday by now", week: "as the week before", overall: "as before" };

/** @param {Snapshot} snapshot */
export function showTotals(snapshot) {
	for (const cell of byId("hero", HTMLElement).children) {
		const figure = FIGURES[cell.getAttribute("data-figure") ?? ""];
		const [, value, change] = cell.children;
		const now = snapshot.totals[figure.name];
		write(value, figure.short(now));
		value.setAttribute("title", figure.full(now));
		const before = snapshot.previous ? snapshot.previous[figure.name] : null;
		const shown = changeOf(now, before, snapshot.window, figure.full);
		if (change.textContent !== shown.textContent) {
			change.replaceChildren(...shown.childNodes);
		}
		change.setAttribute("data-direction", shown.dataset.direction ?? "");
	}
}

/** Shows that there are no totals. */
export function showNoTotals() {
	for (const cell of byId("hero", HTMLElement).children) {
		const [, value, change] = cell.children;
		write(value, "–");
		value.removeAttribute("title");
		change.replaceChildren();
	}
}

/**
 * @param {number} now
 * @param {number | null} before
 * @param {import("./snapshot.js").WindowName} window
 * @param {(value: number) => string} full
 * @returns {HTMLElement}
 */
function changeOf(now, before, window, full) {
	if (before === null || (before === 0 && now === 0)) {
		return make("span", { "data-direction": "" });
	}
	if (now === before) {
		return make("span", { "data-direction": "same" }, "The same ", make("span", {}, SAME[window]));
	}
	const direction = now > before ? "up" : "down";
	const amount =
		before === 0 ? `${full(now - before)} more` : `${relative(now, before)} ${now > before ? "more" : "less"}`;
	const arrow = make("span", { "aria-hidden": "true" }, now > before ? "▲ " : "▼ ");
	return make("span", { "data-direction": direction }, arrow, `${amount} `, make("span", {}, BEFORE[window]));
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

/** @param {Snapshot} snapshot @returns {string} The time range in words. */
export function periodOf({ window, startAt, series, generatedAt }) {
	const first = startAt ?? series[0]?.startAt;
	if (!first) {
		return "Calls, revenue and quality of every published API, counted as they happen.";
	}
	const last = generatedAt ?? first;
	const period = {
		today: `${fullDate(first)}, since midnight UTC`,
		week: `${date(first)} to ${fullDate(last)}, seven days with today`,
		overall: `Everything since ${fullDate(first)}`,
	};
	return `${period[window]}.`;
}

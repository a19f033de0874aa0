/**
 * Uptime as a row of days.
 *
 * @typedef {import("./usage.js").Day} Day
 */
import { make } from "./dom.js";
import { fullDate, percent, plural } from "./format.js";

const GOOD_PCT = 99;
const POOR_PCT = 95;

/** @param {number} pct @returns {"good" | "fair" | "poor"} */
export const uptimeLevel = (pct) => (pct >= GOOD_PCT ? "good" : pct >= POOR_PCT ? "fair" : "poor");

/** @param {Day} day */
const uptimeOf = ({ calls, errors }) => (calls > 0 ? 100 - (100 * errors) / calls : null);

/**
 * @param {readonly Day[]} days Oldest first.
 * @returns {HTMLElement}
 */
export function uptimeRow(days) {
	const calls = days.reduce((sum, day) => sum + day.calls, 0);
	const errors = days.reduce((sum, day) => sum + day.errors, 0);
	const worst = days.reduce((/** @type {Day | null} */ found, day) => {
		const pct = uptimeOf(day);
		return pct !== null && (found === null || pct < (uptimeOf(found) ?? 100)) ? day : found;
	}, null);
	const total = calls > 0 ? percent(100 - (100 * errors) / calls) : "–";
	const row = make("div", { class: "days", "aria-hidden": "true" });
	for (const day of days) {
		const pct = uptimeOf(day);
		const text = pct === null ? "no calls" : `${percent(pct)} of ${plural(day.calls, "call")}`;
		row.append(
			make("span", { "data-level": pct === null ? "none" : uptimeLevel(pct), title: `${fullDate(day.day)}: ${text}` }),
		);
	}
	const lowest =
		worst && (uptimeOf(worst) ?? 100) < 100
			? ` The lowest day was ${fullDate(worst.day)} with ${percent(uptimeOf(worst) ?? 100)}.`
			: "";
	const summary =
		calls > 0
			? `${total} of the calls of ${plural(days.length, "day")} succeeded.${lowest}`
			: "There were no calls in these days.";
	const ends = make(
		"p",
		{ class: "ends quiet" },
		make("span", {}, `${days.length} days ago`),
		make("span", {}, "today"),
	);
	ends.setAttribute("aria-hidden", "true");
	return make(
		"div",
		{},
		make("div", { class: "card-head" }, make("h3", {}, "Uptime"), make("p", { class: "quiet" }, summary)),
		row,
		ends,
		make(
			"p",
			{ class: "legend" },
			...[
				["good", "99% and more"],
				["fair", "95% and more"],
				["poor", "below"],
				["none", "no calls"],
			].map(([level, label]) => make("span", { class: "key", "data-level": level }, label)),
		),
	);
}

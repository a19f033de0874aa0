/**
 * The periods that the pages show, and their names.
 *
 * A period is a window of the snapshots (`today`, `week`, `overall`), a range that ends now, or a
 * UTC day, written as `2026-11-30`.
 */

/** @typedef {{label: string, name: string, title: string, versus: string}} Period */

/** @type {Readonly<Record<string, Period>>} */
export const PERIODS = {
	today: { label: "Today", name: "today", title: "Today", versus: "vs. yesterday until this time" },
	week: { label: "Week", name: "this week", title: "This week", versus: "vs. the 7 days before" },
	"24h": { label: "24 h", name: "in the last 24 hours", title: "24 hours", versus: "vs. the 24 hours before" },
	"7d": { label: "7 days", name: "in the last 7 days", title: "7 days", versus: "vs. the 7 days before" },
	"30d": { label: "30 days", name: "in the last 30 days", title: "30 days", versus: "vs. the 30 days before" },
	"90d": { label: "90 days", name: "in the last 90 days", title: "90 days", versus: "vs. the 90 days before" },
	overall: { label: "All", name: "so far", title: "All time", versus: "vs. 7 days ago" },
};

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const longDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

/** @param {string} text @returns {boolean} Whether it is a UTC day that exists. */
export function isDay(text) {
	const at = new Date(`${text}T00:00:00Z`);
	return DAY.test(text) && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

/** @param {string} period @returns {boolean} Whether its figures are by hour, not by day. */
export const isHourly = (period) => period === "today" || period === "24h" || isDay(period);

/** @param {Date} at @returns {string} The UTC day of a time, as a period. */
export const dayOf = (at) => at.toISOString().slice(0, 10);

/** @param {string} period @returns {Period} */
export function periodNamed(period) {
	if (Object.hasOwn(PERIODS, period)) {
		return PERIODS[period];
	}
	const day = longDay.format(new Date(`${period}T00:00:00Z`));
	return { label: day, name: `on ${day}`, title: day, versus: "vs. the day before" };
}

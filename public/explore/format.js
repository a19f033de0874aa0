/**
 * Formats numbers and times. All times are UTC, like the windows.
 */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const compactDollars = new Intl.NumberFormat("en-US", {
	style: "currency",
	currency: "USD",
	notation: "compact",
	maximumSignificantDigits: 3,
});
const wholeDollars = new Intl.NumberFormat("en-US", {
	style: "currency",
	currency: "USD",
	notation: "compact",
	maximumFractionDigits: 1,
	minimumFractionDigits: 0,
});
const price = new Intl.NumberFormat("en-US", {
	style: "currency",
	currency: "USD",
	minimumFractionDigits: 2,
	maximumFractionDigits: 6,
});
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const longDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

const COMPACT_FROM = 1_000_000;

/** @param {number} value */
export const count = (value) => whole.format(value);

/** @param {number} value Abbreviated from a million. */
export const shortCount = (value) => (value < COMPACT_FROM ? whole : compact).format(value);

/** @param {number} value Abbreviated from a thousand. */
export const axisCount = (value) => (value < 1_000 ? whole : compact).format(value);

/** @param {number} micros Millionths of a dollar; half a cent is rounded up, and less is not shown as zero. */
export const money = (micros) =>
	micros > 0 && micros < 5_000 ? "<$0.01" : dollars.format(Math.round(micros / 10_000) / 100);

/** @param {number} micros Millionths of a dollar; abbreviated from a million dollars. */
export const shortMoney = (micros) =>
	micros / 1e6 < COMPACT_FROM ? money(micros) : compactDollars.format(micros / 1e6);

/** @param {number} micros Millionths of a dollar. */
export const axisMoney = (micros) => (micros / 1e6 < 10 && micros > 0 ? price : wholeDollars).format(micros / 1e6);

/**
 * @param {{charges: boolean, priceMicros: number, highestMicros: number}} api
 * @returns {string} What its requests cost.
 */
export function priceRange({ charges, priceMicros, highestMicros }) {
	if (!charges) {
		return "Free";
	}
	const highest = price.format(highestMicros / 1e6);
	if (priceMicros === highestMicros) {
		return highest;
	}
	return `${priceMicros > 0 ? price.format(priceMicros / 1e6) : "Free"}–${highest}`;
}

/** @param {number} milliseconds */
export function duration(milliseconds) {
	if (milliseconds <= 0) {
		return "–";
	}
	if (milliseconds < 1_000) {
		return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
	}
	return `${(milliseconds / 1_000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`;
}

/** @param {number} value A percentage; values below 100 are never rounded up to 100. */
export function percent(value) {
	const shown = value < 100 ? Math.min(99.99, value) : 100;
	return `${shown.toFixed(2).replace(/\.?0+$/, "")}%`;
}

/** @param {number} value A percentage; values above 0 are never rounded down to 0. */
export function errorRate(value) {
	if (value <= 0) {
		return "0%";
	}
	return value < 0.01 ? "<0.01%" : `${value.toFixed(value < 10 ? 2 : 1).replace(/\.?0+$/, "")}%`;
}

/** @param {Date} at */
export const clock = (at) => hour.format(at);

/** @param {Date} at */
export const date = (at) => day.format(at);

/** @param {Date} at */
export const fullDate = (at) => longDay.format(at);

/** @param {number} seconds */
export function age(seconds) {
	if (seconds < 90) {
		return `${Math.round(seconds)} s`;
	}
	const minutes = Math.round(seconds / 60);
	return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** @param {number} number @param {string} one @param {string} [many] */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

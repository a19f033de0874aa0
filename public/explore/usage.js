/**
 * Parses the use of one API in a range; missing values and values of a wrong type become empty.
 *
 * @typedef {import("./snapshot.js").Point} Point
 * @typedef {{calls: number, errors: number, errorRatePct: number, revenueMicros: number, latencyMs: number}} Sums
 * @typedef {{paying: number, others: number}} Callers
 * @typedef {{at: Date, amountMicros: number, network: string, transaction: string, link: string}} Payment
 * @typedef {{day: Date, calls: number, errors: number}} Day
 * @typedef {{
 *   isHourly: boolean, totals: Sums, previous: Sums | null, series: Point[], days: Day[],
 *   callers: Callers, payments: Payment[], asOf: Date | null, complete: boolean,
 * }} ApiUsage
 */
import { date, list, micros, number, readPoint, record, text } from "./snapshot.js";

/**
 * @param {Record<string, unknown>} body A response of `/api/explore/usage?api=`.
 * @returns {ApiUsage | null}
 */
export function readUsage(body) {
	if (!Array.isArray(body.series)) {
		return null;
	}
	const freshness = record(body.freshness);
	const callers = record(body.callers);
	return {
		isHourly: body.interval === "hour",
		totals: readSums(body.totals),
		previous: body.previous ? readSums(body.previous) : null,
		series: list(body.series).flatMap(readPoint),
		days: list(body.days).flatMap(readDay),
		callers: { paying: number(callers.paying), others: number(callers.others) },
		payments: list(body.payments).flatMap(readPayment),
		asOf: date(freshness.asOf),
		complete: freshness.complete !== false,
	};
}

/** @param {unknown} raw @returns {Sums} */
function readSums(raw) {
	const given = record(raw);
	return {
		calls: number(given.calls),
		errors: number(given.errors),
		errorRatePct: Math.min(100, number(given.errorRatePct)),
		revenueMicros: micros(given),
		latencyMs: number(given.latencyMs),
	};
}

/** @param {unknown} raw @returns {Day[]} */
function readDay(raw) {
	const given = record(raw);
	const day = date(given.startAt);
	const calls = number(given.calls);
	return day ? [{ day, calls, errors: Math.min(calls, number(given.errors)) }] : [];
}

/** @param {unknown} raw @returns {Payment[]} */
function readPayment(raw) {
	const given = record(raw);
	const at = date(given.settledAt);
	const link = text(given.transactionUrl);
	const payment = {
		amountMicros: number(given.amountMicros),
		network: text(given.network),
		transaction: text(given.transaction),
		// Never an address that runs a script.
		link: link.startsWith("https://") ? link : "",
	};
	return at ? [{ at, ...payment }] : [];
}

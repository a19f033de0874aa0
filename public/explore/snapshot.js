/**
 * Parses a snapshot; missing values and values of a wrong type become empty.
 *
 * @typedef {{calls: number, revenueMicros: number, agents: number, apis: number, directories: number}} Totals
 * @typedef {{[name in keyof Totals]: number | null}} Before The totals of an earlier time, as far as they are known.
 * @typedef {{
 *   id: string, rank: number, endpoint: string, url: string, owner: string, category: string, priceUsd: number, calls: number,
 *   revenueMicros: number, callers: number, latencyMs: number, p95LatencyMs: number, errorRatePct: number,
 *   uptimePct: number, topCallerShare: number, maxHourShare: number, diversityRatio: number, score: number,
 *   trend: number[] | null,
 * }} Api
 * @typedef {{name: string, calls: number, revenueMicros: number, apis: number, callers: number}} Category
 * @typedef {{startAt: Date, calls: number, revenueMicros: number, errors: number}} Point
 * @typedef {{asOf: Date | null, complete: boolean, lagSeconds: number}} Freshness
 * @typedef {"today" | "week" | "overall"} WindowName
 * @typedef {{
 *   window: WindowName, generatedAt: Date | null, startAt: Date | null, totals: Totals, previous: Before | null,
 *   apis: Api[], categories: Category[], series: Point[], freshness: Freshness,
 * }} Snapshot
 */

/** @type {readonly WindowName[]} */
export const WINDOWS = ["today", "week", "overall"];

const TREND_POINTS_MAX = 48;

/**
 * @param {unknown} raw The `snapshot` of a response.
 * @param {WindowName} window The requested window.
 * @returns {Snapshot}
 */
export function readSnapshot(raw, window) {
	const given = record(raw);
	const previous = record(given.previous);
	const apis = list(given.allApis).length > 0 ? list(given.allApis) : list(given.topApis);
	return {
		window,
		generatedAt: date(given.generatedAt),
		startAt: date(record(given.range).startAt),
		totals: readTotals(given.heroStats),
		previous: previous.heroStats ? readBefore(previous.heroStats) : null,
		apis: apis.flatMap(readApi),
		categories: list(given.directories).flatMap(readCategory),
		series: list(given.series).flatMap(readPoint),
		freshness: readFreshness(given.freshness),
	};
}

/** @param {unknown} raw @returns {Totals} */
function readTotals(raw) {
	const given = record(raw);
	return {
		calls: number(given.calls),
		revenueMicros: micros(given),
		agents: number(given.activeAgents),
		apis: number(given.publishedApis),
		directories: number(given.directories),
	};
}

/** @param {unknown} raw @returns {Before} */
function readBefore(raw) {
	const given = record(raw);
	const known = readTotals(raw);
	return {
		...known,
		agents: given.activeAgents === null ? null : known.agents,
		apis: given.publishedApis === null ? null : known.apis,
		directories: given.directories === null ? null : known.directories,
	};
}

/** @param {unknown} raw @param {number} index @returns {Api[]} */
function readApi(raw, index) {
	const given = record(raw);
	const endpoint = text(given.endpoint);
	if (!endpoint || given.withdrawn === true) {
		return [];
	}
	const errorRatePct = Math.min(100, number(given.errorRatePct));
	return [
		{
			id: text(given.id) || endpoint,
			rank: number(given.rank) || index + 1,
			endpoint,
			url: text(given.url),
			owner: text(given.owner) || "@unknown",
			category: text(given.directory) || "APIs",
			priceUsd: number(given.priceUsd),
			calls: number(given.calls),
			revenueMicros: micros(given),
			callers: number(given.uniqueCallers),
			latencyMs: number(given.latencyMs),
			p95LatencyMs: number(given.p95LatencyMs),
			errorRatePct,
			uptimePct: 100 - errorRatePct,
			topCallerShare: Math.min(1, number(given.topCallerShare)),
			maxHourShare: Math.min(1, number(given.maxHourShare)),
			diversityRatio: number(given.diversityRatio),
			score: typeof given.trendingScore === "number" ? given.trendingScore : 0,
			trend: Array.isArray(given.trend) ? given.trend.slice(-TREND_POINTS_MAX).map(number) : null,
		},
	];
}

/** @param {unknown} raw @returns {Category[]} */
function readCategory(raw) {
	const given = record(raw);
	const name = text(given.directory);
	const { calls, apis, uniqueCallers } = given;
	return name
		? [
				{
					name,
					calls: number(calls),
					revenueMicros: micros(given),
					apis: number(apis),
					callers: number(uniqueCallers),
				},
			]
		: [];
}

/** @param {unknown} raw @returns {Point[]} */
function readPoint(raw) {
	const given = record(raw);
	const startAt = date(given.startAt);
	const calls = number(given.calls);
	const errors = Math.min(calls, number(given.errors));
	return startAt ? [{ startAt, calls, revenueMicros: micros(given), errors }] : [];
}

/** @param {unknown} raw @returns {Freshness} */
function readFreshness(raw) {
	const given = record(raw);
	return {
		asOf: date(given.asOf),
		complete: given.complete !== false,
		lagSeconds: number(given.lagSeconds),
	};
}

/** @param {unknown} value @returns {Record<string, unknown>} */
export function record(value) {
	return value && typeof value === "object" ? /** @type {Record<string, unknown>} */ (value) : {};
}

/** @param {unknown} value @returns {unknown[]} */
const list = (value) => (Array.isArray(value) ? value : []);

/** @param {unknown} value @returns {number} */
const number = (value) => (typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0);

/** @param {unknown} value @returns {string} */
const text = (value) => (typeof value === "string" ? value : "");

/** @param {Record<string, unknown>} given @returns {number} Micro-dollars; exact if the exact field exists. */
const micros = ({ revenueMicros, revenueUsd }) => number(revenueMicros) || Math.round(number(revenueUsd) * 1e6);

/** @param {unknown} value @returns {Date | null} */
function date(value) {
	const at = new Date(text(value));
	return Number.isNaN(at.getTime()) ? null : at;
}

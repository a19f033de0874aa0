/**
 * Parses a snapshot; missing values and values of a wrong type become empty.
 *
 * @typedef {{calls: number, revenueMicros: number, agents: number | null, apis: number}} Totals
 * @typedef {{[name in keyof Totals]: number | null}} Before The totals of an earlier time, as far as they are known.
 * @typedef {{
 *   id: string, rank: number | null, endpoint: string, title: string, description: string, owner: string,
 *   category: string, tags: string[], priceMicros: number, highestMicros: number, charges: boolean, withdrawn: boolean,
 *   calls: number, revenueMicros: number, callers: number | null, latencyMs: number, errorRatePct: number,
 *   trend: number[] | null,
 * }} Api `rank` is `null` for a withdrawn API, `callers` if they are not counted in this period.
 * @typedef {{name: string, calls: number, revenueMicros: number, apis: number}} Category
 * @typedef {{startAt: Date, calls: number, revenueMicros: number, errors: number, latencyMs: number}} Point
 * @typedef {{asOf: Date | null, complete: boolean, lagSeconds: number}} Freshness
 * @typedef {{
 *   generatedAt: Date | null, startAt: Date | null, totals: Totals, previous: Before | null, apis: Api[],
 *   total: number, matching: number, categories: Category[], series: Point[], freshness: Freshness,
 *   demo: {from: Date, to: Date} | null,
 * }} Snapshot `apis` are those of the list, `total` and `matching` count all and those that match the view; `demo` is
 *   the time of generated history in the figures.
 */

const TREND_POINTS_MAX = 48;

/**
 * @param {Record<string, unknown>} body A response of `/api/explore/analytics`.
 * @returns {Snapshot | null}
 */
export function readSnapshot(body) {
	if (!body.snapshot) {
		return null;
	}
	const given = record(body.snapshot);
	const previous = record(given.previous);
	const apis = list(given.allApis);
	const counted = record(given.apis);
	const demo = record(given.demoHistory);
	const [from, to] = [date(demo.from), date(demo.to)];
	const catalog = record(given.catalog);
	return {
		generatedAt: date(given.generatedAt),
		startAt: date(record(given.range).startAt),
		totals: readTotals(given.heroStats, catalog),
		previous: previous.heroStats ? readBefore(previous.heroStats) : null,
		apis: apis.flatMap(readApi),
		total: number(counted.total),
		matching: number(counted.matching),
		categories: readCategories(list(given.directories), list(catalog.categories)),
		series: list(given.series).flatMap(readPoint),
		freshness: readFreshness(given.freshness),
		demo: from && to ? { from, to } : null,
	};
}

/**
 * @param {unknown} raw
 * @param {Record<string, unknown>} catalog Counts the published APIs; without it, those that were called are.
 * @returns {Totals}
 */
function readTotals(raw, catalog) {
	const given = record(raw);
	return {
		calls: number(given.calls),
		revenueMicros: micros(given),
		agents: given.activeAgents === null ? null : number(given.activeAgents),
		apis: typeof catalog.live === "number" ? number(catalog.live) : number(given.publishedApis),
	};
}

/** @param {unknown} raw @returns {Before} The number of published APIs was never counted. */
function readBefore(raw) {
	return { ...readTotals(raw, {}), apis: null };
}

/** @param {unknown} raw @param {number} index @returns {Api[]} */
function readApi(raw, index) {
	const given = record(raw);
	const endpoint = text(given.endpoint);
	if (!endpoint) {
		return [];
	}
	return [
		{
			id: text(given.id) || endpoint,
			rank: given.rank === null ? null : number(given.rank) || index + 1,
			endpoint,
			title: text(given.title),
			description: text(given.description),
			owner: text(given.owner) || "@unknown",
			category: text(given.directory) || "APIs",
			tags: list(given.tags).map(text).filter(Boolean),
			priceMicros: number(given.listedPriceMicros),
			highestMicros: number(given.highestPriceMicros),
			charges: given.charges === true,
			withdrawn: given.withdrawn === true,
			calls: number(given.calls),
			revenueMicros: micros(given),
			callers: given.uniqueCallers === null ? null : number(given.uniqueCallers),
			latencyMs: number(given.latencyMs),
			errorRatePct: Math.min(100, number(given.errorRatePct)),
			trend: Array.isArray(given.trend) ? given.trend.slice(-TREND_POINTS_MAX).map(number) : null,
		},
	];
}

/**
 * Joins the categories that were called with those that have live APIs.
 *
 * @param {unknown[]} called
 * @param {unknown[]} live
 * @returns {Category[]}
 */
function readCategories(called, live) {
	const apis = new Map(live.map((raw) => [text(record(raw).directory), number(record(raw).apis)]));
	const found = called.map(record).flatMap((given) => {
		const name = text(given.directory);
		return name
			? [{ name, calls: number(given.calls), revenueMicros: micros(given), apis: apis.get(name) ?? number(given.apis) }]
			: [];
	});
	const known = new Set(found.map(({ name }) => name));
	const others = [...apis].filter(([name]) => name && !known.has(name));
	return [...found, ...others.map(([name, count]) => ({ name, calls: 0, revenueMicros: 0, apis: count }))];
}

/** @param {unknown} raw @returns {Point[]} */
export function readPoint(raw) {
	const given = record(raw);
	const startAt = date(given.startAt);
	const calls = number(given.calls);
	const errors = Math.min(calls, number(given.errors));
	return startAt ? [{ startAt, calls, revenueMicros: micros(given), errors, latencyMs: number(given.latencyMs) }] : [];
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
export const list = (value) => (Array.isArray(value) ? value : []);

/** @param {unknown} value @returns {number} */
export const number = (value) => (typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0);

/** @param {unknown} value @returns {string} */
export const text = (value) => (typeof value === "string" ? value : "");

/** @param {Record<string, unknown>} given @returns {number} Micro-dollars; exact if the exact field exists. */
export const micros = ({ revenueMicros, revenueUsd }) => number(revenueMicros) || Math.round(number(revenueUsd) * 1e6);

/** @param {unknown} value @returns {Date | null} */
export function date(value) {
	const at = new Date(text(value));
	return Number.isNaN(at.getTime()) ? null : at;
}

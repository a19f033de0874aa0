/**
 * The view, stored in the address: it can be shared, and Back returns to the previous view.
 *
 * @typedef {"rank" | "title" | "price" | "calls" | "revenue" | "callers" | "latency" | "errors"} SortKey
 * @typedef {{
 *   period: string, search: string, category: string, owner: string, sort: SortKey, descending: boolean, rows: number,
 * }} View `period` as in ranges.js; `rows` is the maximum number of rows. Empty texts do not filter.
 */
import { isDay, PERIODS } from "./ranges.js";

export const ROWS = 25;
export const ROWS_MAX = 1_000;
const SEARCH_LENGTH_MAX = 200;
const WINDOWS = ["today", "week", "overall"];

/** @type {Readonly<Record<SortKey, {label: string, descending: boolean}>>} */
export const SORTS = {
	rank: { label: "Rank", descending: false },
	title: { label: "API", descending: false },
	price: { label: "Price", descending: false },
	calls: { label: "Calls", descending: true },
	revenue: { label: "Revenue", descending: true },
	callers: { label: "Callers", descending: true },
	latency: { label: "Latency", descending: false },
	errors: { label: "Errors", descending: false },
};

/** @param {string} text @returns {text is SortKey} */
export const isSortKey = (text) => Object.hasOwn(SORTS, text);

/**
 * Parses a query string; missing and invalid parameters get their defaults.
 *
 * @param {string} query
 * @returns {View}
 */
export function readView(query) {
	const given = new URLSearchParams(query);
	const named = given.get("sort") ?? "";
	const sort = isSortKey(named) ? named : "rank";
	const order = given.get("order");
	const rows = Number(given.get("rows"));
	const period = given.get("window") ?? "";
	return {
		period: Object.hasOwn(PERIODS, period) || isDay(period) ? period : "today",
		search: (given.get("q") ?? "").slice(0, SEARCH_LENGTH_MAX),
		category: (given.get("category") ?? "").slice(0, SEARCH_LENGTH_MAX),
		owner: (given.get("owner") ?? "").slice(0, SEARCH_LENGTH_MAX + 1),
		sort,
		descending: order === "asc" || order === "desc" ? order === "desc" : SORTS[sort].descending,
		rows: Number.isInteger(rows) && rows > ROWS ? Math.min(rows, ROWS_MAX) : ROWS,
	};
}

/**
 * Returns the address of a view, without parameters that have their defaults.
 *
 * @param {View} view
 * @returns {string}
 */
export function addressOf(view) {
	const query = new URLSearchParams();
	if (view.period !== "today") {
		query.set("window", view.period);
	}
	addFilters(query, view);
	if (view.descending !== SORTS[view.sort].descending) {
		query.set("order", view.descending ? "desc" : "asc");
	}
	if (view.rows > ROWS) {
		query.set("rows", String(view.rows));
	}
	const text = query.toString();
	return text ? `/explore?${text}` : "/explore";
}

/**
 * Returns the address of a view's figures.
 *
 * @param {View} view
 * @returns {string}
 */
export function sourceOf(view) {
	const query = new URLSearchParams();
	query.set(WINDOWS.includes(view.period) ? "window" : "range", view.period);
	query.set("top", "1");
	query.set("limit", String(view.rows));
	addFilters(query, view);
	if (view.descending) {
		query.set("order", "desc");
	}
	return `/api/explore/analytics?${query}`;
}

/**
 * @param {URLSearchParams} query
 * @param {View} view
 */
function addFilters(query, view) {
	if (view.search) {
		query.set("q", view.search);
	}
	if (view.category) {
		query.set("category", view.category);
	}
	if (view.owner) {
		query.set("owner", view.owner);
	}
	if (view.sort !== "rank") {
		query.set("sort", view.sort);
	}
}

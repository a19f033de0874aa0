/**
 * The view, stored in the address: it can be shared, and Back returns to the previous view.
 *
 * @typedef {import("./snapshot.js").WindowName} WindowName
 * @typedef {"rank" | "endpoint" | "price" | "calls" | "revenue" | "callers" | "latency" | "uptime"} SortKey
 * @typedef {{
 *   window: WindowName, search: string, category: string, sort: SortKey, descending: boolean, rows: number, api: string,
 * }} View `rows` is the maximum number of rows, `api` the id of the open detail, empty for none.
 */
import { WINDOWS } from "./snapshot.js";

export const ROWS = 25;
const ROWS_MAX = 1_000;
const SEARCH_LENGTH_MAX = 200;

/** @type {Readonly<Record<SortKey, {label: string, descending: boolean}>>} */
export const SORTS = {
	rank: { label: "Rank", descending: false },
	endpoint: { label: "API", descending: false },
	price: { label: "Price", descending: false },
	calls: { label: "Calls", descending: true },
	revenue: { label: "Revenue", descending: true },
	callers: { label: "Callers", descending: true },
	latency: { label: "Latency", descending: false },
	uptime: { label: "Uptime", descending: true },
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
	return {
		window: WINDOWS.find((name) => name === given.get("window")) ?? "today",
		search: (given.get("q") ?? "").slice(0, SEARCH_LENGTH_MAX),
		category: given.get("category") ?? "",
		sort,
		descending: order === "asc" || order === "desc" ? order === "desc" : SORTS[sort].descending,
		rows: Number.isInteger(rows) && rows > ROWS ? Math.min(rows, ROWS_MAX) : ROWS,
		api: given.get("api") ?? "",
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
	if (view.window !== "today") {
		query.set("window", view.window);
	}
	if (view.search) {
		query.set("q", view.search);
	}
	if (view.category) {
		query.set("category", view.category);
	}
	if (view.sort !== "rank") {
		query.set("sort", view.sort);
	}
	if (view.descending !== SORTS[view.sort].descending) {
		query.set("order", view.descending ? "desc" : "asc");
	}
	if (view.rows > ROWS) {
		query.set("rows", String(view.rows));
	}
	if (view.api) {
		query.set("api", view.api);
	}
	const text = query.toString();
	return text ? `/explore?${text}` : "/explore";
}

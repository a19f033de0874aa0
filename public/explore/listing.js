/**
 * Filters and sorts the listed APIs.
 *
 * @typedef {import("./snapshot.js").Api} Api
 * @typedef {import("./view.js").View} View
 * @typedef {import("./view.js").SortKey} SortKey
 */

/** @type {Readonly<Record<SortKey, (api: Api) => number | string>>} */
const BY = {
	rank: (api) => api.rank,
	endpoint: (api) => api.endpoint.toLowerCase(),
	price: (api) => api.priceUsd,
	calls: (api) => api.calls,
	revenue: (api) => api.revenueMicros,
	callers: (api) => api.callers,
	latency: (api) => api.latencyMs,
	uptime: (api) => api.uptimePct,
};

/**
 * Each word of the search must occur in the endpoint, owner or category.
 *
 * @param {readonly Api[]} apis
 * @param {View} view
 * @returns {Api[]} All matching APIs in the order of the view; ties are ordered by rank.
 */
export function listed(apis, view) {
	const words = view.search.toLowerCase().split(/\s+/).filter(Boolean);
	const value = BY[view.sort];
	const sign = view.descending ? -1 : 1;
	return apis
		.filter((api) => {
			if (view.category && api.category !== view.category) {
				return false;
			}
			const text = `${api.endpoint}\n${api.owner}\n${api.category}`.toLowerCase();
			return words.every((word) => text.includes(word));
		})
		.sort((one, other) => sign * compare(value(one), value(other)) || one.rank - other.rank);
}

/**
 * @param {number | string} one
 * @param {number | string} other
 */
function compare(one, other) {
	return one < other ? -1 : one > other ? 1 : 0;
}

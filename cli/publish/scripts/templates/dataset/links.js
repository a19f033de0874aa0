/**
 * Builds the links between pages.
 *
 * A link consists of a query only, so it works at every address of the API.
 */

/**
 * @param {URLSearchParams} parameters
 * @param {{limit: number, offset: number}} page
 * @param {number} total
 */
export function pageLinks(parameters, { limit, offset }, total) {
	/** @param {number} start */
	const at = (start) => {
		const changed = new URLSearchParams(parameters);
		changed.set("limit", String(limit));
		changed.set("offset", String(start));
		return `?${changed}`;
	};
	const last = Math.max(0, Math.ceil(total / limit) - 1) * limit;
	const next = offset + limit < total ? at(offset + limit) : null;
	const previous = offset > 0 ? at(Math.max(0, Math.min(offset - limit, last))) : null;
	const links = { first: at(0), prev: previous, next, last: at(last) };
	const header = Object.entries(links)
		.filter(([, link]) => link !== null)
		.map(([relation, link]) => `<${link}>; rel="${relation}"`)
		.join(", ");
	return { next, header };
}

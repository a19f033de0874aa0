/** Builds the URL to which a request is forwarded. */

/**
 * Appends the request's path and query to the target's. Callers cannot override the target's own
 * parameters.
 *
 * @param {URL} requested
 * @param {URL} target
 * @returns {URL | undefined} undefined if the path is outside the target's.
 */
export function joined(requested, target) {
	const base = target.pathname.replace(/\/+$/, "");
	const url = new URL(target);
	// The setter resolves dot segments, and never changes the host.
	url.pathname = requested.pathname === "/" ? target.pathname : base + requested.pathname;
	if (url.pathname !== target.pathname && !url.pathname.startsWith(`${base}/`)) return undefined;
	if (target.search === "") {
		url.search = requested.search;
		return url;
	}
	for (const [name, value] of requested.searchParams) {
		if (!target.searchParams.has(name)) url.searchParams.append(name, value);
	}
	return url;
}

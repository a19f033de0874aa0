/** The address that a request is passed on to. */

/**
 * Joins the target's path and query with those of the request. The target's own parameters stay
 * as they are, whatever the caller sends under the same names.
 *
 * @param {URL} asked
 * @param {URL} target
 * @returns {URL | undefined} undefined if the path would lead out of the target's.
 */
export function joined(asked, target) {
	const base = target.pathname.replace(/\/+$/, "");
	const url = new URL(target);
	// The setter takes dot segments out, and never changes the host.
	url.pathname = asked.pathname === "/" ? target.pathname : base + asked.pathname;
	if (url.pathname !== target.pathname && !url.pathname.startsWith(`${base}/`)) return undefined;
	if (target.search === "") {
		url.search = asked.search;
		return url;
	}
	for (const [name, value] of asked.searchParams) {
		if (!target.searchParams.has(name)) url.searchParams.append(name, value);
	}
	return url;
}

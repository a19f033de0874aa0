// Runs before the first paint and before the modules are loaded.
(() => {
	// Applies the stored colours before the first paint, to avoid a flash of the others.
	try {
		const chosen = localStorage.getItem("theme");
		if (chosen === "light" || chosen === "dark") {
			document.documentElement.dataset.theme = chosen;
		}
	} catch {
		// Storage is not available; the page uses the system's colours.
	}
	// Requests the first figures while the modules are loading, if the address has no more than a window; feed.js
	// uses the response.
	const requested = new URLSearchParams(location.search);
	const window = requested.get("window") ?? "today";
	const isPlain = requested.size === (requested.has("window") ? 1 : 0);
	if (
		isPlain &&
		["today", "week", "overall"].includes(window) &&
		document.currentScript?.hasAttribute("data-prefetch")
	) {
		const source = `/api/explore/analytics?window=${window}&top=1&limit=25`;
		const response = fetch(source, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(20_000) });
		response.catch(() => {});
		Object.assign(globalThis, { prefetched: { source, response } });
	}
})();

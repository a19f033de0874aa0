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
	// Requests the first snapshot while the modules are loading; feed.js uses the response.
	if (document.currentScript?.hasAttribute("data-prefetch")) {
		const requested = new URLSearchParams(location.search).get("window") ?? "";
		const source = `/api/explore/analytics?window=${requested === "week" || requested === "overall" ? requested : "today"}&top=100`;
		const response = fetch(source, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(20_000) });
		response.catch(() => {});
		Object.assign(globalThis, { prefetched: { source, response } });
	}
})();

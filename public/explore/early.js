// Runs before the first paint and before the modules are there.
(() => {
	// A remembered choice of colours must never flash the other.
	try {
		const chosen = localStorage.getItem("theme");
		if (chosen === "light" || chosen === "dark") {
			document.documentElement.dataset.theme = chosen;
		}
	} catch {
		// Storage is closed to this page; the system's colours it is.
	}
	// The figures are asked for while the modules are still on their way; feed.js takes the answer.
	if (document.currentScript?.hasAttribute("data-asks")) {
		const named = new URLSearchParams(location.search).get("window") ?? "";
		const source = `/api/explore/analytics?window=${named === "week" || named === "overall" ? named : "today"}&top=100`;
		const response = fetch(source, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(20_000) });
		response.catch(() => {});
		Object.assign(globalThis, { asked: { source, response } });
	}
})();

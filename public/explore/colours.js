/**
 * The switch between light and dark; `early.js` applies what it remembers.
 *
 * @param {HTMLButtonElement} button
 */
export function switchColours(button) {
	const root = document.documentElement;
	const dark = matchMedia("(prefers-color-scheme: dark)");
	const ofSystem = () => (dark.matches ? "dark" : "light");
	const other = () => ((root.dataset.theme ?? ofSystem()) === "dark" ? "light" : "dark");
	const label = () => button.setAttribute("aria-label", `Use ${other()} colours`);
	button.addEventListener("click", () => {
		const wanted = other();
		// Back at the system's colours, the page follows the system again.
		const chosen = wanted === ofSystem() ? null : wanted;
		if (chosen) {
			root.dataset.theme = chosen;
		} else {
			delete root.dataset.theme;
		}
		remember(chosen);
		label();
	});
	dark.addEventListener("change", label);
	label();
}

/** @param {string | null} chosen */
function remember(chosen) {
	try {
		if (chosen) {
			localStorage.setItem("theme", chosen);
		} else {
			localStorage.removeItem("theme");
		}
	} catch {
		// Storage is closed to this page; the choice lasts as long as the visit.
	}
}

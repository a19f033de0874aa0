/**
 * The switch between light and dark colours; `early.js` applies the stored choice.
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
		// If the choice equals the system's colours, the page follows the system again.
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
		// Storage is not available; the choice lasts for this visit.
	}
}

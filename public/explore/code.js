/**
 * Code on a page: buttons that copy it, and tabs in place of the list of languages.
 */
import { make, write } from "./dom.js";

const COPIED_MS = 2_000;

/** @param {ParentNode} part Adds a button to each piece of code in it, and tabs to each group. */
export function improveCode(part) {
	for (const group of part.querySelectorAll(".samples")) {
		addTabs(group);
	}
	for (const pre of part.querySelectorAll("pre")) {
		pre.before(copyButton(pre));
	}
}

/** @param {Element} group Its `details` become panels, of which one is shown. */
function addTabs(group) {
	const samples = [...group.querySelectorAll("details")];
	const tabs = samples.map((sample, index) => {
		const title = sample.querySelector("summary")?.textContent ?? "";
		const [name, install] = title.split(": ");
		const tab = make("button", { type: "button", role: "tab", "aria-selected": index === 0 ? "true" : "false" }, name);
		tab.tabIndex = index === 0 ? 0 : -1;
		const panel = make("div", { role: "tabpanel", class: "sample", "aria-label": name });
		if (install) {
			panel.append(make("p", { class: "quiet" }, install));
		}
		panel.append(...sample.querySelectorAll("pre"));
		panel.hidden = index > 0;
		sample.replaceWith(panel);
		return { tab, panel };
	});
	/** @param {number} chosen */
	const choose = (chosen) => {
		tabs.forEach(({ tab, panel }, index) => {
			tab.setAttribute("aria-selected", String(index === chosen));
			tab.tabIndex = index === chosen ? 0 : -1;
			panel.hidden = index !== chosen;
		});
		tabs[chosen].tab.focus();
	};
	tabs.forEach(({ tab }, index) => {
		tab.addEventListener("click", () => choose(index));
		tab.addEventListener("keydown", (event) => {
			const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
			if (step) {
				event.preventDefault();
				choose((index + step + tabs.length) % tabs.length);
			}
		});
	});
	group.prepend(make("div", { role: "tablist", "aria-label": "Language" }, ...tabs.map(({ tab }) => tab)));
}

/** @param {HTMLElement} pre */
export function copyButton(pre) {
	const said = make("span", { class: "unseen", role: "status" });
	const what = pre.getAttribute("aria-label") ?? "text";
	const button = make("button", { type: "button", class: "copy", "aria-label": `Copy: ${what}` }, "Copy");
	button.addEventListener("click", async () => {
		const copied = await copy(pre);
		write(button, copied ? "Copied" : "Selected");
		write(said, copied ? "Copied." : "Selected; copy it with your keyboard.");
		setTimeout(() => {
			write(button, "Copy");
			write(said, "");
		}, COPIED_MS);
	});
	return make("div", { class: "copying" }, button, said);
}

/**
 * @param {HTMLElement} code Selected if the clipboard is not available.
 * @returns {Promise<boolean>}
 */
async function copy(code) {
	try {
		await navigator.clipboard.writeText(code.textContent ?? "");
		return true;
	} catch {
		getSelection()?.selectAllChildren(code);
		return false;
	}
}

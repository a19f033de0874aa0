/**
 * The page of one API: adds its use over time, forms to try it, and buttons to copy code.
 */
import { improveCode } from "./code.js";
import { switchColours } from "./colours.js";
import { tryForm } from "./try.js";
import { Use } from "./use.js";

const theme = document.querySelector("#theme");
if (theme instanceof HTMLButtonElement) {
	theme.hidden = false;
	switchColours(theme);
}

const block = document.querySelector("#operations");
if (block) {
	/** @type {import("./try.js").Operation[]} */
	const operations = JSON.parse(block.textContent ?? "[]");
	const details = document.querySelectorAll(".operation");
	operations.forEach((operation, index) => {
		if (operation.isFree) {
			details[index].append(tryForm(operation));
		}
	});
	improveCode(document);
}

const use = document.querySelector("#use");
if (use instanceof HTMLElement) {
	new Use(use, use.dataset.slug ?? "").start();
}

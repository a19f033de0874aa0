/**
 * Finds elements by id with a type check, and creates elements from text, never from markup.
 */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, string | number | boolean | null>} Attributes `true` is an empty value; `false` and `null` omit the attribute. */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
	const found = document.getElementById(id);
	if (!(found instanceof kind)) {
		throw new Error(`The page has no ${kind.name} #${id}.`);
	}
	return found;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
	const made = document.createElement(tag);
	assign(made, attributes);
	made.append(...children);
	return made;
}

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function draw(tag, attributes = {}, ...children) {
	const made = document.createElementNS(SVG, tag);
	assign(made, attributes);
	made.append(...children);
	return made;
}

/**
 * Changes a text only if it differs, which keeps selections and avoids repeated announcements.
 *
 * @param {Node} node
 * @param {string} text
 * @returns {boolean} Whether it differed.
 */
export function write(node, text) {
	if (node.textContent === text) {
		return false;
	}
	node.textContent = text;
	return true;
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 */
function assign(element, attributes) {
	for (const [name, value] of Object.entries(attributes)) {
		if (value !== false && value !== null) {
			element.setAttribute(name, value === true ? "" : String(value));
		}
	}
}

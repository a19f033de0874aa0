/**
 * Scales values to coordinates.
 */

/**
 * Picks round values for the lines of an axis, from 0 to `maximum` or just above it.
 *
 * @param {number} maximum
 * @param {number} lines The maximum number of lines, greater than zero.
 * @param {number} [unit] The smallest step; 1 for counts.
 * @returns {number[]}
 */
export function ticks(maximum, lines, unit = 1) {
	const rough = Math.max(maximum, unit) / lines;
	const magnitude = 10 ** Math.floor(Math.log10(rough));
	const step = Math.max(unit, [1, 2, 5, 10].map((factor) => factor * magnitude).find((size) => size >= rough) ?? rough);
	const found = [0];
	while ((found.at(-1) ?? 0) < maximum || found.length < 2) {
		found.push(found.length * step);
	}
	return found;
}

/**
 * Draws columns as one path, with rounded tops if they are wide enough.
 *
 * @param {readonly {x: number, top: number, bottom: number}[]} columns
 * @param {number} width
 * @returns {string}
 */
export function columnsPath(columns, width) {
	const path = [];
	for (const { x, top, bottom } of columns) {
		const height = bottom - top;
		if (height <= 0) {
			continue;
		}
		const radius = Math.min(3, width / 3, height);
		path.push(
			`M${fixed(x)} ${fixed(bottom)}V${fixed(top + radius)}q0 ${fixed(-radius)} ${fixed(radius)} ${fixed(-radius)}`,
			`h${fixed(width - 2 * radius)}q${fixed(radius)} 0 ${fixed(radius)} ${fixed(radius)}V${fixed(bottom)}z`,
		);
	}
	return path.join("");
}

/** @param {number} value A coordinate, to a hundredth of a pixel. */
export const fixed = (value) => String(Math.round(value * 100) / 100);

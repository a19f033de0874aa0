/**
 * A trend as a small line.
 */
import { draw } from "./dom.js";
import { count } from "./format.js";
import { fixed } from "./scale.js";

const INSET = 2.5;

/**
 * @param {readonly number[] | null} trend Calls, oldest first.
 * @param {"hour" | "day"} per The period of each number.
 * @param {number} width
 * @param {number} height
 * @returns {SVGSVGElement}
 */
export function sparkline(trend, per, width, height) {
	const svg = draw("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
	if (!trend || trend.length === 0) {
		svg.setAttribute("aria-label", "No trend");
		svg.append(draw("path", { class: "spark-none", d: `M${INSET} ${height / 2}h${width - 2 * INSET}` }));
		return svg;
	}
	const highest = Math.max(...trend, 1);
	const step = (width - 2 * INSET) / Math.max(1, trend.length - 1);
	const points = trend.map(
		(calls, index) =>
			`${fixed(INSET + index * step)} ${fixed(height - INSET - (calls / highest) * (height - 2 * INSET))}`,
	);
	const line = points.length > 1 ? `M${points.join("L")}` : `M${INSET} ${points[0].split(" ")[1]}h${width - 2 * INSET}`;
	const last = (points.length > 1 ? points[points.length - 1] : `${width - INSET} ${points[0].split(" ")[1]}`).split(
		" ",
	);
	svg.setAttribute("aria-label", describe(trend, per));
	svg.append(
		draw("path", { class: "spark-area", d: `${line}V${height}H${INSET}z` }),
		draw("path", { class: "spark-line", d: line }),
		draw("circle", { class: "spark-end", cx: last[0], cy: last[1], r: 2 }),
	);
	return svg;
}

/**
 * @param {readonly number[]} trend
 * @param {"hour" | "day"} per
 */
function describe(trend, per) {
	const first = count(trend[0]);
	const last = count(trend[trend.length - 1]);
	return `Calls per ${per}: ${first} at first, ${last} last, at most ${count(Math.max(...trend))}`;
}
